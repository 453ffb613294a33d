// Writes an artifact section by section, so that its final name holds all of it or nothing.
#pragma once

#include "runtime/artifact/Format.h"
#include "runtime/io/AtomicFile.h"
#include "runtime/support/Status.h"

#include <string>
#include <string_view>
#include <vector>

namespace plexus {

/// Sections are written in order, each at once or streamed; hashes are computed on the way. Nothing
/// is at `path` before commit(). After an error the writer is of no more use.
class ArtifactWriter {
public:
  static Expected<ArtifactWriter> create(const std::string &path);
  ArtifactWriter(ArtifactWriter &&) noexcept = default;

  Status addSection(std::string_view name, artifact::SectionKind kind, std::string_view bytes);

  /// The weights: begin, append in order, end; `weights.hashes` follows by itself.
  Status beginWeights();
  Status appendWeights(const void *bytes, size_t size);
  Status endWeights();

  /// Header and table, then the final name.
  Status commit();

private:
  explicit ArtifactWriter(AtomicFile file) : file_(std::move(file)) {}
  Status beginSection(std::string_view name, artifact::SectionKind kind);
  AtomicFile file_;
  std::vector<artifact::SectionEntry> table_;
  std::vector<uint8_t> chunk_; ///< Weights since the last whole chunk.
  std::string hashes_;         ///< Of the whole chunks so far.
};

} // namespace plexus
