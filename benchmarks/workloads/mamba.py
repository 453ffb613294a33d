"""A Mamba-shaped model of 130 million weights: decode (its state has one size: there is no context to
grow) and prefill. torch runs transformers' sequential path, which is the one for processors."""
from . import Measure, Workload, model

CONTEXT = 16  # ids before the steps of a decode


def add_options(parser):
    parser.add_argument("--mamba", type=str.split, default=[],
                        help="options of models/make_mamba.py")


def make(a):
    measures = {"decode": Measure("decode", [CONTEXT, a.decode], a.decode, "read")}
    for length in a.prefill:
        measures[f"prefill {length}"] = Measure("prefill", [length], length, "bf16")
    room = max([*a.prefill, CONTEXT + a.decode]) + 8
    return [Workload("mamba", "causal", model(a, "mamba", "BF16", a.mamba), a.weights, measures,
                     room, peers=["plexus", "plexus int8", "llama.cpp", "torch"])]
