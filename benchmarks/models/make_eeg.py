#!/usr/bin/env python3
"""An EEG net of braindecode with its default arguments and random weights: config.json,
model.safetensors and input.safetensors (one window) for Plexus, net.onnx for the others.

    make_eeg.py FOLDER NET [--channels 22] [--samples 1000] [--classes 4]

Needs braindecode, torch, onnxscript and safetensors.
"""
import argparse
import json
import os


def make(name, folder, sizes):
    import braindecode.models
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = getattr(braindecode.models, name)(**sizes).eval()
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({"family": "braindecode", "architecture": name, **sizes}, f)
    x = torch.randn(1, sizes["n_chans"], sizes["n_times"])
    save_file({"x": x}, os.path.join(folder, "input.safetensors"))
    torch.onnx.export(net, x, os.path.join(folder, "net.onnx"), input_names=["x"], dynamo=True,
                      external_data=False)
    # What says that the folder is whole comes last.
    save_file({k: v.contiguous() for k, v in net.state_dict().items()},
              os.path.join(folder, "model.safetensors"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("folder")
    p.add_argument("net")
    p.add_argument("--channels", type=int, default=22)
    p.add_argument("--samples", type=int, default=1000)
    p.add_argument("--classes", type=int, default=4)
    a = p.parse_args()
    make(a.net, a.folder, {"n_chans": a.channels, "n_outputs": a.classes, "n_times": a.samples})


if __name__ == "__main__":
    main()
