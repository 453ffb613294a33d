// Registration of the attn dialect; the KV type and the rope attribute.
#include "dialects/attn/AttnDialect.h"
#include "dialects/attn/AttnOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::attn;

#include "dialects/attn/AttnDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/attn/AttnAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/attn/AttnTypes.cpp.inc"

namespace {
/// Frequencies are long: they print once, at the top.
struct RopeAliases : OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;
  AliasResult getAlias(Attribute attribute, raw_ostream &os) const override {
    if (!isa<RopeAttr>(attribute))
      return AliasResult::NoAlias;
    os << "rope";
    return AliasResult::FinalAlias;
  }
};
} // namespace

void AttnDialect::initialize() {
  addInterfaces<RopeAliases>();
  addOperations<
#define GET_OP_LIST
#include "dialects/attn/AttnOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/attn/AttnAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/attn/AttnTypes.cpp.inc"
      >();
}

bool attn::isMask(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 2 && tensor.getElementType().isInteger(1) &&
         !tensor.getEncoding();
}

//===--- KV -----------------------------------------------------------------------------------===//

Type KVType::parse(AsmParser &parser) {
  SmallVector<int64_t> sizes;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() ||
      parser.parseDimensionList(sizes, /*allowDynamic=*/false, /*withTrailingX=*/false))
    return {};
  std::optional<::plexus::KvForm> form = ::plexus::KvForm::F32;
  StringRef name = "f32";
  SMLoc formLoc = loc;
  if (succeeded(parser.parseOptionalComma())) {
    formLoc = parser.getCurrentLocation();
    if (parser.parseKeyword(&name))
      return {};
    form = ::plexus::kvFormFromName(std::string_view(name));
  }
  RopeAttr rope;
  if (form && succeeded(parser.parseOptionalComma()) && parser.parseAttribute(rope))
    return {};
  if (parser.parseGreater())
    return {};
  if (!form) {
    parser.emitError(formLoc, "keys and values are kept as f32, bf16, int8 or int4, not as ")
        << name;
    return {};
  }
  if (sizes.size() != 3) {
    parser.emitError(loc, "expected heads x keyDim x valueDim, found ") << sizes.size() << " sizes";
    return {};
  }
  return parser.getChecked<KVType>(parser.getContext(), sizes[0], sizes[1], sizes[2], *form, rope);
}

void KVType::print(AsmPrinter &printer) const {
  printer << '<' << getHeads() << " x " << getKeyDim() << " x " << getValueDim();
  if (getForm() != ::plexus::KvForm::F32)
    printer << ", " << StringRef(::plexus::kvFormName(getForm()));
  if (getRope())
    printer << ", " << getRope();
  printer << '>';
}

LogicalResult KVType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t heads,
                             int64_t keyDim, int64_t valueDim, ::plexus::KvForm form,
                             RopeAttr rope) {
  if (heads < 1 || keyDim < 1 || valueDim < 1)
    return emitError() << "!attn.kv needs positive sizes, found " << heads << " x " << keyDim
                       << " x " << valueDim;
  if (rope && form != ::plexus::KvForm::Int4)
    return emitError() << "!attn.kv keeps keys before a rope as int4 alone";
  if (rope && rope.getDims() > keyDim)
    return emitError() << "!attn.kv has a rope that turns " << rope.getDims()
                       << " entries of a head of " << keyDim;
  if (rope && rope.getOriginalContext())
    return emitError() << "!attn.kv has a rope whose frequencies depend on the length of the "
                          "sequence: keys are kept as they were turned";
  return success();
}

bool KVType::supportsKind(plx::StateKind kind) const {
  return kind == plx::StateKind::KV || kind == plx::StateKind::Ring;
}

//===--- Rope ---------------------------------------------------------------------------------===//

static LogicalResult verifyFrequencies(function_ref<InFlightDiagnostic()> emitError, StringRef name,
                                       DenseElementsAttr table, int64_t dims) {
  auto type = RankedTensorType::get({dims / 2}, Float32Type::get(table.getContext()));
  if (table.getType() != type)
    return emitError() << "#attn.rope " << name << " has type " << table.getType() << ", expected "
                       << type << " (dims / 2)";
  return success();
}

LogicalResult RopeAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t dims,
                               DenseElementsAttr invFreq, bool, FloatAttr scaling,
                               DenseElementsAttr longInvFreq, int64_t originalContext,
                               FloatAttr ntkFactor) {
  if (dims < 2 || dims % 2)
    return emitError() << "#attn.rope dims must be even and positive, found " << dims;
  if (failed(verifyFrequencies(emitError, "inv_freq", invFreq, dims)))
    return failure();
  if (scaling && !scaling.getType().isF32())
    return emitError() << "#attn.rope attention_scaling must be f32, found " << scaling.getType();
  if (longInvFreq && failed(verifyFrequencies(emitError, "long_inv_freq", longInvFreq, dims)))
    return failure();
  if (longInvFreq && ntkFactor)
    return emitError() << "#attn.rope has long_inv_freq or ntk_factor, not both";
  if (ntkFactor && (!ntkFactor.getType().isF32() || dims < 4))
    return emitError() << "#attn.rope ntk_factor must be f32 and needs dims of 4 or more";
  if ((longInvFreq || ntkFactor) != (originalContext > 0) || originalContext < 0)
    return emitError() << "#attn.rope long_inv_freq or ntk_factor and a positive original_context "
                          "belong together";
  return success();
}

DenseElementsAttr RopeAttr::getNtkExponents() const {
  SmallVector<float> exponents;
  for (int64_t i = 0; i < getDims() / 2; ++i)
    exponents.push_back(-2.0f * i / (getDims() - 2));
  return DenseElementsAttr::get(getInvFreq().getType(), ArrayRef<float>(exponents));
}

float RopeAttr::getScaling() const {
  return getAttentionScaling() ? getAttentionScaling().getValue().convertToFloat() : 1.0f;
}
