// The compile cache: a folder of code and of whole artifacts, by key.
#pragma once

#include "runtime/artifact/Container.h"
#include "runtime/program/Program.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plexus::compiler {

/// Compiled code of a model: an ELF image for each ISA, and where its ops went.
struct CompiledCode {
  std::vector<std::pair<std::string, std::string>> images; ///< ISA and ELF shared object.
  std::vector<ReportEntry> report;
};

/// Entries are whole files, put in place by renaming: any number of processes may share the folder,
/// and one that dies leaves nothing half-written. A damaged entry counts as none and is replaced.
class CompileCache {
public:
  /// `folder`, or the first of $PLEXUS_CACHE_DIR, $XDG_CACHE_HOME/plexus, $HOME/.cache/plexus; made
  /// if it is not there.
  static Expected<CompileCache> open(std::string folder = {});

  std::optional<CompiledCode> findCode(const std::string &key) const;
  Status storeCode(const std::string &key, const CompiledCode &code) const;

  /// Where the artifact of these keys is or belongs.
  std::string artifactPath(const std::string &codeKey, const std::string &weightsKey) const;
  /// Any artifact with these weights, whatever its code.
  std::shared_ptr<const Container> findWeights(const std::string &weightsKey) const;
  const std::string &folder() const { return folder_; }

private:
  explicit CompileCache(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

} // namespace plexus::compiler
