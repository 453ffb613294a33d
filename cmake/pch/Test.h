// Precompiled for the unit tests.
#include "cmake/pch/Runtime.h"

#include <chrono>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <thread>
