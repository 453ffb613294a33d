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
/// and one that dies leaves nothing but a temporary file, which goes after a day. A damaged entry
/// counts as none and is replaced. Deleting the folder, or anything in it, is always safe.
class CompileCache {
public:
  static constexpr uint64_t kDefaultSize = uint64_t(10) << 30;

  /// `folder`, or the first of $PLEXUS_CACHE_DIR, $XDG_CACHE_HOME/plexus, $HOME/.cache/plexus; made
  /// if it is not there. Entries together are held within $PLEXUS_CACHE_SIZE bytes ("500M", "20G";
  /// default 10 GiB), the latest apart: those whose last use is longest ago go first.
  static Expected<CompileCache> open(std::string folder = {});

  std::optional<CompiledCode> findCode(const std::string &key) const;
  Status storeCode(const std::string &key, const CompiledCode &code) const;

  /// Where the artifact of these keys is or belongs.
  std::string artifactPath(const std::string &codeKey, const std::string &weightsKey) const;
  /// Notes that the artifact at `path` was made or used, and makes room.
  void usedArtifact(const std::string &path) const;
  /// Any artifact with these weights, whatever its code.
  std::shared_ptr<const Container> findWeights(const std::string &weightsKey) const;
  const std::string &folder() const { return folder_; }

private:
  CompileCache(std::string folder, uint64_t limit) : folder_(std::move(folder)), limit_(limit) {}
  std::string folder_;
  uint64_t limit_; ///< Bytes.
};

} // namespace plexus::compiler
