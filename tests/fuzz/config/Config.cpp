// Any text as a config.json: refused, or readable by every getter.
#include "frontends/huggingface/Config.h"
#include "frontends/huggingface/ConfigReader.h"

using namespace plexus;
using namespace plexus::frontends;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto config = parseConfig({reinterpret_cast<const char *>(data), size}, "fuzz.json");
  if (!config)
    return 0;
  (void)readSpecialTokens(*config, *config, "fuzz.json");
  ConfigReader reader(*config, "fuzz.json");
  for (const char *path : {"hidden_size", "rope_parameters.factor", "rope_parameters.rope_type",
                           "layer_types.0", "text_config.model_type", "a..b", "", "."}) {
    (void)reader.getInt(path);
    (void)reader.getFloat(path);
    (void)reader.getBool(path);
    (void)reader.getString(path);
    (void)reader.getArraySize(path);
  }
  (void)reader.allHonoured();
  return 0;
}
