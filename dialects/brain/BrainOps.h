// The ops of brain.
#ifndef PLEXUS_DIALECTS_BRAIN_BRAINOPS_H
#define PLEXUS_DIALECTS_BRAIN_BRAINOPS_H

#include "dialects/brain/BrainDialect.h"
#include "dialects/plx/PlxOps.h"

#define GET_OP_CLASSES
#include "dialects/brain/BrainOps.h.inc"

#endif // PLEXUS_DIALECTS_BRAIN_BRAINOPS_H
