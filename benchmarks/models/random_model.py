"""Writes a model directory of random weights: config.json and model.safetensors.

Speed does not depend on the values, so one block of normal numbers is repeated; each tensor begins
elsewhere in it, because some exporters store equal tensors once, and then read them from cache.
Needs the standard library only.
"""
import argparse
import json
import os
import random
import struct

WIDTH = {"BF16": 2, "F32": 4}
CONFIG_DTYPE = {"BF16": "bfloat16", "F32": "float32"}


def parse(doc, sizes):
    """Arguments OUT, --dtype and one option for each of `sizes` (name: default)."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("out")
    for name, value in sizes.items():
        p.add_argument("--" + name.replace("_", "-"), type=int, default=value)
    p.add_argument("--dtype", default="BF16", choices=list(WIDTH))
    return p.parse_args()


def noise(dtype, count=1 << 16):
    rng = random.Random(1)
    values = struct.pack(f"<{count}f", *(rng.gauss(0.0, 0.02) for _ in range(count)))
    if dtype == "F32":
        return values
    return b"".join(values[i + 2 : i + 4] for i in range(0, len(values), 4))


def write(folder, config, tensors, dtype):
    """`tensors`: (name, shape) pairs in the order of the file."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config | {"dtype": CONFIG_DTYPE[dtype]}, f, indent=1)
    header, offset = {}, 0
    for name, shape in tensors:
        size = WIDTH[dtype]
        for d in shape:
            size *= d
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps({"__metadata__": {"format": "pt"}} | header).encode()
    text += b" " * (-len(text) % 8)
    block = noise(dtype)
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for number, info in enumerate(header.values()):
            at = number * 1042 * WIDTH[dtype] % len(block)
            own = block[at:] + block[:at]
            left = info["data_offsets"][1] - info["data_offsets"][0]
            while left:
                left -= f.write(own[:left])
