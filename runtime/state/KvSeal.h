// Pages of keys and values in 4 bits: their making, and the way back.
#pragma once

#include "runtime/state/KvForm.h"

#include <cstdint>

namespace plexus {

/// Rounds one layer of a whole page: from keys and values as BF16 (KvPartLayout) to `sealed`, as
/// `layout` says. The bits depend on the page alone. Entries that are not finite make those that
/// share their scale arbitrary.
void sealLayer(const KvSealedLayout &layout, const uint8_t *open, uint8_t *sealed);

/// Decodes one layer of a sealed page to bf16.
void unsealLayer(const KvSealedLayout &layout, const uint8_t *sealed, uint8_t *open);

} // namespace plexus
