// The kan dialect and its enumerations.
#ifndef PLEXUS_DIALECTS_KAN_KANDIALECT_H
#define PLEXUS_DIALECTS_KAN_KANDIALECT_H

#include "dialects/plx/PlxDialect.h"

#include "dialects/kan/KanDialect.h.inc"
#include "dialects/kan/KanEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/kan/KanAttrs.h.inc"

#endif // PLEXUS_DIALECTS_KAN_KANDIALECT_H
