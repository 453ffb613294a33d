// The ssm dialect.
#ifndef PLEXUS_DIALECTS_SSM_SSMDIALECT_H
#define PLEXUS_DIALECTS_SSM_SSMDIALECT_H

#include "dialects/plx/PlxDialect.h"

#include "dialects/ssm/SsmDialect.h.inc"
#include "dialects/ssm/SsmEnums.h.inc"

#endif // PLEXUS_DIALECTS_SSM_SSMDIALECT_H
