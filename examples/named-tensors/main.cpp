// Named tensors in and out: logits and a hidden layer of a prompt, then its most likely next id.
#include <plexus/plexus.hpp>

#include <algorithm>
#include <cstdio>

static int fail(const plexus::Error &error) {
  return std::fprintf(stderr, "%s\n", error.message.c_str()), 1;
}

int main(int argc, char **argv) {
  auto model = plexus::Model::open(argc > 1 ? argv[1] : "model.plx");
  if (!model)
    return fail(model.error());
  auto ids = model->tokenize(argc > 2 ? argv[2] : "In the beginning");
  if (!ids)
    return fail(ids.error());
  const auto length = static_cast<int64_t>(ids->size());
  auto out = model->run({plexus::Input("input_ids", *ids, {1, length})},
                        {.wants = {"logits", "hidden_states.1"}});
  if (!out)
    return fail(out.error());
  for (size_t i = 0; i < out->size(); ++i) {
    std::printf("%s:", std::string(out->name(i)).c_str());
    for (int64_t dim : out->shape(i))
      std::printf(" %lld", static_cast<long long>(dim));
    std::puts("");
  }
  auto logits = out->floats("logits");
  if (!logits)
    return fail(logits.error());
  const std::span<const float> last = logits->last(logits->size() / ids->size());
  const auto best = static_cast<int32_t>(std::max_element(last.begin(), last.end()) - last.begin());
  auto text = model->decode({&best, 1});
  if (!text)
    return fail(text.error());
  std::printf("next: %d '%s'\n", best, text->c_str());
}
