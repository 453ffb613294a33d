// The packed encoding: its text, what exists, and on which tensors.
#include "dialects/plx/Packed.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::plx;

using ::plexus::PackedForm;
using ::plexus::PackedValues;
using ::plexus::PackedZeros;

static constexpr llvm::StringLiteral kChannel = "channel";
static constexpr llvm::StringLiteral kZeroNames[] = {"none", "point", "min"};

Type PackedAttr::getStorage() const {
  Builder b(getContext());
  switch (getForm().dtype()) {
  case ::plexus::DType::BF16:
    return b.getBF16Type();
  case ::plexus::DType::F16:
    return b.getF16Type();
  default:
    return b.getF32Type();
  }
}

//===--- Text ---===//

namespace {

/// `group = 32`, `zeros = min`, ... after the values' name.
class OptionParser {
public:
  OptionParser(AsmParser &parser, PackedForm &form) : parser(parser), form(form) {}

  ParseResult parse() {
    StringRef key;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseComma() || parser.parseKeyword(&key) || parser.parseEqual())
      return failure();
    if (key == "group")
      return parser.parseOptionalKeyword(kChannel) ? parser.parseInteger(form.group)
                                                   : (form.group = 0, success());
    if (key == "superblock")
      return parser.parseInteger(form.superblock);
    if (key == "zeros")
      return parseZeros();
    return parser.emitError(loc, "#plx.packed has no '")
           << key << "'; it has group, zeros, superblock";
  }

private:
  ParseResult parseZeros() {
    StringRef word;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&word))
      return failure();
    const auto *found = llvm::find(kZeroNames, word);
    if (found == std::end(kZeroNames))
      return parser.emitError(loc, "zeros are none, point or min, found '") << word << "'";
    form.zeros = static_cast<PackedZeros>(found - std::begin(kZeroNames));
    return success();
  }

  AsmParser &parser;
  PackedForm &form;
};

} // namespace

Attribute PackedAttr::parse(AsmParser &parser, Type) {
  StringRef name;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseKeyword(&name))
    return {};
  PackedForm form;
  int kind = 0;
  while (kind < ::plexus::kPackedValueKinds &&
         ::plexus::infoOf(static_cast<PackedValues>(kind)).name != std::string_view(name))
    ++kind;
  if (kind == ::plexus::kPackedValueKinds) {
    parser.emitError(loc, "#plx.packed has no values '") << name << "'";
    return {};
  }
  form.values = static_cast<PackedValues>(kind);
  form.group = form.isQuantized() ? 32 : 0;
  while (failed(parser.parseOptionalGreater()))
    if (OptionParser(parser, form).parse())
      return {};
  return parser.getChecked<PackedAttr>(loc, parser.getContext(), form);
}

void PackedAttr::print(AsmPrinter &printer) const {
  const PackedForm &form = getForm();
  printer << "<" << StringRef(form.info().name);
  if (form.isQuantized()) {
    printer << ", group = ";
    if (form.group)
      printer << form.group;
    else
      printer << kChannel;
  }
  if (form.zeros != PackedZeros::None)
    printer << ", zeros = " << kZeroNames[static_cast<size_t>(form.zeros)];
  if (form.superblock)
    printer << ", superblock = " << form.superblock;
  printer << ">";
}

//===--- Verification ---===//

LogicalResult PackedAttr::verify(function_ref<InFlightDiagnostic()> emitError, PackedForm form) {
  if (std::string problem = form.problem(); !problem.empty())
    return emitError() << "#plx.packed: " << problem;
  return success();
}

LogicalResult PackedAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                                         function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != 2 || ShapedType::isDynamicShape(shape))
    return emitError() << "#plx.packed needs a static matrix [out, in], found rank "
                       << shape.size();
  if (elementType != getStorage())
    return emitError() << "#plx.packed<" << getForm().spelling() << "> on elements of type "
                       << elementType << ", expected " << getStorage();
  return success();
}

//===--- Sources ---===//

/// The form of all of them, if it is one.
static std::optional<PackedForm> commonForm(ArrayRef<Attribute> parts) {
  std::optional<PackedForm> form = keptForm(parts.front());
  for (Attribute part : parts.drop_front())
    if (keptForm(part) != form)
      return std::nullopt;
  return form;
}

std::optional<PackedForm> plx::keptForm(Attribute recipe) {
  return llvm::TypeSwitch<Attribute, std::optional<PackedForm>>(recipe)
      .Case([](SourceAttr source) -> std::optional<PackedForm> {
        if (PackedAttr packed = source.getType() ? getPacked(source.getType()) : PackedAttr())
          return packed.getForm();
        return std::nullopt;
      })
      .Case<ConcatAttr, InterleaveAttr>([](auto join) -> std::optional<PackedForm> {
        if (join.getAxis() == 0)
          return commonForm(join.getParts());
        return std::nullopt;
      })
      .Case([](SliceRecipeAttr slice) -> std::optional<PackedForm> {
        if (slice.getAxis() == 0)
          return keptForm(slice.getValue());
        return std::nullopt;
      })
      .Default([](Attribute) { return std::nullopt; });
}
