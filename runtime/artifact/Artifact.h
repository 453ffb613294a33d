// Reading of artifacts: a compiled model in one mapped file.
#pragma once

#include "runtime/artifact/Format.h"
#include "runtime/io/MappedFile.h"
#include "runtime/program/Program.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace plexus {

class Artifact : public std::enable_shared_from_this<Artifact> {
public:
  struct Section {
    std::string name;
    artifact::SectionKind kind;
    uint64_t offset, size;
  };

  /// Maps the file and checks all of it but the weights' values: magic, version, bounds, padding,
  /// hashes, and the program with its weight table. Errors name the section: Corrupt, Mismatch
  /// (another version), NotFound, Io.
  static Expected<std::shared_ptr<const Artifact>> open(const std::string &path);

  const Program &program() const { return program_; }
  const std::vector<Section> &sections() const { return sections_; }
  /// The bytes of a section; empty where there is none of that name.
  std::string_view section(std::string_view name) const;
  /// What code there is, as named when it was compiled: "x86-64-v3".
  std::vector<std::string_view> isas() const;
  const std::string &path() const { return file_->path(); }
  uint64_t fileSize() const { return file_->size(); }

  /// Loads the best code that this CPU runs; Mismatch with both lists of ISAs where none does. The
  /// image holds on to the artifact; weights stay where they are mapped.
  Expected<std::shared_ptr<const ModelImage>> load() const;

  /// Reads all weights and checks the hash of each chunk. `progress(done, total)` in bytes.
  Status verify(const std::function<void(uint64_t, uint64_t)> &progress = {}) const;

private:
  Artifact() = default;
  Status readTable();
  Status checkSections() const;
  Status checkWeights() const;
  std::shared_ptr<const MappedFile> file_;
  std::vector<Section> sections_;
  std::vector<artifact::Hash128> hashes_; ///< Of each section, as the table has them.
  Program program_;
};

/// Opens and loads.
Expected<std::shared_ptr<const ModelImage>> loadArtifact(const std::string &path);

} // namespace plexus
