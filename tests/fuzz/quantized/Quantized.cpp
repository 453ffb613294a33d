// Any bytes as a checkpoint with a quantization_config: up to the first 0 the config, then a
// safetensors file. Refused, or every matrix decodes and gives up its integers.
#include "frontends/huggingface/QuantizedCheckpoint.h"
#include "runtime/io/Safetensors.h"

#include <algorithm>

using namespace plexus;
using namespace plexus::frontends;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *end = std::find(data, data + size, uint8_t(0));
  auto config = nlohmann::json::parse(data, end, nullptr, /*allow_exceptions=*/false);
  if (end == data + size || !config.is_object())
    return 0;
  auto quantization = takeQuantizationConfig(config, "fuzz.json");
  if (!quantization || !*quantization)
    return 0;
  ++end;
  auto file = SafetensorsFile::parse({end, static_cast<size_t>(data + size - end)}, "fuzz");
  if (!file)
    return 0;
  auto source = openQuantizedCheckpoint(*file, **quantization);
  if (!source)
    return 0;
  std::vector<float> out;
  for (const std::string &name : (*source)->names()) {
    const TensorView *view = (*source)->find(name);
    if (!view->matrix)
      continue;
    out.resize(static_cast<size_t>(view->elements()));
    if (!decodeElements(*view, 0, view->elements(), out.data()))
      __builtin_trap();
  }
  return 0;
}
