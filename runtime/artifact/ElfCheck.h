// Whether an ELF image is one that the artifact loader may hand to dlopen.
#pragma once

#include "runtime/support/Status.h"

#include <cstddef>
#include <cstdint>

namespace plexus {

/// Accepts an x86-64 shared object that runs nothing when it is loaded (no constructors,
/// destructors or indirect functions), needs no library but libc and libm, and imports only
/// functions of allowedImports. Everything is read with bounds checked; Corrupt says what is wrong.
Status checkCodeObject(const uint8_t *image, size_t size);

} // namespace plexus
