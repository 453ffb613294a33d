// The table of instruction set levels.
#include "passes/lower/cpu/emit/Isa.h"

namespace plexus::emit {

static constexpr Isa kIsas[] = {
    {"avx512", "x86-64-v4", "+avx512vnni,+avx512bf16", 512, 32, true, ByteDot::Vnni},
    {"x86-64-v3", "x86-64-v3", "", 256, 16, false, ByteDot::Avx2},
};

llvm::ArrayRef<Isa> isas() { return kIsas; }

const Isa *findIsa(llvm::StringRef name) {
  for (const Isa &isa : kIsas)
    if (isa.name == name)
      return &isa;
  return nullptr;
}

} // namespace plexus::emit
