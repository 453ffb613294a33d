// Recipe attributes of plx as the packer's trees.
#include "compiler/program/ProgramBuilder.h"

#include "llvm/ADT/TypeSwitch.h"

namespace plexus::compiler {

using namespace mlir;

namespace {

using Kind = Recipe::Kind;

float number(FloatAttr attribute) { return static_cast<float>(attribute.getValueAsDouble()); }

void set(std::vector<int64_t> &dims, llvm::ArrayRef<int64_t> from) {
  dims.assign(from.begin(), from.end());
}

/// Fills in all but the parts; fails on a recipe that the packer does not know.
LogicalResult importNode(Attribute attribute, Recipe &r) {
  return llvm::TypeSwitch<Attribute, LogicalResult>(attribute)
      .Case([&](plx::SourceAttr a) {
        r.kind = Kind::Source;
        r.name = a.getName().str();
        if (RankedTensorType type = a.getType())
          set(r.dims, type.getShape());
        return success();
      })
      .Case([&](plx::ConcatAttr a) {
        r.kind = Kind::Concat;
        r.axis = a.getAxis();
        return success();
      })
      .Case([&](plx::InterleaveAttr a) {
        r.kind = Kind::Interleave;
        r.axis = a.getAxis();
        r.block = a.getBlock();
        return success();
      })
      .Case([&](plx::SliceRecipeAttr a) {
        r.kind = Kind::Slice;
        r.axis = a.getAxis();
        r.begin = a.getBegin();
        r.size = a.getSize();
        return success();
      })
      .Case([&](plx::TransposeRecipeAttr a) {
        r.kind = Kind::Transpose;
        set(r.dims, a.getPermutation());
        return success();
      })
      .Case([&](plx::ReshapeRecipeAttr a) {
        r.kind = Kind::Reshape;
        set(r.dims, a.getShape());
        return success();
      })
      .Case<plx::ScaleRecipeAttr, plx::OffsetRecipeAttr>([&](auto a) {
        r.kind = isa<plx::ScaleRecipeAttr>(Attribute(a)) ? Kind::Scale : Kind::Offset;
        r.number = number(a.getNumber());
        return success();
      })
      .Case([&](plx::RsqrtRecipeAttr a) {
        r.kind = Kind::Rsqrt;
        r.number = number(a.getNumber());
        return success();
      })
      .Case([&](plx::ExpRecipeAttr) {
        r.kind = Kind::Exp;
        return success();
      })
      .Case([&](plx::RenormRecipeAttr a) {
        r.kind = Kind::Renorm;
        r.number = number(a.getNumber());
        return success();
      })
      .Case([&](plx::SumRecipeAttr) {
        r.kind = Kind::Sum;
        return success();
      })
      .Case([&](plx::UnsortRecipeAttr) {
        r.kind = Kind::Unsort;
        return success();
      })
      .Case([&](plx::BoxRecipeAttr a) {
        r.kind = Kind::Box;
        r.axis = a.getAxis();
        r.size = a.getCount();
        return success();
      })
      .Case([&](plx::SpectrumRecipeAttr a) {
        r.kind = Kind::Spectrum;
        r.size = a.getPoints();
        return success();
      })
      .Case([&](plx::WhitenRecipeAttr a) {
        r.kind = Kind::Whiten;
        r.name = a.getResult().str();
        return success();
      })
      .Case([&](plx::EinsumRecipeAttr a) {
        r.kind = Kind::Einsum;
        r.name = a.getAxes().str();
        return success();
      })
      .Default([](Attribute) { return failure(); });
}

} // namespace

Expected<Recipe> importRecipe(Attribute attribute) {
  Recipe recipe;
  if (failed(importNode(attribute, recipe))) {
    std::string text;
    llvm::raw_string_ostream(text) << attribute;
    return error(Code::Unsupported) << "the packer does not know the recipe " << text;
  }
  for (Attribute nested : cast<plx::RecipeAttrInterface>(attribute).getNested()) {
    PLX_ASSIGN(Recipe part, importRecipe(nested));
    recipe.parts.push_back(std::move(part));
  }
  return recipe;
}

} // namespace plexus::compiler
