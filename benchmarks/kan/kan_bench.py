#!/usr/bin/env python3
"""Networks of cubic splines (grid 5) in Plexus, torch.compile, ONNX Runtime, OpenVINO and the form of
pykan: seconds of a run at batch 1 and 256, in turns in one process each, with ratios.

  kan_bench.py [--plexus build/bin/plexus] [--threads N] [--turns N] [--json FILE]

The networks are [784, 64, 10] and [64, 64, 64, 64], with random weights. The torch module is that of
the efficient implementations: all splines of a layer, then one product. pykan's form evaluates each
edge on its own before it sums, as its KANLayer does.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import numpy
import torch
from safetensors.numpy import save_file

NETWORKS = {"784-64-10": [784, 64, 10], "64-64-64-64": [64, 64, 64, 64]}
BATCHES = (1, 256)
ORDER, GRID = 3, 5
PYKAN = "pykan's form"


class Layer(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        step = 2.0 / GRID
        knots = torch.arange(-ORDER, GRID + ORDER + 1) * step - 1
        self.register_buffer("grid", knots.expand(inputs, -1).contiguous())
        self.base_weight = torch.nn.Parameter(torch.randn(outputs, inputs) / inputs ** 0.5)
        self.spline_weight = torch.nn.Parameter(
            torch.randn(outputs, inputs, GRID + ORDER) / inputs ** 0.5)

    def splines(self, x):
        x, t = x.unsqueeze(-1), self.grid
        b = ((x >= t[:, :-1]) & (x < t[:, 1:])).to(x.dtype)
        for k in range(1, ORDER + 1):
            b = ((x - t[:, : -(k + 1)]) / (t[:, k:-1] - t[:, : -(k + 1)]) * b[:, :, :-1]
                 + (t[:, k + 1:] - x) / (t[:, k + 1:] - t[:, 1:-k]) * b[:, :, 1:])
        return b

    def forward(self, x):
        base = torch.nn.functional.linear(torch.nn.functional.silu(x), self.base_weight)
        splines = self.splines(x).flatten(1)
        return base + torch.nn.functional.linear(splines, self.spline_weight.flatten(1))

    def edges(self, x):
        """As pykan: [batch, in, out] of edges, then their sum."""
        y = torch.einsum("bij,oij->bio", self.splines(x), self.spline_weight)
        y = y + torch.nn.functional.silu(x)[:, :, None] * self.base_weight.T[None]
        return y.sum(1)


def plexus_model(folder, network):
    layers, tensors = [], {}
    for l, layer in enumerate(network):
        outputs, inputs = layer.base_weight.shape
        layers.append({"in": inputs, "out": outputs, "basis": "bspline", "order": ORDER,
                       "grid": GRID})
        for name, value in layer.state_dict().items():
            tensors[f"layers.{l}.{name}"] = numpy.ascontiguousarray(value.numpy())
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"family": "kan", "basis": "bspline", "layers": layers}, file)
    save_file(tensors, os.path.join(folder, "model.safetensors"))


def seconds(run, budget=0.4):
    """The median of calls that take some `budget` seconds together."""
    for _ in range(3):
        run()
    times, end = [], time.perf_counter() + budget
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peers(network, x, folder, threads):
    """Name to a function that runs it once."""
    import onnxruntime
    import openvino

    given = torch.from_numpy(x)
    onnx = os.path.join(folder, f"model{x.shape[0]}.onnx")
    torch.onnx.export(network, (given,), onnx, input_names=["x"], output_names=["y"], dynamo=True,
                      verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    compiled = openvino.Core().compile_model(onnx, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    tensor = openvino.Tensor(x, shared_memory=True)
    fast = torch.compile(network)

    def pykan():
        y = given
        for layer in network:
            y = layer.edges(y)
        return y

    return {"torch.compile": lambda: fast(given), "onnxruntime": lambda: session.run(None, {"x": x}),
            "openvino": lambda: request.infer({0: tensor}), PYKAN: pykan}


def plexus_seconds(command, artifact, inputs, threads):
    done = subprocess.run([command, "bench", artifact, "--inputs", inputs, "--threads", str(threads),
                           "--reps", "200", "--json"], capture_output=True, text=True, check=True)
    return statistics.median(json.loads(done.stdout)["run"]["seconds"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plexus", default="build/bin/plexus")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    rows = []
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for name, sizes in NETWORKS.items():
            network = torch.nn.Sequential(*(Layer(a, b) for a, b in zip(sizes, sizes[1:]))).eval()
            plexus_model(os.path.join(folder, name), network)
            artifact = os.path.join(folder, name + ".plx")
            subprocess.run([arguments.plexus, "compile", os.path.join(folder, name), "-o", artifact],
                           check=True, capture_output=True)
            for batch in BATCHES:
                x = numpy.random.default_rng(0).uniform(-1, 1, (batch, sizes[0])).astype("f4")
                inputs = os.path.join(folder, "x.safetensors")
                save_file({"x": x}, inputs)
                others = peers(network, x, folder, arguments.threads)
                times = {}
                for _ in range(arguments.turns):
                    for peer, run in others.items():
                        times.setdefault(peer, []).append(seconds(run))
                    times.setdefault("plexus", []).append(
                        plexus_seconds(arguments.plexus, artifact, inputs, arguments.threads))
                best = {peer: min(values) for peer, values in times.items()}
                rows.append({"network": name, "batch": batch, "threads": arguments.threads,
                             "seconds": best})
                fastest = min(best["torch.compile"], best["onnxruntime"], best["openvino"])
                print(f"{name} batch {batch}: "
                      + ", ".join(f"{peer} {1e3 * value:.4f} ms" for peer, value in best.items())
                      + f"; the best peer takes {fastest / best['plexus']:.1f}x, pykan's form "
                      f"{best[PYKAN] / best['plexus']:.1f}x",
                      flush=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
