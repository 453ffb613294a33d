// Options and inputs of the commands that run a model on named tensors.
#include "NamedRun.h"

#include "runtime/io/Safetensors.h"

namespace plexus::cli {

void NamedRunArguments::add(CLI::App &command) {
  model.add(command, false);
  addRepeated(command, "--want", wants,
              "An output: logits, last_hidden_state, pooler_output, hidden_states.N, "
              "taps.N.mlp.out; default: all that the model names")
      ->delimiter(',');
  addRepeated(command, "--set", set, "key=value: an option of the model, as subject=2");
  command
      .add_option("--nan", nan,
                  "NaN in an input: pass (it goes where arithmetic takes it) or error")
      ->check(CLI::IsMember({"pass", "error"}))
      ->capture_default_str();
  command.add_option("--schedule", schedule, "Which of the model's schedules")
      ->capture_default_str();
  command.add_flag("--jit", jit, "Compile in memory, leaving nothing behind");
}

Expected<RunOptions> NamedRunArguments::options() const {
  RunOptions options;
  options.schedule = schedule;
  options.wants = wants;
  PLX_ASSIGN(options.set, parseSettings(set));
  options.refuseNan = nan == "error";
  return options;
}

Expected<NamedTensors> readTensors(const std::string &path) {
  NamedTensors out;
  PLX_ASSIGN(out.source, openSafetensors(path));
  for (const std::string &name : out.source->names()) {
    const TensorView *view = out.source->find(name);
    out.list.push_back({name, Tensor::borrow(view->dtype, view->shape, view->bytes)});
  }
  if (out.list.empty())
    return error(Code::InvalidArgument) << path << ": holds no tensor";
  return out;
}

} // namespace plexus::cli
