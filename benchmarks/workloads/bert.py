"""A BERT-base-shaped encoder."""
from . import Measure, Workload, model


def add_options(parser):
    parser.add_argument("--bert", type=str.split, default=[], help="options of models/make_bert.py")
    parser.add_argument("--length", type=int, default=128, help="ids of a text of the encoder")
    parser.add_argument("--batches", type=lambda text: [int(n) for n in text.split(",")],
                        default=[1, 8])


def make(a):
    bounds = {"f32": "f32", "bf16": "bf16", "q8": "u8s8"}
    return [Workload("bert", "encoder", model(a, "bert", "F32", a.bert), [weights],
                     {f"{batch} x {a.length}": Measure("encode", [batch, a.length],
                                                       batch * a.length, bounds[weights])
                      for batch in a.batches})
            for weights in a.weights if weights in bounds]
