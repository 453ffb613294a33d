// Reading GGUF files, version 3:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include "runtime/io/TensorSource.h"

#include <map>
#include <span>
#include <variant>

namespace plexus::frontends {

/// A metadata value. Integers of all widths are int64_t, f32 and f64 are double.
using GgufValue = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>,
                               std::vector<double>, std::vector<bool>, std::vector<std::string>>;

/// The value as text for messages, shortened: "32", "[1, 2, ...] (100 elements)".
std::string ggufValueToString(const GgufValue &value);
/// "an integer", "an array of strings" ...
std::string_view ggufKind(const GgufValue &value);

/// One file: metadata, and tensors under their GGUF names. Shapes are outermost first, the reverse
/// of the order in the file.
class GgufFile : public TensorSource {
public:
  /// Maps and checks everything but the bytes of the tensors. Errors name file and key or tensor:
  /// Corrupt (truncated, overlapping, out of bounds, duplicate names), Unsupported (versions other
  /// than 3, big-endian files, parts of a split file, nested arrays).
  static Expected<std::shared_ptr<const GgufFile>> open(const std::string &path);
  /// The same from memory that outlives the result; `path` is used in messages only.
  static Expected<std::shared_ptr<const GgufFile>> parse(std::span<const uint8_t> bytes,
                                                         const std::string &path);

  /// Null when there is no such key.
  const GgufValue *metadata(std::string_view key) const;
  const std::map<std::string, GgufValue, std::less<>> &metadata() const { return metadata_; }

  /// Unsupported when some tensors are of a ggml type that is not decoded, with all such types and
  /// an example of each. A file may be opened for its vocabulary all the same: names() and find()
  /// leave those tensors out.
  Status checkTensorTypes() const;

  const std::vector<std::string> &names() const override { return names_; }
  const TensorView *find(std::string_view name) const override;
  const std::string &path() const override { return path_; }
  std::vector<std::shared_ptr<const MappedFile>> files() const override;

private:
  class Reader;
  GgufFile() = default;
  std::string path_;
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<std::string> names_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, std::string> undecodedTypes_; ///< Type -> a tensor that has it.
};

} // namespace plexus::frontends
