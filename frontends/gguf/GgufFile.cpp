#include "frontends/gguf/GgufFile.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <type_traits>

namespace plexus::frontends {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are little-endian");

constexpr uint32_t supportedVersion = 3;
constexpr uint64_t maxMetadata = 1 << 16;
constexpr uint64_t maxTensors = 1 << 20;
constexpr uint64_t maxNameBytes = 4096;
constexpr uint32_t maxRank = 4; // GGML_MAX_DIMS
constexpr uint64_t defaultAlignment = 32;

/// ggml's type numbers; a gap is a number that was withdrawn.
struct GgmlType {
  uint32_t number;
  std::string_view name;
};
constexpr GgmlType ggmlTypes[] = {
    {0, "F32"},     {1, "F16"},    {2, "Q4_0"},     {3, "Q4_1"},    {6, "Q5_0"},     {7, "Q5_1"},
    {8, "Q8_0"},    {9, "Q8_1"},   {10, "Q2_K"},    {11, "Q3_K"},   {12, "Q4_K"},    {13, "Q5_K"},
    {14, "Q6_K"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"}, {24, "I8"},      {25, "I16"},
    {26, "I32"},    {27, "I64"},   {28, "F64"},     {29, "IQ1_M"},  {30, "BF16"},    {34, "TQ1_0"},
    {35, "TQ2_0"},  {39, "MXFP4"},
};

std::string ggmlTypeName(uint32_t number) {
  for (const GgmlType &type : ggmlTypes)
    if (type.number == number)
      return std::string(type.name);
  return "number " + std::to_string(number);
}

bool isPrintable(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c > 32 && c < 127; });
}

template <typename T>
std::string elementToString(const T &value) {
  if constexpr (std::is_same_v<T, bool>)
    return value ? "true" : "false";
  else if constexpr (std::is_same_v<T, std::string>)
    return "\"" + value.substr(0, 80) + (value.size() > 80 ? "..." : "") + "\"";
  else
    return std::to_string(value);
}

template <typename T>
constexpr bool isVector = false;
template <typename T>
constexpr bool isVector<std::vector<T>> = true;

/// Bytes from outside, read front to back; every read says whether there were enough.
class Cursor {
public:
  explicit Cursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_.size() - offset_; }

  template <typename T>
  bool read(T &value) {
    if (remaining() < sizeof(T))
      return false;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return true;
  }
  /// u64 length, then so many bytes.
  bool read(std::string &text, uint64_t maxBytes) {
    uint64_t length = 0;
    if (!read(length) || length > remaining() || length > maxBytes)
      return false;
    text.assign(reinterpret_cast<const char *>(bytes_.data() + offset_), length);
    offset_ += length;
    return true;
  }

private:
  std::span<const uint8_t> bytes_;
  size_t offset_ = 0;
};

/// Reads one element of a stored type into what GgufValue holds; false when the file ends.
template <typename Stored, typename Held>
bool readElement(Cursor &in, Held &out) {
  Stored stored{};
  if (!in.read(stored))
    return false;
  if constexpr (std::is_same_v<Stored, uint64_t>)
    if (stored > uint64_t(INT64_MAX))
      return false;
  if constexpr (std::is_same_v<Held, bool>) {
    if (stored > 1)
      return false;
    out = stored != 0;
  } else {
    out = static_cast<Held>(stored);
  }
  return true;
}

template <>
bool readElement<std::string>(Cursor &in, std::string &out) {
  return in.read(out, UINT64_MAX);
}

template <typename Stored, typename Held>
bool readScalar(Cursor &in, GgufValue &out) {
  Held held{};
  bool isRead = readElement<Stored>(in, held);
  out = std::move(held);
  return isRead;
}

template <typename Stored, typename Held>
bool readArray(Cursor &in, uint64_t count, GgufValue &out) {
  // A string takes at least its length: no count can ask for more memory than the file justifies.
  size_t least = std::is_same_v<Stored, std::string> ? sizeof(uint64_t) : sizeof(Stored);
  if (count > in.remaining() / least)
    return false;
  std::vector<Held> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    Held held{};
    if (!readElement<Stored>(in, held))
      return false;
    values.push_back(std::move(held));
  }
  out = std::move(values);
  return true;
}

