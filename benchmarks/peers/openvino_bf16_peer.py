"""OpenVINO with activations as bf16. By itself it rounds those of 8- and 4-bit weights to bytes, in
groups (dynamic quantization): what `plexus int8` is to be compared with, not `plexus`."""
import dataclasses

from . import openvino_peer
from .openvino_peer import load, version  # noqa: F401

WEIGHTS = {"causal": {w: f"{openvino_peer.WEIGHTS['causal'][w]}, {openvino_peer.FLOATS}"
                      for w in ("q8", "q4")}}
REFUSALS = {w: "is what openvino does" for w in ("f32", "bf16", "file")}


def convert(source, kind, weights, folder):
    built = openvino_peer.convert(source, kind, weights, folder)
    return dataclasses.replace(built, stored=WEIGHTS[kind][weights])
