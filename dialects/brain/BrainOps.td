// Everything of brain, for TableGen. One file a group of ops.
include "dialects/brain/BrainSignals.td"
