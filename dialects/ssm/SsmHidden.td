// Hidden Markov models.
#ifndef PLEXUS_DIALECTS_SSM_SSMHIDDEN_TD
#define PLEXUS_DIALECTS_SSM_SSMHIDDEN_TD

include "dialects/ssm/SsmEnums.td"
include "dialects/ssm/SsmGaussian.td"

def Ssm_EmissionOp : Op<Ssm_Dialect, "emission", [
    Pure, AttrSizedOperandSegments, InferTypeOpAdaptor,
    DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "log probability of measurements under generalised linear models, one a state";
  let description = [{
    With `eta_k = weight_k x + bias_k` for K states, in f64:

    - `bernoulli`: `y eta - log(1 + exp(eta))`
    - `poisson`: `y eta - exp(eta) - log y!`
    - `gaussian`: of mean eta and variance `exp(log_variance_k)`

    Where y is not finite there is no measurement: the row is NaN, which the recursions take as such.
    Without covariates eta is the bias.

    ```mlir
    %l = ssm.emission gaussian %y, %bias covariates %x, %w log_variance %v : (tensor<?xf32>, tensor<3xf32>, tensor<?x4xf32>, tensor<3x4xf32>, tensor<3xf32>) -> tensor<?x3xf32>
    ```
  }];
  let arguments = (ins Ssm_Emission:$family, Ssm_Row:$measurements, Plx_Vector:$bias,
                       Optional<Ssm_Channels>:$covariates, Optional<Ssm_Matrix>:$weight,
                       Optional<Plx_Vector>:$log_variance);
  let results = (outs Ssm_Channels:$result);
  let assemblyFormat = [{
    $family $measurements `,` $bias (`covariates` $covariates^ `,` $weight)?
    (`log_variance` $log_variance^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

class Ssm_HiddenOp<string mnemonic, dag more, list<Trait> traits>
    : Op<Ssm_Dialect, mnemonic, !listconcat(traits, [
          AttrSizedOperandSegments, InferTypeOpAdaptor,
          DeclareOpInterfaceMethods<DecomposeOpInterface>])> {
  let arguments = !con((ins Ssm_Channels:$emissions, Plx_Vector:$initial, Ssm_Matrix:$transition,
                            Plx_Batch:$batch, Optional<Ssm_Channels>:$inputs,
                            Optional<Ssm_Matrix>:$input_weight), more);
  let hasVerifier = 1;
}

def Ssm_HmmFilterOp
    : Ssm_HiddenOp<"hmm_filter", (ins Optional<Plx_Carry>:$state),
                   [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "forward recursion of a hidden Markov model (Baum et al., 1970), in f64 and in logarithms";
  let description = [{
    K states; `emissions` [T, K] are log p(y_t | k). The first state has probabilities
    `softmax(initial)`; a transition from i into token t `softmax over j of transition[i, j] +
    (input_weight u_t)_j`, u_t the row of `inputs` of the token that is arrived at. A row of emissions that
    holds a NaN is no measurement.

    Results: log p(z_t | y_0 .. y_t) as probabilities [T, K], and log p(y_0 .. y_t), [T, 1]. State:
    [2 + K, 2], f64 as two words: 1 after a first token, the log likelihood, log posteriors.

    ```mlir
    %p, %ll = ssm.hmm_filter %l, %pi, %t, %batch inputs %u, %v state %s : (tensor<?x3xf32>, tensor<3xf32>, tensor<3x3xf32>, !plx.batch, tensor<?x2xf32>, tensor<3x2xf32>, !plx.carry<5 x 2>) -> (tensor<?x3xf32>, tensor<?x1xf32>)
    ```
  }];
  let results = (outs Ssm_Channels:$filtered, Ssm_Channels:$log_likelihood);
  let assemblyFormat = [{
    $emissions `,` $initial `,` $transition `,` $batch (`inputs` $inputs^ `,` $input_weight)?
    (`state` $state^)? attr-dict `:` functional-type(operands, results)
  }];
}

class Ssm_WholeHiddenOp<string mnemonic> : Ssm_HiddenOp<mnemonic, (ins), [Pure]> {
  let assemblyFormat = [{
    $emissions `,` $initial `,` $transition `,` $batch (`inputs` $inputs^ `,` $input_weight)? attr-dict
    `:` functional-type(operands, results)
  }];
}

def Ssm_HmmSmootherOp : Ssm_WholeHiddenOp<"hmm_smoother"> {
  let summary = "forward and backward recursions over whole sequences";
  let description = [{
    p(z_t | all y) [T, K], of the model of `ssm.hmm_filter`.

    ```mlir
    %p = ssm.hmm_smoother %l, %pi, %t, %batch : (tensor<?x3xf32>, tensor<3xf32>, tensor<3x3xf32>, !plx.batch) -> tensor<?x3xf32>
    ```
  }];
  let results = (outs Ssm_Channels:$smoothed);
}

def Ssm_ViterbiOp : Ssm_WholeHiddenOp<"viterbi"> {
  let summary = "the most probable path through a hidden Markov model (Viterbi, 1967)";
  let description = [{
    Of the model of `ssm.hmm_filter`: the path [T], and the log probability of the best path up to each
    token together with its measurements, [T, 1]. Among equals the state of the lowest number is taken.

    ```mlir
    %path, %score = ssm.viterbi %l, %pi, %t, %batch : (tensor<?x3xf32>, tensor<3xf32>, tensor<3x3xf32>, !plx.batch) -> (tensor<?xi32>, tensor<?x1xf32>)
    ```
  }];
  let results = (outs Ssm_Flags:$path, Ssm_Channels:$score);
}

#endif // PLEXUS_DIALECTS_SSM_SSMHIDDEN_TD
