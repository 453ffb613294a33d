#!/usr/bin/env python3
"""Writes a Llama-shaped model of random weights: config.json and model.safetensors.

Speed does not depend on the values, so one block of normal numbers is repeated. Needs the standard
library only. The default is the 0.34 B shape that the benchmarks quote.

    make_llama.py OUT [--layers 24] [--hidden 1024] [--heads 16] [--kv-heads 4] [--mlp 2816]
                      [--vocab 32000] [--dtype BF16|F32] [--context 8192]
"""
import argparse
import json
import os
import random
import struct


def block(dtype, count=1 << 16):
    rng = random.Random(1)
    values = struct.pack(f"<{count}f", *(rng.gauss(0.0, 0.02) for _ in range(count)))
    if dtype == "F32":
        return values
    return b"".join(values[i + 2 : i + 4] for i in range(0, len(values), 4))


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
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("out")
    for name, value in dict(layers=24, hidden=1024, heads=16, kv_heads=4, mlp=2816, vocab=32000,
                            context=8192).items():
        p.add_argument("--" + name.replace("_", "-"), type=int, default=value)
    p.add_argument("--dtype", default="BF16", choices=["BF16", "F32"])
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": a.hidden, "intermediate_size": a.mlp, "num_hidden_layers": a.layers,
        "num_attention_heads": a.heads, "num_key_value_heads": a.kv_heads,
        "max_position_embeddings": a.context, "rms_norm_eps": 1e-5, "vocab_size": a.vocab,
        "tie_word_embeddings": False, "attention_bias": False, "mlp_bias": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "dtype": {"BF16": "bfloat16", "F32": "float32"}[a.dtype], "bos_token_id": 1, "eos_token_id": 2,
    }
    with open(os.path.join(a.out, "config.json"), "w") as f:
        json.dump(config, f, indent=1)
    width = {"BF16": 2, "F32": 4}[a.dtype]
    header, offset = {}, 0
    for name, shape in tensors(a):
        size = width
        for d in shape:
            size *= d
        header[name] = {"dtype": a.dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    noise = block(a.dtype)
    with open(os.path.join(a.out, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, info in header.items():
            left = info["data_offsets"][1] - info["data_offsets"][0]
            while left:
                left -= f.write(noise[:left])


if __name__ == "__main__":
    main()