struct ValueType {
  std::string_view name;
  bool (*scalar)(Cursor &, GgufValue &);
  bool (*array)(Cursor &, uint64_t, GgufValue &);
};
template <typename Stored, typename Held>
constexpr ValueType valueType(std::string_view name) {
  return {name, readScalar<Stored, Held>, readArray<Stored, Held>};
}

/// By gguf_metadata_value_type.
constexpr ValueType valueTypes[] = {
    valueType<uint8_t, int64_t>("uint8"),          valueType<int8_t, int64_t>("int8"),
    valueType<uint16_t, int64_t>("uint16"),        valueType<int16_t, int64_t>("int16"),
    valueType<uint32_t, int64_t>("uint32"),        valueType<int32_t, int64_t>("int32"),
    valueType<float, double>("float32"),           valueType<uint8_t, bool>("bool"),
    valueType<std::string, std::string>("string"), {"array", nullptr, nullptr},
    valueType<uint64_t, int64_t>("uint64"),        valueType<int64_t, int64_t>("int64"),
    valueType<double, double>("float64"),
};
constexpr uint32_t arrayType = 9;

} // namespace

std::string ggufValueToString(const GgufValue &value) {
  return std::visit(
      [](const auto &held) -> std::string {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (isVector<Held>) {
          std::string text = "[";
          for (size_t i = 0; i < std::min<size_t>(held.size(), 4); ++i)
            text += (i ? ", " : "") + elementToString(typename Held::value_type(held[i]));
          return text +
                 (held.size() > 4 ? ", ...] (" + std::to_string(held.size()) + " elements)" : "]");
        } else {
          return elementToString(held);
        }
      },
      value);
}

std::string_view ggufKind(const GgufValue &value) {
  constexpr std::string_view names[] = {"an integer",
                                        "a number",
                                        "a boolean",
                                        "a string",
                                        "an array of integers",
                                        "an array of numbers",
                                        "an array of booleans",
                                        "an array of strings"};
  static_assert(std::size(names) == std::variant_size_v<GgufValue>);
  return names[value.index()];
}

/// Fills a GgufFile from its bytes.
class GgufFile::Reader {
public:
  Reader(GgufFile &file, std::span<const uint8_t> bytes) : file_(file), bytes_(bytes), in_(bytes) {}

  Status read() {
    PLX_RETURN_IF_ERROR(readHeader());
    for (uint64_t i = 0; i < metadataCount_; ++i)
      PLX_RETURN_IF_ERROR(readMetadata());
    PLX_RETURN_IF_ERROR(readAlignment());
    for (uint64_t i = 0; i < tensorCount_; ++i)
      PLX_RETURN_IF_ERROR(readTensorInfo());
    return placeTensors();
  }

private:
  struct Info {
    std::string name;
    TensorView view;
    uint64_t offset = 0; ///< From the beginning of the data.
  };

  Status corrupt(std::string_view what) const {
    return error(Code::Corrupt) << file_.path_ << ": " << what << " at byte " << in_.offset();
  }

  Status readHeader() {
    uint32_t magic = 0, version = 0;
    if (!in_.read(magic) || magic != 0x46554747u) // "GGUF"
      return error(Code::Corrupt) << file_.path_ << ": no GGUF file: it does not begin with GGUF";
    if (!in_.read(version))
      return corrupt("truncated header");
    if (version != supportedVersion) {
      bool isBigEndian = version != 0 && (version & 0xffffu) == 0;
      return error(Code::Unsupported) << file_.path_ << ": GGUF "
                                      << (isBigEndian ? std::string("in big-endian order")
                                                      : "version " + std::to_string(version))
                                      << ": only version 3, little-endian, is read; convert the "
                                         "file with a current llama.cpp";
    }
    if (!in_.read(tensorCount_) || !in_.read(metadataCount_))
      return corrupt("truncated header");
    if (tensorCount_ > maxTensors || metadataCount_ > maxMetadata)
      return error(Code::ResourceExhausted)
             << file_.path_ << ": " << tensorCount_ << " tensors and " << metadataCount_
             << " metadata values, at most " << maxTensors << " and " << maxMetadata << " are read";
    return Status::ok();
  }

