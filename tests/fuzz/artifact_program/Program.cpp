// Any text as a program: refused, or one that survives a round trip through its JSON unchanged.
#include "runtime/program/Program.h"

using namespace plexus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto program = parseProgram({reinterpret_cast<const char *>(data), size});
  if (!program)
    return 0;
  std::string text = serializeProgram(*program);
  auto again = parseProgram(text);
  if (!again || serializeProgram(*again) != text)
    __builtin_trap();
  (void)program->weightsSize();
  for (const StateInfo &state : program->states)
    (void)state.pageBytes();
  return 0;
}
