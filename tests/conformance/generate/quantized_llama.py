#!/usr/bin/env python3
"""Writes the packs llama-gptq, llama-gptq3, llama-gptq-ordered (desc_act) and llama-awq: a small llama whose linear layers are stored as GPTQ and
AWQ checkpoints store them, with results of transformers on the values that the integers stand for.
usage: quantized_llama.py FOLDER (needs numpy, torch, transformers, safetensors)
"""
import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def stream(integers, bits):
    """Integers [n, m] as a stream of bits along the first axis, in words [n * bits / 32, m]."""
    planes = (integers[:, None, :] >> np.arange(bits)[None, :, None]) & 1
    planes = planes.reshape(-1, 32, integers.shape[1]).astype(np.uint64)
    words = (planes << np.arange(32, dtype=np.uint64)[None, :, None]).sum(1)
    return words.astype(np.uint32).view(np.int32)


def awq_words(integers):
    """Integers [n, m] of 4 bits, eight columns a word in AWQ's order, [n, m / 8]."""
    groups = integers.reshape(integers.shape[0], -1, 8).astype(np.uint64)
    words = sum(groups[:, :, column] << np.uint64(4 * i) for i, column in enumerate(AWQ_ORDER))
    return words.astype(np.uint32).view(np.int32)


def quantize(weight, bits, group, order=None):
    """[N, K] to integers [K, N], scales and zero points [K / group, N], values [N, K]; groups are of columns that are
    neighbours in `order`."""
    if order is not None:
        integers, scales, zeros, values = quantize(weight[:, order], bits, group)
        back = np.argsort(order)
        return integers[back], scales, zeros, np.ascontiguousarray(values[:, back])
    w = weight.T.astype(np.float32)
    group = w.shape[0] if group < 0 else group
    blocks = w.reshape(-1, group, w.shape[1])
    low, high = np.minimum(blocks.min(1), 0), np.maximum(blocks.max(1), 0)
    scales = ((high - low) / (2**bits - 1)).astype(np.float16)
    zeros = np.clip(np.rint(-low / scales), 0, 2**bits - 1)
    q = np.clip(np.rint(blocks / scales[:, None, :].astype(np.float32)) + zeros[:, None, :], 0, 2**bits - 1)
    values = scales[:, None, :].astype(np.float32) * (q - zeros[:, None, :])
    return (q.reshape(w.shape).astype(np.int64), scales, zeros.astype(np.int64),
            np.ascontiguousarray(values.reshape(w.shape).T.astype(np.float32)))


def store(tensors, module, parts, method, bits, group, v1, order=None):
    integers, scales, zeros, _ = parts
    if method == "awq":
        tensors[module + ".qweight"], tensors[module + ".qzeros"] = awq_words(integers), awq_words(zeros)
    else:
        tensors[module + ".qweight"] = stream(integers, bits)
        stored = (zeros - 1) % 2**bits if v1 else zeros
        tensors[module + ".qzeros"] = np.ascontiguousarray(stream(stored.T, bits).T)
        depth = integers.shape[0]
        places = np.arange(depth) if order is None else np.argsort(order)
        tensors[module + ".g_idx"] = (places // (depth if group < 0 else group)).astype(np.int32)
    tensors[module + ".scales"] = scales


def order_of(name, depth):
    """The order of activations: modules that read one input have one, as their Hessians are equal."""
    parent, module = name.removesuffix(".weight").rsplit(".", 1)
    read = "input" if module in ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj") else module
    return np.random.default_rng(sum(map(ord, parent + read))).permutation(depth)


def make(folder, method, bits, group, v1=True, ordered=False):
    torch.manual_seed(7)
    config = LlamaConfig(vocab_size=263, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
                         attention_bias=method == "gptq", attn_implementation="eager", dtype="float32")
    model = LlamaForCausalLM(config).eval()
    state = model.state_dict()
    tensors = {}
    for name, value in state.items():
        value = torch.randn_like(value) * 0.1 if "norm" not in name else 1 + 0.1 * torch.randn_like(value)
        if "_proj.weight" in name:
            order = order_of(name, value.shape[1]) if ordered else None
            parts = quantize(value.numpy(), bits, group, order)
            store(tensors, name[:-len(".weight")], parts, method, bits, group, v1, order)
            value = torch.from_numpy(parts[3])
        else:
            tensors[name] = value.numpy()
        state[name].copy_(value)
    write(folder, model, config, tensors, method, bits, group, v1, ordered)


def write(folder, model, config, tensors, method, bits, group, v1, ordered):
    (folder / "model").mkdir(parents=True, exist_ok=True)
    tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    save_file(tensors, folder / "model" / "model.safetensors", metadata={"format": "pt"})
    described = json.loads(config.to_json_string(use_diff=False))
    settings = {"quant_method": method, "bits": bits, "group_size": group}
    settings |= {"version": "gemm", "zero_point": True} if method == "awq" else \
        {"desc_act": ordered, "sym": False, "checkpoint_format": "gptq" if v1 else "gptq_v2"}
    described["quantization_config"] = settings
    (folder / "model" / "config.json").write_text(json.dumps(described, indent=1, sort_keys=True) + "\n")
    ids = torch.randint(3, 263, (1, 23))
    with torch.no_grad():
        out = model(ids, output_hidden_states=True)
        tokens = model.generate(ids[:, :9], max_new_tokens=16, do_sample=False, eos_token_id=None, pad_token_id=0)
    arrays = {"forward.in.input_ids": ids.numpy(), "forward.out.logits": out.logits.numpy(),
              "greedy.in.input_ids": ids[:, :9].numpy(), "greedy.out.tokens": tokens[:, 9:].numpy()}
    outputs = {"logits": "forward.out.logits"}
    for i, hidden in enumerate(out.hidden_states):
        arrays[f"forward.out.hidden_states.{i}"] = hidden.numpy()
        outputs[f"hidden_states.{i}"] = f"forward.out.hidden_states.{i}"
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / "cases.safetensors")
    cases = [{"name": "forward", "kind": "forward", "inputs": {"input_ids": "forward.in.input_ids"},
              "outputs": outputs, "atol": 5e-4, "rtol": 1e-4},
             {"name": "greedy", "kind": "greedy", "inputs": {"input_ids": "greedy.in.input_ids"},
              "outputs": {"tokens": "greedy.out.tokens"}, "atol": 5e-4, "rtol": 1e-4, "max_new_tokens": 16,
              "eos_token_id": None, "pad_token_id": 0}]
    (folder / "cases.json").write_text(json.dumps(
        {"family": "llama", "reference": "transformers 5.23.0", "task": "causal-lm", "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    packs = pathlib.Path(sys.argv[1])
    make(packs / "llama-gptq", "gptq", 4, 32)
    make(packs / "llama-gptq3", "gptq", 3, -1, v1=False)
    make(packs / "llama-gptq-ordered", "gptq", 4, 32, ordered=True)
    make(packs / "llama-awq", "awq", 4, 16)
