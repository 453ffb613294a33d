// Machine code loaded from bytes: an ELF shared object as a CodeModule.
#pragma once

#include "runtime/program/Program.h"

#include <memory>
#include <string>
#include <string_view>

namespace plexus {

/// Checks the image (ElfCheck.h), then loads it from an anonymous file: nothing is left on disk,
/// and its symbols are visible through lookup() alone. `isa` is what it was compiled for.
Expected<std::shared_ptr<const CodeModule>> loadCodeObject(std::string_view image, std::string isa);

} // namespace plexus
