#include "runtime/io/Safetensors.h"

#include "runtime/io/AtomicFile.h"
#include "runtime/io/Json.h"

#include <algorithm>
#include <bit>
#include <filesystem>

namespace plexus {
namespace {

using nlohmann::json;
static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

constexpr size_t maxHeaderBytes = 100'000'000; // The format's own limit.
constexpr size_t maxIndexBytes = size_t(256) << 20;
constexpr size_t maxRank = 32;
constexpr std::string_view metadataKey = "__metadata__";

/// "<path>: tensor "<name>"": how messages about a tensor begin.
std::string inTensor(const std::string &path, std::string_view name) {
  return path + ": tensor \"" + std::string(name) + "\"";
}

std::optional<uint64_t> asUnsigned(const json &value) {
  if (!value.is_number_unsigned())
    return std::nullopt;
  return value.get<uint64_t>();
}

Status readShape(const json &shape, std::vector<int64_t> &out) {
  if (!shape.is_array() || shape.size() > maxRank)
    return error(Code::Corrupt) << "\"shape\" is no array of at most " << maxRank << " sizes";
  for (const json &dim : shape) {
    std::optional<uint64_t> size = asUnsigned(dim);
    if (!size || *size > uint64_t(INT64_MAX))
      return error(Code::Corrupt) << "\"shape\" holds something that is no size";
    out.push_back(static_cast<int64_t>(*size));
  }
  return Status::ok();
}

/// A header entry: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}. `data` is the part
/// of the file behind the header.
Expected<TensorView> readEntry(const json &entry, std::span<const uint8_t> data) {
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets") || !entry["dtype"].is_string())
    return error(Code::Corrupt) << "expected dtype, shape and data_offsets, and nothing else";
  TensorView view;
  const auto &dtype = entry["dtype"].get_ref<const std::string &>();
  if (std::optional<DType> known = dtypeFromName(dtype))
    view.dtype = *known;
  else
    return error(Code::Unsupported) << "dtype \"" << dtype << "\" is not one that Plexus reads";
  PLX_RETURN_IF_ERROR(readShape(entry["shape"], view.shape));

  const json &offsets = entry["data_offsets"];
  std::optional<uint64_t> begin, end;
  if (offsets.is_array() && offsets.size() == 2) {
    begin = asUnsigned(offsets[0]);
    end = asUnsigned(offsets[1]);
  }
  if (!begin || !end || *begin > *end)
    return error(Code::Corrupt) << "\"data_offsets\" is not [begin, end] with begin <= end";
  if (*end > data.size())
    return error(Code::Corrupt) << "bytes " << *begin << " to " << *end << " of " << data.size()
                                << ": the file is truncated";
  std::optional<int64_t> elements = checkedElements(view.shape);
  view.size = static_cast<size_t>(*end - *begin);
  if (!elements || static_cast<uint64_t>(*elements) * dtypeSize(view.dtype) != view.size)
    return error(Code::Corrupt) << "shape " << shapeToString(view.shape) << " of " << dtype
                                << " does not make the " << view.size << " bytes given";
  view.bytes = data.data() + *begin;
  return view;
}

Status readMetadata(const json &value, std::map<std::string, std::string> &out) {
  if (!value.is_object())
    return error(Code::Corrupt) << "\"__metadata__\" is " << jsonKind(value) << ", not an object";
  for (const auto &[key, text] : value.items()) {
    if (!text.is_string())
      return error(Code::Corrupt) << "\"__metadata__\": \"" << key << "\" is " << jsonKind(text)
                                  << ", not a string";
    out.emplace(key, text.get<std::string>());
  }
  return Status::ok();
}

/// The format wants every byte behind the header to belong to exactly one tensor.
Status checkCoverage(const std::string &path,
                     const std::map<std::string, TensorView, std::less<>> &tensors,
                     std::span<const uint8_t> data) {
  using Entry = std::pair<const std::string, TensorView>;
  std::vector<const Entry *> order;
  for (const Entry &entry : tensors)
    order.push_back(&entry);
  auto beginOf = [&](const Entry *e) { return static_cast<size_t>(e->second.bytes - data.data()); };
  std::sort(order.begin(), order.end(), [&](const Entry *a, const Entry *b) {
    return std::pair(beginOf(a), a->second.size) < std::pair(beginOf(b), b->second.size);
  });
  size_t covered = 0;
  std::string_view previous = "the header";
  for (const Entry *entry : order) {
    if (beginOf(entry) < covered)
      return error(Code::Corrupt) << inTensor(path, entry->first) << " begins at byte "
                                  << beginOf(entry) << ", inside tensor \"" << previous
                                  << "\", which ends at " << covered;
    if (beginOf(entry) > covered)
      return error(Code::Corrupt) << inTensor(path, entry->first) << " leaves a gap of "
                                  << beginOf(entry) - covered << " bytes behind " << previous;
    covered += entry->second.size;
    previous = entry->first;
  }
  if (covered != data.size())
    return error(Code::Corrupt) << path << ": " << data.size() - covered
                                << " bytes behind the last tensor belong to none";
  return Status::ok();
}

} // namespace

Expected<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::open(const std::string &path) {
  PLX_ASSIGN(auto mapped, MappedFile::open(path));
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile());
  file->path_ = path;
  file->file_ = mapped;
  PLX_RETURN_IF_ERROR(file->readHeader({mapped->data(), mapped->size()}));
  return std::shared_ptr<const SafetensorsFile>(std::move(file));
}

