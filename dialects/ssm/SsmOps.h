// The ops of ssm.
#ifndef PLEXUS_DIALECTS_SSM_SSMOPS_H
#define PLEXUS_DIALECTS_SSM_SSMOPS_H

#include "dialects/plx/PlxOps.h"
#include "dialects/ssm/SsmDialect.h"

#define GET_OP_CLASSES
#include "dialects/ssm/SsmOps.h.inc"

#endif // PLEXUS_DIALECTS_SSM_SSMOPS_H
