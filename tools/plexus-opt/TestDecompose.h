// A pass for tests: replaces ops by their decompositions.
#ifndef PLEXUS_TOOLS_PLEXUS_OPT_TESTDECOMPOSE_H
#define PLEXUS_TOOLS_PLEXUS_OPT_TESTDECOMPOSE_H

namespace plexus {
/// Registers `--test-plx-decompose`.
void registerTestDecompose();
} // namespace plexus

#endif // PLEXUS_TOOLS_PLEXUS_OPT_TESTDECOMPOSE_H
