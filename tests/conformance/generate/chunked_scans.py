#!/usr/bin/env python3
"""Writes packs whose states are large enough to run in chunks, of random weights, with the logits and
ids of transformers: ssm-mamba2-chunks (3 heads a group, heads of 72 columns) and ssm-qwen3-next-chunks.

    chunked_scans.py OUT      (needs torch, transformers, safetensors)
"""
import json
import os
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import Mamba2Config, Mamba2ForCausalLM, Qwen3NextConfig, Qwen3NextForCausalLM

VOCAB = 96


def mamba2():
    return Mamba2ForCausalLM(Mamba2Config(
        vocab_size=VOCAB, hidden_size=54, num_heads=3, head_dim=72, expand=4, n_groups=1, state_size=64,
        num_hidden_layers=2, conv_kernel=4, chunk_size=8, tie_word_embeddings=False, initializer_range=0.1,
        time_step_rank=2, bos_token_id=1, eos_token_id=2, pad_token_id=0))


def qwen3_next():
    return Qwen3NextForCausalLM(Qwen3NextConfig(
        vocab_size=VOCAB, hidden_size=48, intermediate_size=48, num_hidden_layers=3,
        layer_types=["linear_attention", "linear_attention", "full_attention"], num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, linear_num_key_heads=2, linear_num_value_heads=4,
        linear_key_head_dim=96, linear_value_head_dim=48, linear_conv_kernel_dim=4, mlp_only_layers=[0, 1, 2],
        num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24, shared_expert_intermediate_size=24,
        max_position_embeddings=256, initializer_range=0.1, tie_word_embeddings=False))


def randomize(model):
    """Away from what initialisation leaves equal."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith(("dt_bias", "conv1d.bias", ".D")):
                p.add_(0.3 * noise)
            elif p.dim() == 1 and not name.endswith("A_log"):
                p.add_(0.1 * noise)


def write(out, family, model):
    torch.manual_seed(1)
    randomize(model)
    model.eval()
    model.save_pretrained(os.path.join(out, "model"))
    tensors, cases = {}, []
    run = lambda ids: model(input_ids=ids).logits.detach()

    def case(name, kind, ids, **more):
        tensors[f"{name}.in.input_ids"] = ids
        made = dict(name=name, kind=kind, inputs={"input_ids": f"{name}.in.input_ids"}, **more)
        if kind != "greedy":
            made["outputs"] = {"logits": f"{name}.out.logits"}
            tensors[f"{name}.out.logits"] = run(ids)
        cases.append(made)
        return made

    close = dict(atol=5e-4, rtol=2e-4)
    case("forward75", "forward", torch.randint(3, VOCAB, (1, 75)), **close)
    case("forward_batch", "forward", torch.randint(3, VOCAB, (2, 33)), **close)
    case("chunked", "chunked", torch.randint(3, VOCAB, (1, 70)), pieces=[20, 1, 33, 16], **close)
    ids = torch.randint(3, VOCAB, (1, 40))
    greedy = case("greedy24", "greedy", ids, atol=0, rtol=0, max_new_tokens=24, ignore_eos=True)
    margin = float("inf")
    for _ in range(24):
        best = run(ids)[0, -1].topk(2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        ids = torch.cat([ids, best.indices[:1].reshape(1, 1)], 1)
    greedy.update(outputs={"tokens": "greedy24.out.tokens"}, min_margin=margin)
    tensors["greedy24.out.tokens"] = ids[:, 40:].clone()
    save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(out, "cases.safetensors"))
    with open(os.path.join(out, "cases.json"), "w") as f:
        json.dump(dict(family=family, reference=f"transformers {transformers.__version__}", task="causal-lm",
                       source="transformers", cases=cases), f, indent=1)


def main():
    torch.manual_seed(0)
    for family, build in [("mamba2", mamba2), ("qwen3_next", qwen3_next)]:
        out = os.path.join(sys.argv[1], f"ssm-{family.replace('_', '-')}-chunks")
        os.makedirs(out, exist_ok=True)
        write(out, family, build())


if __name__ == "__main__":
    main()