Expected<std::shared_ptr<const SafetensorsFile>>
SafetensorsFile::parse(std::span<const uint8_t> bytes, const std::string &path) {
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile());
  file->path_ = path;
  PLX_RETURN_IF_ERROR(file->readHeader(bytes));
  return std::shared_ptr<const SafetensorsFile>(std::move(file));
}

Status SafetensorsFile::readHeader(std::span<const uint8_t> bytes) {
  uint64_t length = 0;
  if (bytes.size() < sizeof(length))
    return error(Code::Corrupt) << path_ << ": no safetensors file: " << bytes.size()
                                << " bytes, too short for a header";
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > maxHeaderBytes)
    return error(Code::ResourceExhausted)
           << path_ << ": no safetensors file: a header of " << length << " bytes, at most "
           << maxHeaderBytes << " are read";
  if (length > bytes.size() - sizeof(length))
    return error(Code::Corrupt) << path_ << ": truncated: a header of " << length
                                << " bytes in a file of " << bytes.size();
  std::string_view text(reinterpret_cast<const char *>(bytes.data()) + sizeof(length), length);
  if (text.empty() || text.front() != '{')
    return error(Code::Corrupt) << path_
                                << ": no safetensors file: the header does not begin with {";
  JsonLimits limits{.maxBytes = maxHeaderBytes, .maxDepth = 4};
  PLX_ASSIGN(json header, parseJson(text, path_, limits));

  std::span<const uint8_t> data = bytes.subspan(sizeof(length) + length);
  for (const auto &[name, entry] : header.items()) {
    if (name == metadataKey) {
      PLX_RETURN_IF_ERROR(readMetadata(entry, metadata_).at(path_));
      continue;
    }
    Expected<TensorView> view = readEntry(entry, data);
    if (!view)
      return view.status().at(inTensor(path_, name));
    view->file = file_.get();
    tensors_.emplace(name, *std::move(view));
    names_.push_back(name); // The header's keys come sorted.
  }
  return checkCoverage(path_, tensors_, data);
}

const TensorView *SafetensorsFile::find(std::string_view name) const {
  auto place = tensors_.find(name);
  return place == tensors_.end() ? nullptr : &place->second;
}

std::vector<std::shared_ptr<const MappedFile>> SafetensorsFile::files() const {
  if (!file_)
    return {};
  return {file_};
}

Expected<std::shared_ptr<const ShardedSafetensors>>
ShardedSafetensors::open(const std::string &indexPath) {
  std::shared_ptr<ShardedSafetensors> source(new ShardedSafetensors());
  source->path_ = indexPath;
  PLX_RETURN_IF_ERROR(source->readIndex());
  return std::shared_ptr<const ShardedSafetensors>(std::move(source));
}

