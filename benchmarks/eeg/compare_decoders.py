#!/usr/bin/env python3
"""Decoders with layers of subjects or days beside torch, in turns in one run.

    compare_decoders.py --plexus build/bin/plexus --work DIR [--threads 1] [--reps 7] [--rounds 3]

The BrainModule at the size of its paper (273 sensors, 270 virtual and 320 hidden channels, 5 blocks, 27
subjects; 360 samples) and the GRU speech decoder at that of its own (256 channels, 5 layers of 512, 24
days, frames of 14 samples, one each 4; 1000 samples), both with random weights and one recording. Needs
torch and safetensors. Prints medians in ms, the largest difference of the outputs, and torch / Plexus.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import time

import torch
from safetensors.torch import load_file, save_file

F = torch.nn.functional
BRAIN = {"family": "brainmodule", "harmonics": 32, "virtual_channels": 270, "hidden": 320,
         "blocks": 5, "outputs": 1024, "subjects": 27, "batch_norm_eps": 1e-5}
SPEECH = {"family": "speech-gru", "channels": 256, "hidden": 512, "layers": 5, "days": 24,
          "kernel": 14, "stride": 4, "classes": 41, "blank": 0, "bidirectional": False,
          "activation": "softsign"}


def brain_weights(c):
    k, v, h = c["harmonics"], c["virtual_channels"], c["hidden"]
    w = {"subject": torch.randn(c["subjects"], v, v) / math.sqrt(v)}

    def conv(name, out, inner, taps):
        w[name + ".weight"] = torch.randn(out, inner, taps) / math.sqrt(inner * taps)
        w[name + ".bias"] = torch.randn(out) / 10
    for wave in ("cos", "sin"):
        w["attention." + wave] = torch.randn(v, k, k) / k
    conv("initial", v, v, 1)
    for b in range(c["blocks"]):
        for i in range(2):
            conv(f"blocks.{b}.{i}.conv", h, v if b == i == 0 else h, 3)
            bn = f"blocks.{b}.{i}.bn."
            w.update({bn + "weight": torch.ones(h), bn + "bias": torch.randn(h) / 10,
                      bn + "running_mean": torch.randn(h) / 10, bn + "running_var": torch.ones(h)})
        conv(f"blocks.{b}.2.conv", 2 * h, h, 3)
    conv("head.0", 2 * h, h, 1)
    conv("head.1", c["outputs"], 2 * h, 1)
    inputs = {"x": torch.randn(1, 273, 360), "positions": torch.rand(273, 2),
              "subject": torch.tensor([3])}
    return w, inputs


def brain_module(c, w, i):
    k = torch.arange(c["harmonics"], dtype=torch.float32)
    u, v = i["positions"][:, 0, None, None], i["positions"][:, 1, None, None]
    phase = (2 * math.pi * (k[None, :, None] * u + k[None, None, :] * v)).flatten(1)
    scores = (w["attention.cos"].flatten(1) @ phase.cos().T +
              w["attention.sin"].flatten(1) @ phase.sin().T)
    x = torch.softmax(scores, 1) @ i["x"]
    x = F.conv1d(x, w["initial.weight"], w["initial.bias"])
    x = torch.einsum("bit,bio->bot", x, w["subject"][i["subject"]])
    for b in range(c["blocks"]):
        for j in range(2):
            p, d = f"blocks.{b}.{j}.", 2 ** ((2 * b + j) % 5)
            y = F.conv1d(x, w[p + "conv.weight"], w[p + "conv.bias"], dilation=d, padding=d)
            y = F.gelu(F.batch_norm(y, w[p + "bn.running_mean"], w[p + "bn.running_var"],
                                    w[p + "bn.weight"], w[p + "bn.bias"], eps=1e-5))
            x = y if b == j == 0 else x + y
        p = f"blocks.{b}.2.conv."
        x = F.glu(F.conv1d(x, w[p + "weight"], w[p + "bias"], dilation=2, padding=2), 1)
    x = F.gelu(F.conv1d(x, w["head.0.weight"], w["head.0.bias"]))
    return F.conv1d(x, w["head.1.weight"], w["head.1.bias"])


def speech_weights(c):
    n, h = c["channels"], c["hidden"]
    gru = torch.nn.GRU(c["kernel"] * n, h, c["layers"])
    w = {"gru." + name: p.detach() for name, p in gru.named_parameters()}
    w.update({"day_weights": torch.randn(c["days"], n, n) / math.sqrt(n),
              "day_bias": torch.randn(c["days"], 1, n) / 10, "h0": torch.randn(c["layers"], 1, h),
              "out.weight": torch.randn(c["classes"], h), "out.bias": torch.randn(c["classes"])})
    return w, {"x": torch.randn(1, 1000, n), "day": torch.tensor([5])}


def speech_gru(c, w, i, cache={}):
    if "gru" not in cache:
        cache["gru"] = torch.nn.GRU(c["kernel"] * c["channels"], c["hidden"], c["layers"],
                                    batch_first=True)
        cache["gru"].load_state_dict({k[4:]: v for k, v in w.items() if k.startswith("gru.")})
    x = F.softsign(i["x"] @ w["day_weights"][i["day"]] + w["day_bias"][i["day"]])
    frames = x.unfold(1, c["kernel"], c["stride"]).transpose(2, 3).flatten(2)
    y, _ = cache["gru"](frames, w["h0"])
    return y @ w["out.weight"].T + w["out.bias"]


MODELS = {"brainmodule": (BRAIN, brain_weights, brain_module, "y"),
          "speech-gru": (SPEECH, speech_weights, speech_gru, "logits")}


def make(folder, config, weights):
    torch.manual_seed(0)
    os.makedirs(folder, exist_ok=True)
    tensors, inputs = weights(config)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)
    save_file({k: v.contiguous() for k, v in tensors.items()},
              os.path.join(folder, "model.safetensors"))
    save_file(inputs, os.path.join(folder, "input.safetensors"))
    return tensors, inputs


def bench(a, artifact, folder):
    out = subprocess.run([a.plexus, "bench", artifact, "--threads", str(a.threads), "--inputs",
                          os.path.join(folder, "input.safetensors"), "--reps", str(a.reps),
                          "--json"], check=True, capture_output=True)
    return 1e3 * statistics.median(find(json.loads(out.stdout), "seconds"))


def find(value, key):
    """The first list under `key`."""
    if isinstance(value, dict) and isinstance(value.get(key), list):
        return value[key]
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list)):
            if found := find(item, key):
                return found
    return None


def timed(call, reps):
    seconds = []
    for _ in range(reps + 1):  # the first one is not counted
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return 1e3 * statistics.median(seconds[1:])


def compare(a, name):
    config, weights, forward, output = MODELS[name]
    folder = os.path.join(a.work, name)
    artifact, outputs = folder + ".plx", os.path.join(folder, "output.safetensors")
    tensors, inputs = make(folder, config, weights)
    subprocess.run([a.plexus, "compile", folder, "-o", artifact], check=True, capture_output=True)
    subprocess.run([a.plexus, "run", artifact, "--inputs",
                    os.path.join(folder, "input.safetensors"), "--outputs", outputs],
                   check=True, capture_output=True)
    expected = forward(config, tensors, inputs)
    error = (load_file(outputs)[output] - expected).abs().max() / expected.abs().max()
    rounds = [(bench(a, artifact, folder),
               timed(lambda: forward(config, tensors, inputs), a.reps)) for _ in range(a.rounds)]
    plexus, peer = (statistics.median(r[i] for r in rounds) for i in range(2))
    print(f"{name:12} plexus {plexus:8.2f} ms, torch {peer:8.2f} ms: {peer / plexus:.2f}, "
          f"largest difference {error:.1e} of the largest output", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--plexus", default="build/bin/plexus")
    p.add_argument("--work", required=True)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--reps", type=int, default=7)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--models", nargs="+", default=list(MODELS))
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    with torch.inference_mode():
        for name in a.models:
            compare(a, name)


if __name__ == "__main__":
    main()
