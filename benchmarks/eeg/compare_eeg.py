#!/usr/bin/env python3
"""Latency of EEG nets at batch 1 (22 channels, 1000 samples): Plexus, OpenVINO and ONNX Runtime in one run.

    compare_eeg.py --plexus build/bin/plexus --work DIR [--threads 1 2] [--reps 500] [--json OUT]

Needs braindecode, torch, onnxscript, safetensors and the peers that are to be measured. Models have the
library's default arguments and random weights, as a state dict for Plexus and as ONNX for the others.
Prints the median and the 99th percentile in ms, and the ratio of Plexus to the better peer.
"""
import argparse
import json
import os
import subprocess
import sys
import time

NETS = ("EEGNet", "ShallowFBCSPNet", "Deep4Net", "EEGConformer")
SIZES = {"n_chans": 22, "n_outputs": 4, "n_times": 1000}


def make(name, folder):
    """Config, weights, one input and the ONNX file of a net of random weights."""
    import braindecode.models
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = getattr(braindecode.models, name)(**SIZES).eval()
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({"family": "braindecode", "architecture": name, **SIZES}, f)
    save_file({k: v.contiguous() for k, v in net.state_dict().items()},
              os.path.join(folder, "model.safetensors"))
    x = torch.randn(1, SIZES["n_chans"], SIZES["n_times"])
    save_file({"x": x}, os.path.join(folder, "input.safetensors"))
    torch.onnx.export(net, x, os.path.join(folder, "net.onnx"), input_names=["x"], dynamo=True,
                      external_data=False)


def timed(call, reps):
    for _ in range(20):
        call()
    seconds = []
    for _ in range(reps):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def plexus(a, folder, threads):
    out = subprocess.run([a.plexus, "bench", folder, "--inputs",
                          os.path.join(folder, "input.safetensors"), "--reps", str(a.reps),
                          "--threads", str(threads), "--json"], check=True, capture_output=True)
    return find(json.loads(out.stdout), "seconds")


def find(value, key):
    """The first list under `key`."""
    if isinstance(value, dict):
        if isinstance(value.get(key), list):
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            found = find(item, key)
            if found:
                return found
    return None


def onnxruntime(a, folder, threads):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(os.path.join(folder, "net.onnx"), options,
                                   providers=["CPUExecutionProvider"])
    x = load(folder)
    return timed(lambda: session.run(None, {"x": x}), a.reps)


def openvino(a, folder, threads):
    import openvino as ov

    model = ov.Core().compile_model(os.path.join(folder, "net.onnx"), "CPU",
                                    {"INFERENCE_NUM_THREADS": threads,
                                     "PERFORMANCE_HINT": "LATENCY"})
    request, x = model.create_infer_request(), load(folder)
    return timed(lambda: request.infer({0: x}, share_inputs=True), a.reps)


def load(folder):
    from safetensors.numpy import load_file

    return load_file(os.path.join(folder, "input.safetensors"))["x"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--plexus", default="build/bin/plexus")
    p.add_argument("--work", required=True)
    p.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    p.add_argument("--reps", type=int, default=500)
    p.add_argument("--nets", nargs="+", default=list(NETS))
    p.add_argument("--json")
    a = p.parse_args()
    rows = []
    for name in a.nets:
        folder = os.path.join(a.work, name)
        if not os.path.exists(os.path.join(folder, "net.onnx")):
            make(name, folder)
        for threads in a.threads:
            row = {"net": name, "threads": threads}
            for peer in (plexus, openvino, onnxruntime):
                try:
                    seconds = sorted(peer(a, folder, threads))
                    row[peer.__name__] = {"median": seconds[len(seconds) // 2] * 1e3,
                                          "p99": seconds[len(seconds) * 99 // 100] * 1e3}
                except Exception as e:  # a peer that is missing or fails is listed
                    row[peer.__name__] = {"refused": str(e).splitlines()[0]}
            peers = [row[k]["median"] for k in ("openvino", "onnxruntime") if "median" in row[k]]
            if peers and "median" in row["plexus"]:
                row["ratio"] = row["plexus"]["median"] / min(peers)
            rows.append(row)
            print(json.dumps(row))
            sys.stdout.flush()
    if a.json:
        with open(a.json, "w") as f:
            json.dump(rows, f, indent=1)


if __name__ == "__main__":
    main()