Status ShardedSafetensors::readIndex() {
  PLX_ASSIGN(json index, readJsonFile(path_, {.maxBytes = maxIndexBytes, .maxDepth = 8}));
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    return error(Code::Corrupt) << path_ << ": no index of shards: \"weight_map\" is missing";

  std::string problems;
  std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  for (const auto &[name, file] : index["weight_map"].items()) {
    // A shard is a file beside the index: an index must not reach elsewhere.
    std::string fileName = file.is_string() ? file.get<std::string>() : "";
    if (fileName.empty() || std::filesystem::path(fileName).filename() != fileName)
      return error(Code::Corrupt) << path_ << ": the file of tensor \"" << name
                                  << "\" is not the name of a file in the same folder";
    auto [shard, isNew] = shards_.try_emplace(fileName);
    if (isNew) {
      auto opened = SafetensorsFile::open((folder / shard->first).string());
      if (opened)
        shard->second = *std::move(opened);
      else
        problems += "\n  " + opened.status().message();
    }
    if (!shard->second)
      continue; // Reported once.
    if (!shard->second->find(name))
      problems += "\n  tensor \"" + name + "\" is not in " + shard->first;
    shardOfTensor_.emplace(name, shard->second.get());
    names_.push_back(name);
  }
  for (const auto &[fileName, shard] : shards_)
    for (const std::string &name : shard ? shard->names() : std::vector<std::string>())
      if (auto place = shardOfTensor_.find(name);
          place == shardOfTensor_.end() || place->second != shard.get())
        problems += "\n  tensor \"" + name + "\" of " + fileName + " is not in the index";
  if (!problems.empty())
    return error(Code::Corrupt) << path_ << ": the shards do not fit the index:" << problems;
  return Status::ok();
}

const TensorView *ShardedSafetensors::find(std::string_view name) const {
  auto place = shardOfTensor_.find(name);
  return place == shardOfTensor_.end() ? nullptr : place->second->find(name);
}

std::vector<std::shared_ptr<const MappedFile>> ShardedSafetensors::files() const {
  std::vector<std::shared_ptr<const MappedFile>> all;
  for (const auto &[name, shard] : shards_)
    for (auto &file : shard->files())
      all.push_back(std::move(file));
  return all;
}

Expected<std::shared_ptr<const TensorSource>> openSafetensors(const std::string &path) {
  if (path.ends_with(".json")) {
    PLX_ASSIGN(auto sharded, ShardedSafetensors::open(path));
    return std::shared_ptr<const TensorSource>(std::move(sharded));
  }
  PLX_ASSIGN(auto single, SafetensorsFile::open(path));
  return std::shared_ptr<const TensorSource>(std::move(single));
}

Status writeSafetensors(const std::string &path, std::span<const NamedTensorView> tensors,
                        const std::map<std::string, std::string> &metadata) {
  std::vector<const NamedTensorView *> order;
  for (const NamedTensorView &tensor : tensors)
    order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const NamedTensorView *a, const NamedTensorView *b) {
    size_t sizeA = dtypeSize(a->view.dtype), sizeB = dtypeSize(b->view.dtype);
    return sizeA != sizeB ? sizeA > sizeB : a->name < b->name;
  });
  json header = json::object();
  if (!metadata.empty())
    header[metadataKey] = metadata;
  size_t offset = 0;
  for (const NamedTensorView *tensor : order) {
    const TensorView &view = tensor->view;
    std::optional<int64_t> elements = checkedElements(view.shape);
    if (!view.isPlain() || !elements ||
        static_cast<uint64_t>(*elements) * dtypeSize(view.dtype) != view.size)
      return error(Code::InvalidArgument)
             << inTensor(path, tensor->name) << " is not a dense tensor of plain elements";
    if (header.contains(tensor->name) || tensor->name == metadataKey)
      return error(Code::InvalidArgument) << inTensor(path, tensor->name) << ": the name is taken";
    header[tensor->name] = {{"dtype", dtypeName(view.dtype)},
                            {"shape", view.shape},
                            {"data_offsets", {offset, offset + view.size}}};
    offset += view.size;
  }
  std::string text;
  try {
    text = header.dump(); // Throws for names that are not UTF-8.
  } catch (const json::exception &) {
    return error(Code::InvalidArgument) << path << ": a tensor's name or metadata is not UTF-8";
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  uint64_t length = text.size();

  PLX_ASSIGN(AtomicFile file, AtomicFile::create(path));
  PLX_RETURN_IF_ERROR(file.write(&length, sizeof(length)));
  PLX_RETURN_IF_ERROR(file.write(text));
  for (const NamedTensorView *tensor : order)
    PLX_RETURN_IF_ERROR(file.write(tensor->view.bytes, tensor->view.size));
  return file.commit();
}

} // namespace plexus
