"""Plexus with activations rounded to bytes in products of any number of rows (--compute int8)."""
from . import plexus_peer
from .plexus_peer import load, version  # noqa: F401

# An encoder's take the longest groups that keep MiniLM's embeddings within a cosine of 0.999.
FORMS = {"causal": {"q8": "q8", "q4": "q4"}, "encoder": {"q8": "q8:64"}}
WEIGHTS = {kind: {w: f"{form}, int8 activations" for w, form in forms.items()}
           for kind, forms in FORMS.items()}
REFUSALS = {w: "is for quantized weights" for w in ("f32", "bf16", "file")}


def convert(source, kind, weights, folder):
    return plexus_peer.compiled(source, kind, weights, folder, WEIGHTS[kind][weights], "int8",
                                FORMS[kind][weights])
