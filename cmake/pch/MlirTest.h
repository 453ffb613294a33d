// Precompiled for the unit tests of the compiler's rooms.
#include "cmake/MlirHeaders.h"
#include "cmake/pch/Test.h"
