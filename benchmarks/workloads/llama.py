"""A Llama-shaped model of 0.34 billion weights: decode, prefill, several sequences together."""
from . import Workload, causal, causal_room, model


def add_options(parser):
    parser.add_argument("--llama", type=str.split, default=[],
                        help="options of models/make_llama.py")


def make(a):
    return [Workload("llama", "causal", model(a, "llama", "BF16", a.llama), a.weights, causal(a),
                     causal_room(a), max(a.together, 1), 16)]
