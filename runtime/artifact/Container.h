// Reading of the container that artifacts are: named sections in one mapped file.
#pragma once

#include "runtime/artifact/Format.h"
#include "runtime/io/MappedFile.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace plexus {

class Container {
public:
  struct Section {
    std::string name;
    artifact::SectionKind kind;
    uint64_t offset, size;
  };

  /// Maps the file and checks all of it but the weights' values: magic, version, bounds, padding,
  /// hashes. Errors name the section: Corrupt, Mismatch (another version), NotFound, Io.
  static Expected<std::shared_ptr<const Container>> open(const std::string &path);

  const std::vector<Section> &sections() const { return sections_; }
  /// The bytes of a section; empty where there is none of that name.
  std::string_view section(std::string_view name) const;
  const std::string &path() const { return file_->path(); }
  uint64_t fileSize() const { return file_->size(); }

  /// Reads all weights and checks the hash of each chunk. `progress(done, total)` in bytes.
  Status verify(const std::function<void(uint64_t, uint64_t)> &progress = {}) const;

private:
  Container() = default;
  Status readTable();
  Status checkSections() const;
  Status checkWeights() const;
  std::shared_ptr<const MappedFile> file_;
  std::vector<Section> sections_;
  std::vector<artifact::Hash128> hashes_; ///< Of each section, as the table has them.
};

} // namespace plexus
