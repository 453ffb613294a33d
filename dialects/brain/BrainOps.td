// Everything of brain, for TableGen. One file a group of ops.
include "dialects/brain/BrainSignals.td"
include "dialects/brain/BrainCovariance.td"
include "dialects/brain/BrainBank.td"
include "dialects/brain/BrainDecode.td"
include "dialects/brain/BrainQuantize.td"
