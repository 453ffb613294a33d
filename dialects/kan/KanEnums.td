// Enumerations of kan.
#ifndef PLEXUS_DIALECTS_KAN_KANENUMS_TD
#define PLEXUS_DIALECTS_KAN_KANENUMS_TD

include "mlir/IR/EnumAttr.td"

def Kan_WaveletKind : I32EnumAttr<"WaveletKind", "mother wavelet", [
  I32EnumAttrCase<"MexicanHat", 0, "mexican_hat">, I32EnumAttrCase<"Morlet", 1, "morlet">,
  I32EnumAttrCase<"Dog", 2, "dog">]> {
  let cppNamespace = "::mlir::kan";
  let genSpecializedAttr = 0;
}

#endif // PLEXUS_DIALECTS_KAN_KANENUMS_TD
