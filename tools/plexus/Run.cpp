// plexus run: named tensors in, named tensors out.
#include "NamedRun.h"

#include "runtime/exec/EngineThread.h"
#include "runtime/io/Safetensors.h"

#include <chrono>
#include <cstdio>

namespace plexus::cli {
namespace {

struct Arguments {
  NamedRunArguments run;
  std::string inputs, outputs;
  std::vector<int64_t> chunks;
  bool json = false;
};

Status writeTensors(const std::string &path, const std::vector<NamedTensor> &tensors) {
  std::vector<Tensor> dense; // Keeps the copies of strided ones.
  std::vector<NamedTensorView> views;
  for (const NamedTensor &t : tensors) {
    PLX_ASSIGN(Tensor d, t.tensor.dense());
    views.push_back({t.name, d.view()});
    dense.push_back(std::move(d));
  }
  return writeSafetensors(path, views);
}

nlohmann::ordered_json toJson(const std::vector<NamedTensor> &outputs, double seconds,
                              const OpenedModel &model) {
  nlohmann::ordered_json list = nlohmann::json::array();
  for (const NamedTensor &t : outputs)
    list.push_back(
        {{"name", t.name}, {"dtype", dtypeName(t.tensor.dtype)}, {"shape", t.tensor.shape}});
  return {{"outputs", list}, {"seconds", seconds}, {"load_seconds", model.loadSeconds}};
}

/// One line a tensor: its type and its first numbers.
Status printTensors(const std::vector<NamedTensor> &outputs) {
  for (const NamedTensor &t : outputs) {
    PLX_ASSIGN(Tensor dense, t.tensor.dense());
    constexpr int64_t kShown = 4;
    float first[kShown];
    const int64_t shown = std::min(kShown, dense.count());
    toF32(dense.dtype, dense.data.get(), shown, first);
    std::printf("%-20s %-5s %-18s", t.name.c_str(), std::string(dtypeName(dense.dtype)).c_str(),
                shapeToString(dense.shape).c_str());
    for (int64_t i = 0; i < shown; ++i)
      std::printf(" %.6g", first[i]);
    std::puts(shown < dense.count() ? " ..." : "");
  }
  return Status::ok();
}

Expected<std::vector<NamedTensor>> runOnce(const Arguments &a, const OpenedModel &model,
                                           const std::vector<NamedTensor> &inputs) {
  PLX_ASSIGN(RunOptions options, a.run.options());
  options.chunks = a.chunks;
  return EngineThread::shared().run([&]() -> Expected<std::vector<NamedTensor>> {
    PLX_ASSIGN(auto session, Session::create(model.model));
    return session->runNamed(inputs, options);
  });
}

Status runAll(const Arguments &a) {
  PLX_RETURN_IF_ERROR(a.run.model.apply());
  PLX_ASSIGN(NamedTensors inputs, readTensors(a.inputs));
  PLX_ASSIGN(OpenedModelPtr model, a.run.model.open(a.run.jit));
  const auto begin = std::chrono::steady_clock::now();
  PLX_ASSIGN(auto outputs, runOnce(a, *model, inputs.list));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!a.outputs.empty())
    PLX_RETURN_IF_ERROR(writeTensors(a.outputs, outputs));
  if (a.json) {
    printJson(toJson(outputs, seconds, *model));
    return Status::ok();
  }
  PLX_RETURN_IF_ERROR(printTensors(outputs));
  std::fprintf(stderr, "ran in %.1f ms\n", 1e3 * seconds);
  return Status::ok();
}

} // namespace

std::function<int()> addRun(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "run", "Run a model on named tensors.\n\n"
             "  plexus run m.plx --inputs in.safetensors --outputs out.safetensors\n"
             "  plexus run m.plx --inputs in.safetensors --want hidden_states.3 --want logits\n"
             "  plexus run m.plx --inputs in.safetensors --chunks 6,1,12\n\n"
             "Token models take input_ids [B, S] and, where they apply, attention_mask, "
             "position_ids and token_type_ids; masked columns come back as zeros. Sequences are "
             "[B, S, ...], with lengths [B] where some are shorter; graphs [..., row].");
  a->run.add(*c);
  c->add_option("--inputs", a->inputs, "A .safetensors file: one tensor for each input")
      ->required();
  c->add_option("--outputs", a->outputs, "The .safetensors file to write");
  addNumbers(*c, "--chunks", a->chunks, "Feed the sequence in pieces of these lengths, as 6,1,12");
  c->add_flag("--json", a->json, "Print what came out as JSON");
  return [a] {
    const Status s = runAll(*a);
    return s ? kDone : fail(s);
  };
}

} // namespace plexus::cli
