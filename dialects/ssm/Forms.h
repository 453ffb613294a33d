// How a recurrence may be computed: the check that ops with a choice of forms share.
#ifndef PLEXUS_DIALECTS_SSM_FORMS_H
#define PLEXUS_DIALECTS_SSM_FORMS_H

#include "dialects/ssm/SsmOps.h"

namespace mlir::ssm {

/// How an op runs over its sequences.
struct FormChoice {
  std::optional<Form> form;
  std::optional<int64_t> length; ///< tokens from which on
  bool reverse = false;
  Value state; ///< or null
};

/// Checks that `form` is one of `allowed`, that it has a length only from 1 on, and that an op with
/// a state runs forward.
LogicalResult verifyForm(Operation *op, const FormChoice &choice, ArrayRef<Form> allowed);

} // namespace mlir::ssm

#endif // PLEXUS_DIALECTS_SSM_FORMS_H
