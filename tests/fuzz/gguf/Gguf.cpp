// Any bytes as a GGUF file: refused at some level, or a model whose tensors can all be decoded.
#include "frontends/gguf/GgufModel.h"

using namespace plexus;
using namespace plexus::frontends;

namespace {

void decodeAll(const TensorSource &source) {
  std::vector<float> out;
  for (const std::string &name : source.names()) {
    const TensorView *view = source.find(name);
    out.resize(static_cast<size_t>(view->elements())); // At most two floats a byte of input.
    if (!decodeElements(*view, 0, view->elements(), out.data()))
      __builtin_trap();
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto file = GgufFile::parse({data, size}, "fuzz.gguf");
  if (!file)
    return 0;
  decodeAll(**file);
  for (const auto &[key, value] : (*file)->metadata())
    if (ggufValueToString(value).empty())
      __builtin_trap();
  (void)readGgufVocabulary(**file);
  if (auto model = GgufModel::fromFile(*file))
    decodeAll(*model->weights);
  return 0;
}
