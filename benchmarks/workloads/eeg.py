"""EEG nets of braindecode at batch 1. Percentiles of single calls: eeg/compare_eeg.py."""
import os
import subprocess
import sys

from . import MODELS, Measure, Workload

NETS = ("EEGNet", "ShallowFBCSPNet", "Deep4Net", "EEGConformer")


def add_options(parser):
    parser.add_argument("--nets", type=lambda text: text.split(","), default=list(NETS))
    parser.add_argument("--windows", type=int, default=200, help="windows of EEG in one turn")


def net(a, name):
    """Its folder, made by the environment that has braindecode if it is not there."""
    folder = os.path.join(a.work, "eeg-" + name)
    if not os.path.exists(os.path.join(folder, "model.safetensors")):
        subprocess.run([a.python, os.path.join(MODELS, "make_eeg.py"), folder, name], check=True)
    return folder


def make(a):
    peers = ["plexus", "openvino", "onnxruntime", "torch"]
    made = []
    for name in a.nets:
        try:
            made.append(Workload(name, "net", net(a, name), ["f32"],
                                 {"windows": Measure("windows", [a.windows], a.windows)},
                                 peers=peers))
        except subprocess.CalledProcessError:
            print(f"{name} is left out: {a.python} has no braindecode to make it with",
                  file=sys.stderr)
    return made
