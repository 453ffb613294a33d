"""Plexus with activations rounded to bytes in products of any number of rows (--compute int8)."""
from . import plexus_peer
from .plexus_peer import load, version  # noqa: F401

FORMS = {"q8": "q8", "q4": "q4"}
WEIGHTS = {"causal": {w: f"{w}, int8 activations" for w in FORMS},
           "encoder": {"q8": "q8, int8 activations"}}
REFUSALS = {w: "is for quantized weights" for w in ("f32", "bf16", "file")}


def convert(source, kind, weights, folder):
    return plexus_peer.compiled(source, kind, weights, folder, WEIGHTS[kind][weights], "int8")
