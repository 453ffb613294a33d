// The ops of kan.
#ifndef PLEXUS_DIALECTS_KAN_KANOPS_H
#define PLEXUS_DIALECTS_KAN_KANOPS_H

#include "dialects/kan/KanDialect.h"
#include "dialects/plx/PlxOps.h"

#define GET_OP_CLASSES
#include "dialects/kan/KanOps.h.inc"

#endif // PLEXUS_DIALECTS_KAN_KANOPS_H
