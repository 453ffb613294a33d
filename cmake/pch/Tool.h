// Precompiled for the command line tools.
#include "cmake/pch/Runtime.h"

#include <CLI/CLI.hpp>
