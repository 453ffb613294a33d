// Reading of artifacts: a compiled model in one mapped file.
#pragma once

#include "runtime/artifact/Container.h"
#include "runtime/program/Program.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace plexus {

class Artifact : public std::enable_shared_from_this<Artifact> {
public:
  /// Opens the container, and parses and checks the program with its weight table. Errors name the
  /// section, as Container's do.
  static Expected<std::shared_ptr<const Artifact>> open(const std::string &path);

  const Program &program() const { return program_; }
  const std::vector<Container::Section> &sections() const { return container_->sections(); }
  std::string_view section(std::string_view name) const { return container_->section(name); }
  /// What code there is, as named when it was compiled: "x86-64-v3".
  std::vector<std::string_view> isas() const;
  const std::string &path() const { return container_->path(); }
  uint64_t fileSize() const { return container_->fileSize(); }

  /// Loads the best code that this CPU runs; Mismatch with both lists of ISAs where none does. The
  /// image holds on to the artifact; weights stay where they are mapped.
  Expected<std::shared_ptr<const ModelImage>> load() const;

  /// Container::verify.
  Status verify(const std::function<void(uint64_t, uint64_t)> &progress = {}) const {
    return container_->verify(progress);
  }

private:
  Artifact() = default;
  std::shared_ptr<const Container> container_;
  Program program_;
};

/// Opens and loads.
Expected<std::shared_ptr<const ModelImage>> loadArtifact(const std::string &path);

} // namespace plexus
