// The table of packed values, the geometry of blocks, and how forms are spelled.
#include "runtime/io/PackedForm.h"

#include <charconv>

namespace plexus {
namespace {

// In the order of PackedValues.
constexpr PackedValueInfo kInfos[] = {
    {"f32", 32, 0, 1, 0, 0}, {"bf16", 16, 0, 2, 0, 0}, {"f16", 16, 0, 1, 0, 0},
    {"q8", 8, 0, 4, 0, 128}, {"q6", 6, 2, 16, 32, 63}, {"q5", 5, 1, 32, 16, 31},
    {"q4", 4, 0, 8, 8, 15},  {"fp8", 8, 0, 4, 0, 0},   {"fp8_e5m2", 8, 0, 4, 0, 0},
    {"fp4", 4, 0, 8, 0, 12},
};
static_assert(std::size(kInfos) == kPackedValueKinds);

constexpr int64_t roundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/// k of the blocks of plain floats, and what whole columns are padded to.
constexpr int64_t kFloatDepth = 16, kPairDepth = 32, kChannelDepth = 32;

std::optional<int32_t> number(std::string_view text) {
  int32_t value = 0;
  auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size() || value <= 0)
    return std::nullopt;
  return value;
}

} // namespace

const PackedValueInfo &infoOf(PackedValues values) { return kInfos[static_cast<int>(values)]; }

std::string PackedForm::problem() const {
  std::string name(info().name);
  if (!isQuantized())
    return group || superblock || zeros != PackedZeros::None ? name + " takes no scales" : "";
  bool known = group == 0 || group == 16 || group == 32 || group == 64 || group == 128;
  if (!known)
    return "groups are 16, 32, 64, 128 or the whole channel, not " + std::to_string(group);
  if (group == 0 ? kChannelDepth % info().unit != 0 : group % info().unit != 0)
    return name + " comes in units of " + std::to_string(info().unit) + ", the group is " +
           std::to_string(group);
  if (superblock && (group == 0 || superblock <= group || superblock % group || superblock > 256))
    return "a superblock of " + std::to_string(superblock) + " does not hold groups of " +
           std::to_string(group);
  if (superblock && zeros == PackedZeros::Point)
    return "superblocks have minima or no zeros";
  if (zeros != PackedZeros::None && !isInteger())
    return name + " has no zeros";
  return "";
}

std::string PackedForm::spelling() const {
  std::string text(info().name);
  if (!isQuantized())
    return text;
  static constexpr std::string_view kZeros[] = {"", "z", "m"};
  text += kZeros[static_cast<int>(zeros)];
  if (group == 0)
    return text + ":channel";
  if (group != 32 || superblock)
    text += ":" + std::to_string(group);
  return superblock ? text + "/" + std::to_string(superblock) : text;
}

std::optional<PackedForm> PackedForm::parse(std::string_view text) {
  std::string_view head = text.substr(0, text.find(':'));
  PackedForm form;
  bool found = false;
  for (int i = 0; i < kPackedValueKinds && !found; ++i) {
    std::string_view name = kInfos[i].name;
    if (!head.starts_with(name) || head.size() > name.size() + 1)
      continue;
    std::string_view suffix = head.substr(name.size());
    found = suffix.empty() || suffix == "z" || suffix == "m";
    form.values = static_cast<PackedValues>(i);
    form.zeros = suffix == "z"   ? PackedZeros::Point
                 : suffix == "m" ? PackedZeros::Min
                                 : PackedZeros::None;
  }
  if (!found)
    return std::nullopt;
  form.group = form.isQuantized() ? 32 : 0;
  if (head.size() < text.size()) {
    std::string_view sizes = text.substr(head.size() + 1);
    size_t slash = sizes.find('/');
    if (sizes == "channel") {
      form.group = 0;
    } else {
      auto group = number(sizes.substr(0, slash));
      auto superblock = slash == std::string_view::npos ? std::optional<int32_t>(0)
                                                        : number(sizes.substr(slash + 1));
      if (!group || !superblock)
        return std::nullopt;
      form.group = *group;
      form.superblock = *superblock;
    }
  }
  if (!form.problem().empty())
    return std::nullopt;
  return form;
}

PackedGeometry::PackedGeometry(const PackedForm &form, int64_t k) {
  const PackedValueInfo &info = form.info();
  bool quantized = form.isQuantized(), zeros = form.zeros != PackedZeros::None;
  int64_t multiple = form.values == PackedValues::BF16 ? kPairDepth
                     : !quantized                      ? kFloatDepth
                     : form.superblock                 ? form.superblock
                     : form.group                      ? form.group
                                                       : kChannelDepth;
  paddedK = roundUp(k, multiple);
  group = form.group ? form.group : paddedK;
  groups = paddedK / group;
  superGroups = form.superblock ? form.superblock / form.group : 0;
  superBytes = superGroups ? kPackedColumns * 2 * (zeros ? 2 : 1) : 0;
  zerosOffset = quantized ? kPackedColumns * (superGroups ? 1 : 2) : 0;
  headerBytes = zerosOffset * (zeros ? 2 : 1);
  unitBytes = info.unit * kPackedColumns * info.bits / 8;
  recordBytes = headerBytes + group / info.unit * unitBytes;
  blockBytes = groups * recordBytes + (superGroups ? groups / superGroups * superBytes : 0);
}

} // namespace plexus
