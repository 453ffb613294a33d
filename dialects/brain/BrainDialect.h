// The brain dialect.
#ifndef PLEXUS_DIALECTS_BRAIN_BRAINDIALECT_H
#define PLEXUS_DIALECTS_BRAIN_BRAINDIALECT_H

#include "dialects/plx/PlxDialect.h"

#include "dialects/brain/BrainDialect.h.inc"
#include "dialects/brain/BrainEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/brain/BrainAttrs.h.inc"

#endif // PLEXUS_DIALECTS_BRAIN_BRAINDIALECT_H
