//===- Report.cpp - where each op went, for --report ------------------------------------------===//
// Rows are dictionaries in an attribute of their segment; ops that joined another are remembered in
// its location, until it is reported.
//===----------------------------------------------------------------------------------------------===//
#include "passes/Report.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace plexus::compiler {
namespace {

constexpr llvm::StringLiteral kJoined = "plexus.joined", kWhy = "why";

/// What joined the op at a fused location, or null.
DictionaryAttr joinedOp(FusedLoc location) {
  auto metadata = dyn_cast_or_null<DictionaryAttr>(location.getMetadata());
  return metadata && metadata.contains(kJoined) ? metadata : DictionaryAttr();
}

/// The leaves of `location` as text, without those of joined ops.
void collectPlaces(Location location, llvm::SetVector<StringAttr> &places) {
  if (auto fused = dyn_cast<FusedLoc>(location)) {
    if (!joinedOp(fused))
      for (Location part : fused.getLocations())
        collectPlaces(part, places);
    return;
  }
  std::string text;
  if (auto name = dyn_cast<NameLoc>(location))
    text = name.getName().str();
  else if (!isa<UnknownLoc>(location))
    llvm::raw_string_ostream(text) << location;
  if (!text.empty())
    places.insert(StringAttr::get(location.getContext(), text));
}

std::string placeOf(ArrayRef<Location> locations) {
  llvm::SetVector<StringAttr> places;
  for (Location location : locations)
    collectPlaces(location, places);
  return llvm::join(llvm::map_range(places, [](StringAttr name) { return name.getValue(); }), ", ");
}

Attribute makeRow(MLIRContext *context, StringRef op, std::string place, StringRef target,
                  const Twine &why) {
  Builder b(context);
  return b.getDictionaryAttr({
      b.getNamedAttr("location", b.getStringAttr(place)),
      b.getNamedAttr("op", b.getStringAttr(op)),
      b.getNamedAttr("target", b.getStringAttr(target)),
      b.getNamedAttr(kWhy, b.getStringAttr(why.str())),
  });
}

/// Rows of the ops that joined `host`, an op at `location`, innermost first.
void addJoined(Location location, StringRef host, SmallVectorImpl<Attribute> &rows) {
  auto fused = dyn_cast<FusedLoc>(location);
  if (!fused)
    return;
  for (Location part : fused.getLocations())
    addJoined(part, host, rows);
  if (DictionaryAttr joined = joinedOp(fused))
    rows.push_back(makeRow(location.getContext(), joined.getAs<StringAttr>(kJoined).getValue(),
                           placeOf(fused.getLocations()), ("in " + host).str(),
                           joined.getAs<StringAttr>(kWhy).getValue()));
}

} // namespace

Location joinedLocation(Location into, Operation *joined, StringRef why) {
  Builder b(joined->getContext());
  auto parts = dyn_cast<FusedLoc>(into);
  auto metadata = b.getDictionaryAttr(
      {b.getNamedAttr(kJoined, b.getStringAttr(joined->getName().getStringRef())),
       b.getNamedAttr(kWhy, b.getStringAttr(why)),
       // Equal parts would be made one.
       b.getNamedAttr("number", b.getI64IntegerAttr(parts ? parts.getLocations().size() : 0))});
  Location part = FusedLoc::get({joined->getLoc()}, metadata, joined->getContext());
  return FusedLoc::get(joined->getContext(), {into, part});
}

void addReportRow(Operation *owner, Operation *op, StringRef target, const Twine &why) {
  SmallVector<Attribute> rows;
  if (auto old = owner->getAttrOfType<ArrayAttr>(kReportAttr))
    llvm::append_range(rows, old);
  StringRef name = op->getName().getStringRef();
  rows.push_back(makeRow(op->getContext(), name, placeOf({op->getLoc()}), target, why));
  addJoined(op->getLoc(), name, rows);
  owner->setAttr(kReportAttr, ArrayAttr::get(op->getContext(), rows));
}

void noteStorage(Operation *weight, StringRef why) {
  MLIRContext *context = weight->getContext();
  weight->setLoc(FusedLoc::get({weight->getLoc()}, StringAttr::get(context, why), context));
}

StringRef storageNote(Operation *weight) {
  auto fused = dyn_cast<FusedLoc>(weight->getLoc());
  auto why = fused ? dyn_cast_or_null<StringAttr>(fused.getMetadata()) : StringAttr();
  return why ? why.getValue() : StringRef();
}

void collectReport(ModuleOp module, std::vector<ReportRow> *report) {
  for (auto function : module.getOps<func::FuncOp>()) {
    auto rows = dyn_cast_or_null<ArrayAttr>(function->removeAttr(kReportAttr));
    if (!rows || !report)
      continue;
    for (auto row : rows.getAsRange<DictionaryAttr>()) {
      auto text = [&](StringRef key) { return row.getAs<StringAttr>(key).str(); };
      report->push_back(
          {function.getName().str(), text("op"), text("location"), text("target"), text(kWhy)});
    }
  }
}

} // namespace plexus::compiler
