//===- WeightRecipes.h - arithmetic of weights before they are packed -------------------*- C++
//-*-===//
// What passes share that make one weight of several: recipes by name, and new declarations.
//===----------------------------------------------------------------------------------------------===//
#ifndef PLEXUS_PASSES_FUSE_WEIGHTRECIPES_H
#define PLEXUS_PASSES_FUSE_WEIGHTRECIPES_H

#include "dialects/plx/PlxOps.h"

namespace plexus::compiler {

/// Builders of recipe attributes.
struct Recipes {
  mlir::MLIRContext *context;
  mlir::Attribute einsum(const llvm::Twine &axes, llvm::ArrayRef<mlir::Attribute> parts) const;
  mlir::Attribute sum(llvm::ArrayRef<mlir::Attribute> parts) const;
  mlir::Attribute scale(double factor, mlir::Attribute of) const;
  mlir::Attribute box(int64_t axis, int64_t count, mlir::Attribute of) const;
  mlir::Attribute spectrum(int64_t points, mlir::Attribute of) const;
  mlir::Attribute concat(int64_t axis, llvm::ArrayRef<mlir::Attribute> parts) const;
  mlir::Attribute slice(int64_t axis, int64_t begin, int64_t size, mlir::Attribute of) const;
  mlir::Attribute transpose(llvm::ArrayRef<int64_t> order, mlir::Attribute of) const;
  mlir::Attribute reshape(llvm::ArrayRef<int64_t> shape, mlir::Attribute of) const;
};

/// The weights of one model, while a pass rewrites it.
class WeightRecipes {
public:
  explicit WeightRecipes(mlir::plx::ModelOp model)
      : r{model.getContext()}, model(model), symbols(model) {}

  /// The weight behind a value; null where it is none.
  mlir::plx::WeightOp weightOf(mlir::Value value);
  /// The recipe behind a value that is a dense weight and knows its type; null otherwise.
  mlir::Attribute recipeOf(mlir::Value value);
  /// A weight of `recipe`, in place of those behind `from`, read where `builder` stands. Its name
  /// is made of theirs where `name` is empty.
  mlir::Value declare(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> from,
                      mlir::Attribute recipe, mlir::Location loc, llvm::StringRef name = "");
  /// Erases weights that were replaced and that nobody reads any more.
  void finish();

  Recipes r;

private:
  mlir::plx::ModelOp model;
  mlir::SymbolTable symbols;
  llvm::SetVector<mlir::StringAttr> replaced;
};

} // namespace plexus::compiler

#endif // PLEXUS_PASSES_FUSE_WEIGHTRECIPES_H
