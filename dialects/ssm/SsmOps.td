// Everything of ssm, for TableGen. One file a group of ops.
include "dialects/ssm/SsmConv.td"
include "dialects/ssm/SsmScan.td"
include "dialects/ssm/SsmGated.td"
include "dialects/ssm/SsmCells.td"
include "dialects/ssm/SsmDiagonal.td"
include "dialects/ssm/SsmSequence.td"
include "dialects/ssm/SsmGaussian.td"
include "dialects/ssm/SsmHidden.td"
