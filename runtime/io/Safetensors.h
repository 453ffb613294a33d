// Reading and writing the safetensors format: https://github.com/huggingface/safetensors (format
// section of its README).
#pragma once

#include "runtime/io/TensorSource.h"

#include <map>
#include <span>

namespace plexus {

/// One file: u64 length N, N bytes of JSON header, then the tensors without gaps or overlaps.
class SafetensorsFile : public TensorSource {
public:
  /// Maps and checks the whole header; tensor bytes are not touched. Errors name file and tensor:
  /// Corrupt (truncated, oversized, overlapping, gaps, wrong sizes, duplicate names, invalid
  /// UTF-8), Unsupported (a dtype Plexus has not), ResourceExhausted (header above 100 MB or
  /// nested).
  static Expected<std::shared_ptr<const SafetensorsFile>> open(const std::string &path);
  /// The same from memory that outlives the result; `path` is used in messages only.
  static Expected<std::shared_ptr<const SafetensorsFile>> parse(std::span<const uint8_t> bytes,
                                                                const std::string &path);

  const std::vector<std::string> &names() const override { return names_; }
  const TensorView *find(std::string_view name) const override;
  const std::string &path() const override { return path_; }
  std::vector<std::shared_ptr<const MappedFile>> files() const override;
  /// The header's `__metadata__`.
  const std::map<std::string, std::string> &metadata() const { return metadata_; }

private:
  SafetensorsFile() = default;
  Status readHeader(std::span<const uint8_t> bytes);
  std::string path_;
  std::shared_ptr<const MappedFile> file_;
  std::vector<std::string> names_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Shards behind a `*.safetensors.index.json`: its `weight_map` gives the file of each tensor, in
/// the same folder.
class ShardedSafetensors : public TensorSource {
public:
  /// Opens every shard. Errors, all findings at once: shards that are missing, tensors that their
  /// shard has not, tensors in shards that the index does not list there.
  static Expected<std::shared_ptr<const ShardedSafetensors>> open(const std::string &indexPath);

  const std::vector<std::string> &names() const override { return names_; }
  const TensorView *find(std::string_view name) const override;
  const std::string &path() const override { return path_; }
  std::vector<std::shared_ptr<const MappedFile>> files() const override;

private:
  ShardedSafetensors() = default;
  Status readIndex();
  std::string path_;
  std::vector<std::string> names_;
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> shards_;      ///< By file name.
  std::map<std::string, const SafetensorsFile *, std::less<>> shardOfTensor_; ///< By tensor.
};

/// Opens `path`: a .safetensors file or a .json index of shards.
Expected<std::shared_ptr<const TensorSource>> openSafetensors(const std::string &path);

struct NamedTensorView {
  std::string name;
  TensorView view;
};

/// Writes plain (not block-packed) dense tensors, atomically. Tensors are ordered by falling
/// element size and then by name, and the header is padded to 8 bytes, so that every tensor is
/// aligned.
Status writeSafetensors(const std::string &path, std::span<const NamedTensorView> tensors,
                        const std::map<std::string, std::string> &metadata = {});

} // namespace plexus