  Status readMetadata() {
    std::string key;
    uint32_t type = 0, element = 0;
    if (!in_.read(key, maxNameBytes) || key.empty() || !isPrintable(key))
      return corrupt("truncated or wrong metadata key");
    auto bad = [&](std::string_view what) {
      return corrupt("metadata \"" + key + "\": " + std::string(what));
    };
    if (!in_.read(type) || type >= std::size(valueTypes))
      return bad("truncated, or of a value type that does not exist");
    GgufValue value;
    bool isRead = false;
    if (type == arrayType) {
      uint64_t count = 0;
      if (!in_.read(element) || element >= std::size(valueTypes) || !in_.read(count))
        return bad("truncated, or an array of a type that does not exist");
      if (element == arrayType)
        return error(Code::Unsupported)
               << file_.path_ << ": metadata \"" << key << "\" is an array of arrays";
      isRead = valueTypes[element].array(in_, count, value);
    } else {
      isRead = valueTypes[type].scalar(in_, value);
    }
    if (!isRead)
      return bad("truncated, or no value of type " + std::string(valueTypes[type].name));
    if (!file_.metadata_.emplace(std::move(key), std::move(value)).second)
      return corrupt("a metadata key that occurs twice");
    return Status::ok();
  }

  Status readAlignment() {
    if (const GgufValue *value = file_.metadata("general.alignment")) {
      const auto *given = std::get_if<int64_t>(value);
      if (!given || *given < 8 || *given > (1 << 20) || *given % 8 != 0)
        return error(Code::Corrupt) << file_.path_ << ": general.alignment is "
                                    << ggufValueToString(*value) << ", not a multiple of 8";
      alignment_ = static_cast<uint64_t>(*given);
    }
    const GgufValue *parts = file_.metadata("split.count");
    if (parts && *parts != GgufValue(int64_t(1)) && *parts != GgufValue(int64_t(0)))
      return error(Code::Unsupported)
             << file_.path_ << ": one of " << ggufValueToString(*parts)
             << " parts of a split model: merge them with llama-gguf-split --merge";
    return Status::ok();
  }

  Status readTensorInfo() {
    Info info;
    uint32_t rank = 0, type = 0;
    if (!in_.read(info.name, maxNameBytes) || info.name.empty() || !isPrintable(info.name))
      return corrupt("truncated or wrong tensor name");
    std::string where = "tensor \"" + info.name + "\"";
    if (!in_.read(rank) || rank > maxRank)
      return corrupt(where + ": truncated, or of more than 4 dimensions");
    info.view.shape.resize(rank);
    for (uint32_t i = 0; i < rank; ++i)
      if (!in_.read(info.view.shape[rank - 1 - i]))
        return corrupt(where + ": truncated");
    if (!in_.read(type) || !in_.read(info.offset))
      return corrupt(where + ": truncated");
    if (!names_.insert(info.name).second)
      return corrupt(where + " occurs twice");
    std::string typeName = ggmlTypeName(type);
    if (std::optional<DType> dtype = dtypeFromName(typeName))
      info.view.dtype = *dtype;
    else if (!(info.view.block = findBlockFormat(typeName))) {
      file_.undecodedTypes_.emplace(typeName, info.name);
      return Status::ok();
    }
    PLX_RETURN_IF_ERROR(sizeTensor(info).at(file_.path_ + ": " + where));
    infos_.push_back(std::move(info));
    return Status::ok();
  }

