#!/usr/bin/env python3
"""Writes a Llama-shaped model of random weights; the default is the 0.34 B shape.

    make_llama.py OUT [--layers 24] [--hidden 1024] [--heads 16] [--kv-heads 4] [--mlp 2816]
                      [--vocab 32000] [--dtype BF16|F32] [--context 8192]
"""
from random_model import parse, write

SIZES = dict(layers=24, hidden=1024, heads=16, kv_heads=4, mlp=2816, vocab=32000, context=8192)


def tensors(a):
    head = a.hidden // a.heads
    yield "model.embed_tokens.weight", [a.vocab, a.hidden]
    for l in range(a.layers):
        p = f"model.layers.{l}."
        yield p + "input_layernorm.weight", [a.hidden]
        yield p + "self_attn.q_proj.weight", [a.heads * head, a.hidden]
        yield p + "self_attn.k_proj.weight", [a.kv_heads * head, a.hidden]
        yield p + "self_attn.v_proj.weight", [a.kv_heads * head, a.hidden]
        yield p + "self_attn.o_proj.weight", [a.hidden, a.heads * head]
        yield p + "post_attention_layernorm.weight", [a.hidden]
        yield p + "mlp.gate_proj.weight", [a.mlp, a.hidden]
        yield p + "mlp.up_proj.weight", [a.mlp, a.hidden]
        yield p + "mlp.down_proj.weight", [a.hidden, a.mlp]
    yield "model.norm.weight", [a.hidden]
    yield "lm_head.weight", [a.vocab, a.hidden]


def main():
    a = parse(__doc__, SIZES)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": a.hidden, "intermediate_size": a.mlp, "num_hidden_layers": a.layers,
        "num_attention_heads": a.heads, "num_key_value_heads": a.kv_heads,
        "max_position_embeddings": a.context, "rms_norm_eps": 1e-5, "vocab_size": a.vocab,
        "tie_word_embeddings": False, "attention_bias": False, "mlp_bias": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "bos_token_id": 1, "eos_token_id": 2,
    }
    write(a.out, config, tensors(a), a.dtype)


if __name__ == "__main__":
    main()
