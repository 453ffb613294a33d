// Any bytes as a safetensors file: refused, or every tensor readable to its last element.
#include "runtime/io/Safetensors.h"

#include <algorithm>

using namespace plexus;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto file = SafetensorsFile::parse({data, size}, "fuzz.safetensors");
  if (!file)
    return file.status().message().empty();
  std::vector<float> out;
  for (const std::string &name : (*file)->names()) {
    const TensorView *view = (*file)->find(name);
    out.resize(static_cast<size_t>(view->elements())); // At most one float a byte of input.
    if (!decodeElements(*view, 0, view->elements(), out.data()))
      __builtin_trap();
  }
  return 0;
}
