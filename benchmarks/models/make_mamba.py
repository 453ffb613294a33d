#!/usr/bin/env python3
"""Writes a Mamba-shaped model of random weights; the default is the 130 M shape.

    make_mamba.py OUT [--layers 24] [--hidden 768] [--state 16] [--vocab 50280] [--dtype BF16|F32]
"""
from random_model import parse, write

SIZES = dict(layers=24, hidden=768, state=16, vocab=50280)
KERNEL = 4


def tensors(a):
    inner, rank = 2 * a.hidden, -(-a.hidden // 16)
    yield "backbone.embeddings.weight", [a.vocab, a.hidden]
    for l in range(a.layers):
        p = f"backbone.layers.{l}."
        yield p + "norm.weight", [a.hidden]
        yield p + "mixer.A_log", [inner, a.state]
        yield p + "mixer.D", [inner]
        yield p + "mixer.conv1d.weight", [inner, 1, KERNEL]
        yield p + "mixer.conv1d.bias", [inner]
        yield p + "mixer.in_proj.weight", [2 * inner, a.hidden]
        yield p + "mixer.x_proj.weight", [rank + 2 * a.state, inner]
        yield p + "mixer.dt_proj.weight", [inner, rank]
        yield p + "mixer.dt_proj.bias", [inner]
        yield p + "mixer.out_proj.weight", [a.hidden, inner]
    yield "backbone.norm_f.weight", [a.hidden]


def main():
    a = parse(__doc__, SIZES)
    config = {
        "architectures": ["MambaForCausalLM"], "model_type": "mamba", "hidden_act": "silu",
        "hidden_size": a.hidden, "intermediate_size": 2 * a.hidden, "expand": 2,
        "num_hidden_layers": a.layers, "state_size": a.state, "conv_kernel": KERNEL,
        "time_step_rank": -(-a.hidden // 16), "layer_norm_epsilon": 1e-5, "use_bias": False,
        "use_conv_bias": True, "vocab_size": a.vocab, "tie_word_embeddings": True,
        "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
    }
    write(a.out, config, tensors(a), a.dtype)


if __name__ == "__main__":
    main()
