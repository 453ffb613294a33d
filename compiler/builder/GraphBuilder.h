// Builds a plx module from builder calls: what stands behind plx_graph_api
// (include/plexus/family.h).
//
// Errors are sticky. A weight that the source does not have is not an error at once: it is noted, a
// missing value stands for it, and the import lists all of them together.
#pragma once

#include "compiler/builder/Sources.h"
#include "dialects/plx/PlxOps.h"
#include "runtime/support/Status.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "plexus/family.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plexus::compiler {

class GraphBuilder {
public:
  /// `source` may be null for a graph whose weights are all constants.
  GraphBuilder(mlir::MLIRContext &context, llvm::StringRef modelName,
               std::shared_ptr<const TensorSource> source);
  ~GraphBuilder();

  // The calls of plx_graph_api, in its order. -1 on failure; status() has the first error.
  plx_recipe source(llvm::StringRef name);
  plx_recipe concat(int64_t axis, llvm::ArrayRef<plx_recipe> parts);
  plx_recipe slice(plx_recipe of, int64_t axis, int64_t begin, int64_t size);
  plx_recipe transpose(plx_recipe of, llvm::ArrayRef<int64_t> perm);
  plx_recipe reshape(plx_recipe of, llvm::ArrayRef<int64_t> shape);
  plx_recipe scale(plx_recipe of, double factor);
  plx_recipe offset(plx_recipe of, double addend);
  plx_recipe constant(const float *data, llvm::ArrayRef<int64_t> shape);
  /// Recipes of arithmetic: "sum", "einsum", "box", "renorm", "rsqrt",
  /// "exp" (family.h).
  plx_recipe namedRecipe(llvm::StringRef kind, llvm::ArrayRef<plx_recipe> parts,
                         llvm::ArrayRef<const plx_attr *> attrs);
  int32_t weight(llvm::StringRef name, plx_recipe recipe);
  int32_t state(llvm::StringRef name, const plx_state_desc &desc);

  int32_t segmentBegin(llvm::StringRef name, llvm::ArrayRef<const plx_arg_desc *> args,
                       plx_value *values, plx_value *batch);
  plx_value param(llvm::StringRef weight);
  plx_value getState(llvm::StringRef state);
  int32_t op(llvm::StringRef name, llvm::ArrayRef<plx_value> operands,
             llvm::ArrayRef<const plx_attr *> attrs, plx_value *results, size_t capacity);
  int32_t segmentEnd(llvm::ArrayRef<plx_value> results);
  int32_t shape(plx_value v, int64_t *dims, size_t capacity);

  int32_t scheduleBegin(llvm::StringRef name, llvm::ArrayRef<const char *> inputNames,
                        llvm::ArrayRef<const plx_arg_desc *> args, plx_value *values);
  int32_t run(llvm::StringRef segment, int64_t layer, llvm::ArrayRef<plx_value> operands,
              llvm::ArrayRef<float> scalars, plx_value *results, size_t capacity);
  int32_t hidden(llvm::ArrayRef<plx_value> values);
  int32_t scheduleEnd(llvm::ArrayRef<const char *> names, llvm::ArrayRef<plx_value> outputs);

  int32_t info(llvm::StringRef key, mlir::Attribute value);
  int32_t describe(llvm::StringRef what, llvm::StringRef name,
                   llvm::ArrayRef<const plx_attr *> attrs);
  mlir::OpBuilder &builder() { return b; }

  void fail(Code code, const std::string &message);
  const Status &status() const { return error; }
  bool ok() const { return error.isOk(); }

  /// Names in the source of all that the graph reads, layers filled in, and those
  /// that were asked for and are not there. To be called before finish().
  std::vector<std::string> neededWeights();

  /// Ends the building: checks that every segment and schedule is closed, that every layer that
  /// runs has its weights in one type and shape, and verifies the module. The module's single op is
  /// the plx.model.
  Expected<mlir::OwningOpRef<mlir::ModuleOp>> finish();
  /// The constants that recipes name, to be given to the packer beside the source.
  std::shared_ptr<const TensorSource> constants() const;

private:
  struct Recipe {
    mlir::Attribute attr; ///< Null: its source is missing.
    mlir::RankedTensorType type;
  };
  class Constants;
  using EmitError = llvm::function_ref<mlir::InFlightDiagnostic()>;
  /// A recipe's number, or an error with what `make` or the recipe's shapes are wrong about.
  plx_recipe addRecipe(llvm::function_ref<mlir::Attribute(EmitError)> make);
  /// The number of a recipe whose source is not there.
  plx_recipe addMissingRecipe();
  /// A recipe over others; missing where one of them is.
  plx_recipe
  derive(llvm::ArrayRef<plx_recipe> from,
         llvm::function_ref<mlir::Attribute(EmitError, llvm::ArrayRef<mlir::Attribute>)> make);
  const Recipe *recipe(plx_recipe id);
  plx_value addValue(mlir::Value v);
  /// False with an error for an id that does not exist; a missing value gives a null Value.
  bool lookup(plx_value id, mlir::Value &out);
  /// The same for several; `whole` becomes false where one is missing.
  bool lookupAll(llvm::ArrayRef<plx_value> ids, llvm::SmallVectorImpl<mlir::Value> &out,
                 bool &whole);
  std::optional<mlir::FunctionType> argTypes(llvm::ArrayRef<const plx_arg_desc *> args);
  template <typename OpT>
  OpT begin(llvm::StringRef name, mlir::FunctionType type,
            llvm::ArrayRef<const plx_arg_desc *> args);
  bool needOpen(bool schedule);
  mlir::Operation *createVerified(mlir::OperationState &state);
  int32_t storeResults(mlir::Operation *op, plx_value *results, size_t capacity);
  std::string where() const;
  void checkLayers();

  mlir::MLIRContext &context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::plx::ModelOp model;
  mlir::OpBuilder b;
  std::shared_ptr<const TensorSource> files;
  std::shared_ptr<Constants> constantSource;
  mlir::Operation *open = nullptr; ///< The segment or schedule being built.
  std::vector<Recipe> recipes;
  std::vector<mlir::Value> values; ///< Of the open one; null: made from a missing weight.
  std::vector<plx_value> hiddenValues;
  std::map<std::string, mlir::Operation *> weights, states, segments; ///< Null: missing weight.
  std::vector<std::string> asked; ///< Names of all sources that are there, in order of asking.
  std::vector<std::string> missing;
  Status error;
};

} // namespace plexus::compiler
