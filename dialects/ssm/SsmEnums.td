// Keywords of the ops of ssm.
#ifndef PLEXUS_DIALECTS_SSM_SSMENUMS_TD
#define PLEXUS_DIALECTS_SSM_SSMENUMS_TD

include "mlir/IR/EnumAttr.td"

class Ssm_Enum<string name, string what, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, what, cases> {
  let cppNamespace = "::mlir::ssm";
}
def Ssm_Rates : Ssm_Enum<"Rates", "how eigenvalues are given", [
  I32EnumAttrCase<"Cartesian", 0, "cartesian">, I32EnumAttrCase<"Log", 1, "log">,
  I32EnumAttrCase<"Polar", 2, "polar">]>;
def Ssm_Discretization : Ssm_Enum<"Discretization", "from continuous time to steps", [
  I32EnumAttrCase<"Zoh", 0, "zoh">, I32EnumAttrCase<"Bilinear", 1, "bilinear">,
  I32EnumAttrCase<"Dirac", 2, "dirac">]>;
def Ssm_Form : Ssm_Enum<"Form", "how a linear recurrence is computed", [
  I32EnumAttrCase<"Recurrent", 0, "recurrent">, I32EnumAttrCase<"Scan", 1, "scan">,
  I32EnumAttrCase<"Convolution", 2, "convolution">, I32EnumAttrCase<"Chunked", 3, "chunked">]>;

def Ssm_Emission : Ssm_Enum<"EmissionFamily", "distribution of measurements", [
  I32EnumAttrCase<"Bernoulli", 0, "bernoulli">, I32EnumAttrCase<"Poisson", 1, "poisson">,
  I32EnumAttrCase<"Gaussian", 2, "gaussian">]>;

#endif // PLEXUS_DIALECTS_SSM_SSMENUMS_TD
