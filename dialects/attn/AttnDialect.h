// The attn dialect: its types and attributes.
#ifndef PLEXUS_DIALECTS_ATTN_ATTNDIALECT_H
#define PLEXUS_DIALECTS_ATTN_ATTNDIALECT_H

#include "dialects/plx/PlxDialect.h"
#include "runtime/state/KvForm.h"

#include "dialects/attn/AttnDialect.h.inc"

namespace mlir::attn {
/// Whether `type` is an i1 tensor of rank 2.
bool isMask(Type type);
} // namespace mlir::attn

#define GET_ATTRDEF_CLASSES
#include "dialects/attn/AttnAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/attn/AttnTypes.h.inc"

#endif // PLEXUS_DIALECTS_ATTN_ATTNDIALECT_H
