// Everything of ssm, for TableGen. One file a group of ops.
include "dialects/ssm/SsmConv.td"
include "dialects/ssm/SsmScan.td"
