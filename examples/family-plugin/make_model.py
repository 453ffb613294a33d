"""Writes a tiny model of the family "my-family": config.json and model.safetensors.

usage: make_model.py FOLDER

The weights are drawn from a fixed seed: the same model each time, with the standard library alone.
"""
import json
import os
import random
import struct
import sys

HIDDEN, INNER, LAYERS, VOCABULARY = 32, 64, 2, 48


def draw(source, rows, columns, deviation):
    """Numbers of a [rows, columns] matrix, normally distributed."""
    return [rows, columns], [source.gauss(0, deviation) for _ in range(rows * columns)]


def make_weights():
    source = random.Random(1)
    weights = {"embed.weight": draw(source, VOCABULARY, HIDDEN, 1)}
    for layer in range(LAYERS):
        prefix = f"layers.{layer}."
        weights[prefix + "norm.weight"] = [HIDDEN], [1.0] * HIDDEN
        weights[prefix + "up.weight"] = draw(source, INNER, HIDDEN, HIDDEN**-0.5)
        weights[prefix + "down.weight"] = draw(source, HIDDEN, INNER, 2 * INNER**-0.5)
    return weights


def write_safetensors(path, weights):
    """A length (u64), a JSON header of that length, then the numbers, all little-endian."""
    header, data = {}, b""
    for name, (shape, numbers) in weights.items():
        begin = len(data)
        data += struct.pack(f"<{len(numbers)}f", *numbers)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + data)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_model.py FOLDER")
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    config = {
        "model_type": "my-family",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 256,
        "eos_token_id": 0,
    }
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as out:
        json.dump(config, out, indent=2)
    write_safetensors(os.path.join(folder, "model.safetensors"), make_weights())


if __name__ == "__main__":
    main()
