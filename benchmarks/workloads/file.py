"""A GGUF file or a model directory with the weights that it has."""
import os

from . import Workload, causal, causal_room


def add_options(parser):
    parser.add_argument("--file", default="", help="a GGUF file or a model directory")


def make(a):
    if not a.file:
        return []
    return [Workload("file", "causal", os.path.abspath(a.file), ["file"], causal(a),
                     causal_room(a), max(a.together, 1), 16)]
