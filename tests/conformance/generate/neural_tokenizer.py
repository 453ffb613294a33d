#!/usr/bin/env python3
"""Writes the packs neural-tokenizer (one codebook, by angle) and neural-tokenizer-rvq (a cascade of three, by
distance): random weights, and results of plain formulas in float64.
usage: neural_tokenizer.py FOLDER (needs numpy, torch, safetensors)
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

VQ = {"family": "neural-tokenizer", "channels": 5, "patches": 4, "patch_size": 50, "d_model": 56,
      "conv_filters": [8, 8], "conv_kernels": [15, 3], "conv_strides": [8, 1], "conv_paddings": [7, 1],
      "norm_groups": 4, "activation": "gelu_erf", "layers": 2, "heads": 4, "layer_norm_eps": 1e-6,
      "group_norm_eps": 1e-5, "head_activation": "tanh", "code_dim": 16, "codes": 64, "distance": "cosine"}
VQ_WEIGHTS = {"summary": True, "embeds": True, "gammas": True, "qkv_bias": False, "project": False}
RVQ = {"family": "neural-tokenizer", "channels": 3, "patches": 2, "patch_size": 64, "d_model": 24,
       "conv_filters": [6], "conv_kernels": [9], "conv_strides": [4], "norm_groups": 0, "activation": "silu", "layers": 1,
       "heads": 3, "head_activation": "gelu_erf", "code_dim": 12, "codes": 32, "codebooks": 3,
       "distance": "euclidean"}
RVQ_WEIGHTS = {"summary": False, "embeds": False, "gammas": False, "qkv_bias": True, "project": True}
ACTIVATIONS = {"gelu_erf": F.gelu, "silu": F.silu, "tanh": torch.tanh}


def convolutions(c):
    """(filters, kernel, stride, padding) of each."""
    count = len(c["conv_filters"])
    return list(zip(c["conv_filters"], c["conv_kernels"], c.get("conv_strides", [1] * count),
                    c.get("conv_paddings", [0] * count)))


def sizes(c):
    length = c["patch_size"]
    for filters, kernel, stride, padding in convolutions(c):
        length = (length + 2 * padding - kernel) // stride + 1
    return length * filters


def weights(c, has, seed):
    g = torch.Generator().manual_seed(seed)
    w = {}

    def make(name, *shape, scale=None, mean=0.0):
        scale = scale or 1 / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 4 * shape[0])
        w[name] = (mean + scale * torch.randn(*shape, generator=g)).float()

    def layer(name, outputs, inputs):
        make(name + ".weight", outputs, inputs)
        make(name + ".bias", outputs)

    def norm(name, width):
        make(name + ".weight", width, scale=0.1, mean=1.0)
        make(name + ".bias", width, scale=0.1)

    inputs, d = 1, c["d_model"]
    for i, (filters, kernel, _, _) in enumerate(convolutions(c)):
        make(f"patch.{i}.conv.weight", filters, inputs, 1, kernel)
        make(f"patch.{i}.conv.bias", filters)
        inputs = filters
        if c["norm_groups"]:
            norm(f"patch.{i}.norm", inputs)
    if has["project"]:
        layer("patch_proj", d, sizes(c))
    if has["embeds"]:
        make("channel_embed", c["channels"], d, scale=0.3)
        make("time_embed", c["patches"], d, scale=0.3)
    if has["summary"]:
        make("summary_token", d, scale=0.5)
    for i in range(c["layers"]):
        p = f"blocks.{i}."
        norm(p + "norm1", d)
        norm(p + "norm2", d)
        make(p + "attn.in_proj_weight", 3 * d, d)
        if has["qkv_bias"]:
            make(p + "attn.in_proj_bias", 3 * d)
        layer(p + "attn.out_proj", d, d)
        layer(p + "linear1", 2 * d, d)
        layer(p + "linear2", d, 2 * d)
        if has["gammas"]:
            make(p + "gamma1", d, scale=0.2, mean=0.5)
            make(p + "gamma2", d, scale=0.2, mean=0.5)
    norm("norm", d)
    layer("head.0", d, d)
    layer("head.1", c["code_dim"], d)
    make("codebooks", c.get("codebooks", 1), c["codes"], c["code_dim"], scale=0.5)
    return w


def encode(c, w, x):
    """Windows [N, channels, samples] to what the codebooks see [N, tokens, code_dim]."""
    act, d, eps = ACTIVATIONS[c["activation"]], c["d_model"], c.get("layer_norm_eps", 1e-5)
    affine = lambda v, name: v @ w[name + ".weight"].T + w[name + ".bias"]
    norm = lambda v, name: F.layer_norm(v, (d,), w[name + ".weight"], w[name + ".bias"], eps)
    n, tokens = x.shape[0], c["channels"] * c["patches"]
    v = x.reshape(n, 1, tokens, c["patch_size"])
    for i, (_, _, stride, padding) in enumerate(convolutions(c)):
        p = f"patch.{i}."
        v = F.conv2d(v, w[p + "conv.weight"], w[p + "conv.bias"], stride=(1, stride), padding=(0, padding))
        if c["norm_groups"]:
            v = F.group_norm(v, c["norm_groups"], w[p + "norm.weight"], w[p + "norm.bias"], c["group_norm_eps"])
        v = act(v)
    v = v.permute(0, 2, 3, 1).reshape(n, tokens, -1)
    if "patch_proj.weight" in w:
        v = affine(v, "patch_proj")
    if "channel_embed" in w:
        v = v + (w["channel_embed"][:, None, :] + w["time_embed"][None, :, :]).reshape(tokens, d)
    if "summary_token" in w:
        v = torch.cat([w["summary_token"].expand(n, 1, d), v], 1)
    for i in range(c["layers"]):
        p = f"blocks.{i}."
        inner = norm(v, p + "norm1") @ w[p + "attn.in_proj_weight"].T
        if p + "attn.in_proj_bias" in w:
            inner = inner + w[p + "attn.in_proj_bias"]
        q, k, u = (part.reshape(n, -1, c["heads"], d // c["heads"]).transpose(1, 2) for part in inner.split(d, -1))
        mixed = torch.softmax(q @ k.transpose(2, 3) / np.sqrt(d // c["heads"]), -1) @ u
        v = v + affine(mixed.transpose(1, 2).reshape(n, -1, d), p + "attn.out_proj") * w.get(p + "gamma1", 1.0)
        v = v + affine(act(affine(norm(v, p + "norm2"), p + "linear1")), p + "linear2") * w.get(p + "gamma2", 1.0)
    v = norm(v, "norm")[:, -tokens:]
    return affine(ACTIVATIONS[c["head_activation"]](affine(v, "head.0")), "head.1")


def quantize(c, books, z):
    """Codes, their sum, and by how much the nearest is nearer than the next."""
    rest, total, codes, margin = z, torch.zeros_like(z), [], np.inf
    for book in books:
        if c["distance"] == "cosine":
            score = F.normalize(rest, dim=-1) @ F.normalize(book, dim=-1).T
        else:
            score = -((rest[..., None, :] - book) ** 2).sum(-1)
        best = score.topk(2, -1)
        margin = min(margin, float((best.values[..., 0] - best.values[..., 1]).min()))
        codes.append(best.indices[..., 0])
        total, rest = total + book[codes[-1]], rest - book[codes[-1]]
    return torch.stack(codes, -1), total, margin


def write(folder, c, has):
    for seed in range(1000):
        w = weights(c, has, seed)
        exact = {name: value.double() for name, value in w.items()}
        g = torch.Generator().manual_seed(seed)
        cases, tensors, margin = [], {}, np.inf
        for name, n in (("one", 1), ("three", 3)):
            x = torch.randn(n, c["channels"], c["patches"] * c["patch_size"], generator=g).float()
            codes, total, least = quantize(c, exact["codebooks"], encode(c, exact, x.double()))
            margin = min(margin, least)
            shape = (n, c["channels"], c["patches"], -1)
            tensors[f"{name}.in.x"] = x.numpy()
            tensors[f"{name}.out.codes"] = codes.reshape(shape).int().numpy()
            tensors[f"{name}.out.quantized"] = total.reshape(shape).float().numpy()
            cases.append({"name": name, "kind": "forward", "inputs": {"x": f"{name}.in.x"},
                          "outputs": {"codes": f"{name}.out.codes", "quantized": f"{name}.out.quantized"},
                          "atol": 1e-4, "rtol": 1e-3})
        if margin > 2e-3:  # Codes that rounding cannot change.
            break
    model = folder / "model"
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text(json.dumps(c, indent=1) + "\n")
    save_file({name: value.numpy() for name, value in w.items()}, model / "model.safetensors")
    save_file(tensors, folder / "cases.safetensors")
    (folder / "cases.json").write_text(json.dumps(
        {"family": "neural-tokenizer", "reference": "plain formulas in float64 (after Jiang et al. 2024, LaBraM)",
         "task": "graph", "cases": cases}, indent=1) + "\n")
    print(folder.name, "seed", seed, "margin", margin)


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    write(out / "neural-tokenizer", VQ, VQ_WEIGHTS)
    write(out / "neural-tokenizer-rvq", RVQ, RVQ_WEIGHTS)
