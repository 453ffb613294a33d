// The container's writer.
#include "runtime/artifact/Writer.h"

#include <algorithm>
#include <cstring>

namespace plexus {

using namespace artifact;

Expected<ArtifactWriter> ArtifactWriter::create(const std::string &path) {
  PLX_ASSIGN(AtomicFile file, AtomicFile::create(path));
  // The header page is filled in by commit().
  const std::vector<char> page(kAlignment, 0);
  PLX_RETURN_IF_ERROR(file.write(page.data(), page.size()));
  return ArtifactWriter(std::move(file));
}

Status ArtifactWriter::beginSection(std::string_view name, SectionKind kind) {
  SectionEntry entry = {};
  if (name.empty() || name.size() >= sizeof(entry.name))
    return error(Code::InvalidArgument)
           << "section name '" << name << "' is empty or longer than 31 characters";
  if (table_.size() == kMaxSections)
    return error(Code::ResourceExhausted)
           << "an artifact holds at most " << kMaxSections << " sections";
  for (const SectionEntry &other : table_)
    if (name == other.name)
      return error(Code::InvalidArgument) << "section '" << name << "' is written twice";
  PLX_RETURN_IF_ERROR(file_.align(kAlignment));
  std::memcpy(entry.name, name.data(), name.size());
  entry.offset = file_.offset();
  entry.kind = static_cast<uint32_t>(kind);
  table_.push_back(entry);
  return Status::ok();
}

Status ArtifactWriter::addSection(std::string_view name, SectionKind kind, std::string_view bytes) {
  PLX_RETURN_IF_ERROR(beginSection(name, kind));
  table_.back().size = bytes.size();
  table_.back().hash = hash128(bytes.data(), bytes.size());
  return file_.write(bytes);
}

Status ArtifactWriter::beginWeights() {
  chunk_.reserve(kHashChunk);
  return beginSection(kWeights, SectionKind::Weights);
}

Status ArtifactWriter::appendWeights(const void *bytes, size_t size) {
  PLX_RETURN_IF_ERROR(file_.write(bytes, size));
  table_.back().size += size;
  auto add = [&](const void *chunk, size_t length) {
    auto hash = hash64(chunk, length);
    hashes_.append(reinterpret_cast<const char *>(hash.data()), hash.size());
  };
  const auto *next = static_cast<const uint8_t *>(bytes);
  while (size > 0) {
    if (chunk_.empty() && size >= kHashChunk) { // whole chunks are hashed where they lie
      add(next, kHashChunk);
      next += kHashChunk;
      size -= kHashChunk;
      continue;
    }
    size_t piece = std::min(size, kHashChunk - chunk_.size());
    chunk_.insert(chunk_.end(), next, next + piece);
    next += piece;
    size -= piece;
    if (chunk_.size() == kHashChunk) {
      add(chunk_.data(), chunk_.size());
      chunk_.clear();
    }
  }
  return Status::ok();
}

Status ArtifactWriter::endWeights() {
  if (!chunk_.empty()) {
    auto hash = hash64(chunk_.data(), chunk_.size());
    hashes_.append(reinterpret_cast<const char *>(hash.data()), hash.size());
    chunk_.clear();
  }
  table_.back().hash = hash128(hashes_.data(), hashes_.size());
  return addSection(kWeightHashes, SectionKind::WeightHashes, hashes_);
}

Status ArtifactWriter::commit() {
  Header header = {};
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  header.version = kVersion;
  header.sectionCount = static_cast<uint32_t>(table_.size());
  header.fileSize = file_.offset();
  size_t tableBytes = table_.size() * sizeof(SectionEntry);
  header.tableHash = hash128(table_.data(), tableBytes);
  PLX_RETURN_IF_ERROR(file_.writeAt(0, &header, sizeof(header)));
  PLX_RETURN_IF_ERROR(file_.writeAt(sizeof(header), table_.data(), tableBytes));
  return file_.commit();
}

} // namespace plexus
