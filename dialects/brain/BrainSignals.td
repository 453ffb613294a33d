// Signals along the samples of each sequence: filters and running norms.
#ifndef PLEXUS_DIALECTS_BRAIN_BRAINSIGNALS_TD
#define PLEXUS_DIALECTS_BRAIN_BRAINSIGNALS_TD

include "dialects/brain/BrainBase.td"

def Brain_EmaStandardizeOp : Brain_Recurrence<"ema_standardize"> {
  let summary = "each channel less its running mean, by its running deviation";
  let description = [{
    Exponential moving standardisation: mean and variance of each channel follow the samples,

    `m <- a x + (1 - a) m; v <- a (x - m)^2 + (1 - a) v; y = (x - m) / max(eps, sqrt v)`,

    a = `alpha`. Before a sequence's first sample m is that sample and v is 1. Computed in f64. The state
    is mean, variance and 1 where a sample has been, each as the bits of f64 in two f32; zeros are a fresh
    sequence.

    ```mlir
    %y = brain.ema_standardize %x, %batch state %s {alpha = 0.01 : f64, eps = 1.0e-4 : f64} : (tensor<?x22xf32>, !plx.batch, !plx.carry<3 x 22 x 2>) -> tensor<?x22xf32>
    ```
  }];
  let arguments = (ins Brain_Channels:$input, Plx_Batch:$batch, Optional<Plx_Carry>:$state,
                       F64Attr:$alpha, F64Attr:$eps);
  let results = (outs Brain_Channels:$result);
  let assemblyFormat = [{
    $input `,` $batch (`state` $state^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Brain_SosFilterOp : Brain_Recurrence<"sos_filter"> {
  let summary = "a bank of causal filters of second-order sections";
  let description = [{
    Each of `filters` filters runs over each channel by itself; column `f C + c` of the result is filter f
    of channel c. A filter is a cascade of sections `(b0 + b1 / z + b2 / z^2) / (1 + a1 / z + a2 / z^2)`,
    `sos` holds `b0 b1 b2 1 a1 a2` of each, filter by filter, as many sections in each. Computed in f64
    (transposed direct form II). It starts from zeros, or with `steady` from the state that an endless
    constant signal of the sequence's first value would have left (scipy.signal's `sosfilt_zi` times that
    value).

    The state is two numbers for each section and column, and with `steady` a last row that is 1 where a
    sample has been, each as the bits of f64 in two f32.

    ```mlir
    %y = brain.sos_filter %x, %batch state %s {filters = 1 : i64, sos = array<f64: 0.25, 0.5, 0.25, 1.0, -0.2, 0.1>} : (tensor<?x22xf32>, !plx.batch, !plx.carry<2 x 22 x 2>) -> tensor<?x22xf32>
    ```
  }];
  let arguments = (ins Brain_Channels:$input, Plx_Batch:$batch, Optional<Plx_Carry>:$state,
                       DenseF64ArrayAttr:$sos, DefaultValuedAttr<I64Attr, "1">:$filters,
                       UnitAttr:$steady);
  let results = (outs Brain_Channels:$result);
  let assemblyFormat = [{
    $input `,` $batch (`state` $state^)? attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = "int64_t getSections() { return getSos().size() / 6 / getFilters(); }";
}

def Brain_ExtensionAttr : EnumAttr<Brain_Dialect, Brain_Extension, "extension">;

def Brain_SosFiltFiltOp : Brain_Op<"sos_filtfilt"> {
  let summary = "a bank of filters run forward and backward over whole sequences: no phase";
  let description = [{
    As `brain.sos_filter` over each whole sequence of the batch, then over the result from its end. A
    sequence is extended by `padding` samples at either end, which are dropped again: `odd` 2 x[0] - x[i],
    `even` x[i], `constant` x[0], i samples inwards. Both runs start from the steady state of their first
    sample. It is scipy.signal's `sosfiltfilt`. Where a sequence has no sample i its outermost one stands
    in for it; callers ask for more than `padding` samples.

    ```mlir
    %y = brain.sos_filtfilt %x, %batch {extension = #brain<extension odd>, padding = 9 : i64, filters = 1 : i64, sos = array<f64: 0.25, 0.5, 0.25, 1.0, -0.2, 0.1>} : (tensor<?x22xf32>, !plx.batch) -> tensor<?x22xf32>
    ```
  }];
  let arguments = (ins Brain_Channels:$input, Plx_Batch:$batch, DenseF64ArrayAttr:$sos,
                       DefaultValuedAttr<I64Attr, "1">:$filters, I64Attr:$padding,
                       DefaultValuedAttr<Brain_ExtensionAttr,
                           "::mlir::brain::Extension::Odd">:$extension);
  let results = (outs Brain_Channels:$result);
  let assemblyFormat = "$input `,` $batch attr-dict `:` functional-type(operands, results)";
  let extraClassDeclaration = "int64_t getSections() { return getSos().size() / 6 / getFilters(); }";
}

def Brain_TimesOp : Op<Brain_Dialect, "times", [
    Pure, InferTypeOpAdaptor, DeclareOpInterfaceMethods<DecomposeOpInterface>,
    DeclareOpInterfaceMethods<ResultRowsOpInterface>]> {
  let summary = "when each row of the batch was";
  let description = [{
    `y[t] = start + step p`, p being the row's position in its sequence: seconds of samples or frames.

    ```mlir
    %t = brain.times %batch {start = 0.0 : f64, step = 0.256 : f64} : tensor<?xf32>
    ```
  }];
  let arguments = (ins Plx_Batch:$batch, F64Attr:$start, F64Attr:$step);
  let results = (outs Plx_Tensor:$result);
  let assemblyFormat = "$batch attr-dict `:` type($result)";
}

#endif // PLEXUS_DIALECTS_BRAIN_BRAINSIGNALS_TD
