// Named dense tensors of a run; the type itself is in runtime/tensor.
#pragma once

#include "runtime/tensor/Tensor.h"
