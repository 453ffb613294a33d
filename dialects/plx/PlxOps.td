// Everything of plx, for TableGen.
include "dialects/plx/PlxTypes.td"
include "dialects/plx/PlxAttrs.td"
include "dialects/plx/PlxStructure.td"
include "dialects/plx/PlxNN.td"
include "dialects/plx/PlxElementwise.td"
include "dialects/plx/PlxShape.td"
include "dialects/plx/PlxBatch.td"
include "dialects/plx/PlxConv.td"
