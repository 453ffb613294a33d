// A graph builder with the context that it lives in.
#include "frontends/BuildGraph.h"

#include "compiler/builder/GraphApi.h"
#include "frontends/Choices.h"
#include "runtime/io/Safetensors.h"

namespace plexus::frontends {
namespace {

class ProgramGraph final : public GraphBuild {
public:
  ProgramGraph(std::string name, std::shared_ptr<const TensorSource> weights)
      : name_(std::move(name)), weights_(std::move(weights)), builder_(*context_, name_, weights_) {
  }

  const plx_graph_api *api() const override { return compiler::graphApi(); }
  plx_graph *graph() override { return compiler::handle(builder_); }

  Expected<std::shared_ptr<const ModelImage>> compile(const CompileChoices &choices,
                                                      const CompileProgress &progress) override {
    PLX_ASSIGN(compiler::CompileOptions options, readChoices(choices));
    compiler::ModelSource source;
    PLX_ASSIGN(source.module, builder_.finish());
    source.info.name = name_;
    source.info.family = "graph";
    if (weights_)
      source.tensors.push_back(weights_);
    source.tensors.push_back(builder_.constants());
    return compiler::compileInMemory(source, options, progress);
  }

private:
  std::unique_ptr<mlir::MLIRContext> context_ = compiler::makeContext();
  std::string name_;
  std::shared_ptr<const TensorSource> weights_;
  compiler::GraphBuilder builder_;
};

} // namespace

Expected<std::unique_ptr<GraphBuild>> newGraph(const std::string &name,
                                               const std::string &weights) {
  std::shared_ptr<const TensorSource> source;
  if (!weights.empty()) {
    PLX_ASSIGN(source, openSafetensors(weights));
  }
  if (name.empty())
    return Status(Code::InvalidArgument, "a graph needs a name");
  return std::unique_ptr<GraphBuild>(std::make_unique<ProgramGraph>(name, std::move(source)));
}

} // namespace plexus::frontends