  static Status sizeTensor(Info &info) {
    TensorView &view = info.view;
    std::optional<int64_t> elements = checkedElements(view.shape);
    if (!elements)
      return error(Code::Corrupt) << "impossible shape " << shapeToString(view.shape);
    if (!view.block) {
      view.size = static_cast<size_t>(*elements) * dtypeSize(view.dtype);
      return Status::ok();
    }
    if (view.shape.empty() || view.shape.back() % view.block->elements != 0)
      return error(Code::Corrupt) << "shape " << shapeToString(view.shape)
                                  << " does not make whole blocks of " << view.block->elements
                                  << " (" << view.block->name << ")";
    view.size = static_cast<size_t>(*elements / view.block->elements) * view.block->bytes;
    return Status::ok();
  }

  /// The data begins at the next aligned byte; offsets are aligned, inside the file and disjoint.
  Status placeTensors() {
    if (infos_.empty())
      return Status::ok();
    uint64_t begin = (in_.offset() + alignment_ - 1) / alignment_ * alignment_;
    uint64_t available = begin > bytes_.size() ? 0 : bytes_.size() - begin;
    std::sort(infos_.begin(), infos_.end(),
              [](const Info &a, const Info &b) { return a.offset < b.offset; });
    uint64_t end = 0;
    for (Info &info : infos_) {
      std::string where = file_.path_ + ": tensor \"" + info.name + "\"";
      if (info.offset % alignment_ != 0)
        return error(Code::Corrupt)
               << where << ": offset " << info.offset << " is not a multiple of " << alignment_;
      if (info.offset > available || info.view.size > available - info.offset)
        return error(Code::Corrupt)
               << where << ": " << info.view.size << " bytes at " << info.offset << " of "
               << available << ": the file is truncated";
      if (info.offset < end)
        return error(Code::Corrupt) << where << ": overlaps the tensor before it";
      end = info.offset + info.view.size;
      info.view.bytes = bytes_.data() + begin + info.offset;
      info.view.file = file_.file_.get();
      file_.tensors_.emplace(info.name, std::move(info.view));
    }
    for (const auto &[name, view] : file_.tensors_)
      file_.names_.push_back(name);
    return Status::ok();
  }

  GgufFile &file_;
  std::span<const uint8_t> bytes_;
  Cursor in_;
  uint64_t tensorCount_ = 0, metadataCount_ = 0, alignment_ = defaultAlignment;
  std::set<std::string> names_;
  std::vector<Info> infos_;
};

Expected<std::shared_ptr<const GgufFile>> GgufFile::open(const std::string &path) {
  PLX_ASSIGN(auto mapped, MappedFile::open(path));
  std::shared_ptr<GgufFile> file(new GgufFile());
  file->path_ = path;
  file->file_ = mapped;
  PLX_RETURN_IF_ERROR(Reader(*file, {mapped->data(), mapped->size()}).read());
  return std::shared_ptr<const GgufFile>(std::move(file));
}

Expected<std::shared_ptr<const GgufFile>> GgufFile::parse(std::span<const uint8_t> bytes,
                                                          const std::string &path) {
  std::shared_ptr<GgufFile> file(new GgufFile());
  file->path_ = path;
  PLX_RETURN_IF_ERROR(Reader(*file, bytes).read());
  return std::shared_ptr<const GgufFile>(std::move(file));
}

const GgufValue *GgufFile::metadata(std::string_view key) const {
  auto place = metadata_.find(key);
  return place == metadata_.end() ? nullptr : &place->second;
}

const TensorView *GgufFile::find(std::string_view name) const {
  auto place = tensors_.find(name);
  return place == tensors_.end() ? nullptr : &place->second;
}

std::vector<std::shared_ptr<const MappedFile>> GgufFile::files() const {
  if (!file_)
    return {};
  return {file_};
}

Status GgufFile::checkTensorTypes() const {
  if (undecodedTypes_.empty())
    return Status::ok();
  std::string list;
  for (const auto &[type, tensor] : undecodedTypes_)
    list += "\n  " + type + ", as in tensor \"" + tensor + "\"";
  return error(Code::Unsupported)
         << path_
         << ": tensors of types that Plexus does not decode (it does F32, F16, BF16, Q8_0, "
         << "Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K):" << list;
}

} // namespace plexus::frontends
