// Recipe attributes of plx as the packer's trees.
#include "compiler/program/ProgramBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

namespace plexus::compiler {

using namespace mlir;

namespace {

Status addParts(Recipe &recipe, llvm::ArrayRef<Attribute> parts) {
  for (Attribute part : parts) {
    PLX_ASSIGN(Recipe imported, importRecipe(part));
    recipe.parts.push_back(std::move(imported));
  }
  return Status::ok();
}

float number(FloatAttr attribute) { return static_cast<float>(attribute.getValueAsDouble()); }

/// Fills in all but the parts, which are returned.
FailureOr<llvm::SmallVector<Attribute>> importNode(Attribute attribute, Recipe &r) {
  using Kind = Recipe::Kind;
  using Parts = llvm::SmallVector<Attribute>;
  return llvm::TypeSwitch<Attribute, FailureOr<Parts>>(attribute)
      .Case([&](plx::SourceAttr a) {
        r.name = a.getName().str();
        if (RankedTensorType type = a.getType())
          r.dims.assign(type.getShape().begin(), type.getShape().end());
        return Parts();
      })
      .Case([&](plx::ConcatAttr a) {
        r.kind = Kind::Concat;
        r.axis = a.getAxis();
        return Parts(a.getParts());
      })
      .Case([&](plx::InterleaveAttr a) {
        r.kind = Kind::Interleave;
        r.axis = a.getAxis();
        r.block = a.getBlock();
        return Parts(a.getParts());
      })
      .Case([&](plx::SliceRecipeAttr a) {
        r.kind = Kind::Slice;
        r.axis = a.getAxis();
        r.begin = a.getBegin();
        r.size = a.getSize();
        return Parts{a.getValue()};
      })
      .Case([&](plx::TransposeRecipeAttr a) {
        r.kind = Kind::Transpose;
        r.dims.assign(a.getPermutation().begin(), a.getPermutation().end());
        return Parts{a.getValue()};
      })
      .Case([&](plx::ReshapeRecipeAttr a) {
        r.kind = Kind::Reshape;
        r.dims.assign(a.getShape().begin(), a.getShape().end());
        return Parts{a.getValue()};
      })
      .Case([&](plx::ScaleRecipeAttr a) {
        r.kind = Kind::Scale;
        r.number = number(a.getFactor());
        return Parts{a.getValue()};
      })
      .Case([&](plx::OffsetRecipeAttr a) {
        r.kind = Kind::Offset;
        r.number = number(a.getOffset());
        return Parts{a.getValue()};
      })
      .Default([](Attribute) { return failure(); });
}

} // namespace

Expected<Recipe> importRecipe(Attribute attribute) {
  Recipe recipe;
  auto parts = importNode(attribute, recipe);
  if (failed(parts)) {
    std::string text;
    llvm::raw_string_ostream(text) << attribute;
    return error(Code::Unsupported) << "the packer does not know the recipe " << text;
  }
  PLX_RETURN_IF_ERROR(addParts(recipe, *parts));
  return recipe;
}

} // namespace plexus::compiler
