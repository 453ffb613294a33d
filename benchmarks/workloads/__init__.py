"""What compare.py measures: one module a family of models, found by their being in this folder.

A module has
    add_options(parser)   its command line options
    make(a)               [Workload] for the parsed options; makes models that are missing
and may use model() below for models of random weights.
"""
import importlib
import os
import subprocess
import sys
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(os.path.dirname(HERE), "models")


@dataclass
class Measure:
    """One thing that is timed: a method of the peers' handles (peers/__init__.py), its arguments,
    and how many tokens (or examples) it works on. `bound`: the ceiling that its rate is compared
    with: "read" (bytes a token), "bf16", "f32" or "u8s8" (products), or none. Of `shared` tokens
    that run together weights are read once."""

    call: str
    arguments: list
    tokens: int
    bound: str = ""
    shared: int = 1


@dataclass
class Workload:
    """What is measured on one model. `kind` is what peers choose their way of running by."""

    name: str
    kind: str
    source: str
    classes: list  # weight classes
    measures: dict  # name: Measure
    context: int = 0  # tokens that a handle must have room for
    sequences: int = 1  # of as many sequences
    prompt: int = 0  # ids of the prompt whose first token is timed from a cold process; 0: none
    rounds: int = 0  # at most so many; 0: as the command line says
    peers: list = field(default_factory=list)  # those that make sense; empty: all


def families():
    """{name: module} of this folder."""
    names = sorted(f[:-3] for f in os.listdir(HERE) if f.endswith(".py") and f[0] != "_")
    return {name: importlib.import_module("workloads." + name) for name in names}


def model(a, family, dtype, sizes):
    """The folder of a model that models/make_FAMILY.py writes, made if it is not there."""
    folder = os.path.join(a.work, "-".join([family, dtype.lower(), *sizes]).replace("--", ""))
    if not os.path.exists(os.path.join(folder, "model.safetensors")):
        subprocess.run([sys.executable, os.path.join(MODELS, f"make_{family}.py"), folder,
                        "--dtype", dtype, *sizes], check=True)
    return folder


def causal(a):
    """Measures of a model that continues text, by the options of compare.py."""
    out = {}
    for context in a.context:
        out[f"decode at {context}"] = Measure("decode", [context, a.decode], a.decode, "read")
    for length in a.prefill:
        out[f"prefill {length}"] = Measure("prefill", [length], length, "bf16")
    if a.together > 1:
        out[f"{a.together} together at {a.context[0]}"] = Measure(
            "together", [a.together, a.context[0], a.decode], a.together * a.decode, "read",
            a.together)
    return out


def causal_room(a):
    return max([*a.prefill, *(c + a.decode for c in a.context)]) + 8
