// Any bytes as a chat template: refused, or rendered within its limits.
#include "runtime/text/ChatTemplate.h"

using namespace plexus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto parsed = ChatTemplate::parse({reinterpret_cast<const char *>(data), size});
  if (!parsed)
    return 0;
  ChatOptions options;
  options.bosToken = "<s>";
  options.eosToken = "</s>";
  options.now = 0;
  options.variables =
      R"({"x": [1, 2.5, null, {"k": "v"}], "tools": [{"function": {"name": "f"}}]})";
  (void)parsed->renderJson(
      R"([{"role": "user", "content": " Hi\n"}, {"role": "assistant", "content": "yo"}])", options);
  return 0;
}
