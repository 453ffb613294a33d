// Enumerations of brain.
#ifndef PLEXUS_DIALECTS_BRAIN_BRAINENUMS_TD
#define PLEXUS_DIALECTS_BRAIN_BRAINENUMS_TD

include "mlir/IR/EnumAttr.td"

def Brain_Extension : I32EnumAttr<"Extension", "what lies beyond a sequence's ends", [
  I32EnumAttrCase<"Odd", 0, "odd">, I32EnumAttrCase<"Even", 1, "even">,
  I32EnumAttrCase<"Constant", 2, "constant">]> {
  let cppNamespace = "::mlir::brain";
  let genSpecializedAttr = 0;
}

#endif // PLEXUS_DIALECTS_BRAIN_BRAINENUMS_TD
