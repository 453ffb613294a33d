// The ops of attn.
#ifndef PLEXUS_DIALECTS_ATTN_ATTNOPS_H
#define PLEXUS_DIALECTS_ATTN_ATTNOPS_H

#include "dialects/attn/AttnDialect.h"
#include "dialects/plx/PlxOps.h"

#define GET_OP_CLASSES
#include "dialects/attn/AttnOps.h.inc"

#endif // PLEXUS_DIALECTS_ATTN_ATTNOPS_H
