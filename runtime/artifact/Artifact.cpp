// Artifacts: the program in the container, and the code that fits this CPU.
#include "runtime/artifact/Artifact.h"

#include "runtime/artifact/CodeObject.h"
#include "runtime/artifact/Isa.h"

#include <algorithm>

namespace plexus {

using namespace artifact;

namespace {

class MappedWeights : public WeightStore {
public:
  MappedWeights(std::shared_ptr<const Artifact> artifact, const uint8_t *base)
      : artifact_(std::move(artifact)), base_(base) {}
  const void *data(size_t index) const override {
    return base_ + artifact_->program().weights[index].offset;
  }

private:
  std::shared_ptr<const Artifact> artifact_;
  const uint8_t *base_;
};

/// "avx512 (avx512f ...), x86-64-v3 (avx2 ...)", for messages.
std::string describe(const std::vector<std::string_view> &isas) {
  std::string text;
  for (std::string_view name : isas) {
    const Isa *isa = findIsa(name);
    text += (text.empty() ? "" : ", ") + std::string(name) +
            (isa ? " (" + std::string(isa->needs) + ")" : "");
  }
  return text.empty() ? "none that Plexus knows" : text;
}

} // namespace

Expected<std::shared_ptr<const Artifact>> Artifact::open(const std::string &path) {
  PLX_ASSIGN(auto container, Container::open(path));
  std::shared_ptr<Artifact> artifact(new Artifact);
  artifact->container_ = std::move(container);
  if (artifact->section(artifact::kManifest).empty())
    return error(Code::Corrupt) << path << ": there is no section 'manifest'";
  auto program = parseProgram(artifact->section(artifact::kManifest));
  if (!program)
    return program.status().at(path + ": section 'manifest'");
  artifact->program_ = *std::move(program);
  uint64_t wanted = artifact->program_.weightsSize();
  if (uint64_t size = artifact->section(artifact::kWeights).size(); size < wanted)
    return error(Code::Corrupt) << path << ": section 'weights': has " << size
                                << " bytes, the program needs " << wanted;
  return std::shared_ptr<const Artifact>(std::move(artifact));
}

std::vector<std::string_view> Artifact::isas() const {
  std::vector<std::string_view> names;
  for (const Container::Section &section : sections())
    if (section.kind == SectionKind::Code && section.name.starts_with(kCodePrefix))
      names.push_back(std::string_view(section.name).substr(kCodePrefix.size()));
  return names;
}

Expected<std::shared_ptr<const ModelImage>> Artifact::load() const {
  std::vector<std::string_view> host = hostIsas(), there = isas();
  auto isa = std::find_first_of(host.begin(), host.end(), there.begin(), there.end());
  if (isa == host.end())
    return error(Code::Mismatch) << path() << ": has code for " << describe(there)
                                 << ", this CPU runs " << describe(host)
                                 << "; compile the model on this machine";
  std::string name = std::string(kCodePrefix) + std::string(*isa);
  auto code = loadCodeObject(section(name), std::string(*isa));
  if (!code)
    return code.status().at(path() + ": section '" + name + "'");
  for (const Segment &segment : program_.segments)
    for (const std::string *symbol :
         {&segment.symbol, &segment.scratch, segment.tapped ? &segment.tapped->symbol : nullptr,
          segment.tapped ? &segment.tapped->scratch : nullptr})
      if (symbol && !(*code)->lookup(*symbol))
        return error(Code::Corrupt)
               << path() << ": section '" << name << "': segment '" << segment.name << "' needs '"
               << *symbol << "', which is missing";
  auto image = std::make_shared<ModelImage>();
  image->program = program_;
  image->code = *std::move(code);
  image->weights = std::make_shared<MappedWeights>(
      shared_from_this(), reinterpret_cast<const uint8_t *>(section(kWeights).data()));
  image->tokenizer = section(kTokenizer);
  image->chatTemplate = section(kChatTemplate);
  return std::shared_ptr<const ModelImage>(std::move(image));
}

Expected<std::shared_ptr<const ModelImage>> loadArtifact(const std::string &path) {
  PLX_ASSIGN(auto artifact, Artifact::open(path));
  return artifact->load();
}

} // namespace plexus
