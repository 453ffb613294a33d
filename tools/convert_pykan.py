#!/usr/bin/env python3
"""Converts a checkpoint of pykan (what KAN.saveckpt('PATH') writes) to a model directory for plexus.

  convert_pykan.py PATH DIRECTORY [--input-id 0,2,3]

Reads PATH_config.yml and PATH_state; needs torch, pyyaml, numpy and safetensors. Writes config.json (family kan,
basis bspline-pykan) and model.safetensors. Columns that pruning dropped from the input are not in a
checkpoint: --input-id names those that are left, as model.input_id has them.
"""
import argparse
import json
import os
import sys

import numpy
import torch
import yaml
from safetensors.numpy import save_file


def one_arity(arity, layer):
    """pykan allows an arity for each node; here a layer has one."""
    if isinstance(arity, int):
        return arity
    found = set(arity[layer + 1])
    if len(found) > 1:
        sys.exit(f"layer {layer} has multiplication nodes of several arities, {sorted(found)}; "
                 "one for all of a layer can be converted")
    return found.pop() if found else 2


def convert(path, directory, input_id):
    with open(path + "_config.yml", encoding="utf-8") as file:
        config = yaml.safe_load(file)
    state = torch.load(path + "_state", map_location="cpu", weights_only=True)

    def tensor(*names):
        for name in names:
            if name in state:
                return numpy.ascontiguousarray(state[name].detach().to(torch.float32).numpy())
        sys.exit(f"{path}_state has none of {', '.join(names)}")

    def nodes(width):
        return width if isinstance(width, list) else [width, 0]

    layers, tensors = [], {}
    for l in range(len(config["width"]) - 1):
        sums, products = nodes(config["width"][l + 1])
        arity = one_arity(config["mult_arity"], l)
        grid = tensor(f"act_fun.{l}.grid")
        prefix = f"layers.{l}."
        for name in ("coef", "mask", "scale_base", "scale_sp"):
            tensors[prefix + name] = tensor(f"act_fun.{l}.{name}")
        tensors[prefix + "grid"] = grid
        for name in ("node_scale", "node_bias", "subnode_scale", "subnode_bias"):
            tensors[prefix + name] = tensor(f"{name}_{l}", f"{name}.{l}")
        mask = tensor(f"symbolic_fun.{l}.mask")
        functions = config[f"symbolic.funs_name.{l}"]
        edges = [{"in": int(i), "out": int(o), "fun": functions[o][i]}
                 for o, i in zip(*numpy.nonzero(mask)) if functions[o][i] != "0"]
        if not config.get("symbolic_enabled", True):
            edges = []
        if edges:
            affine = tensor(f"symbolic_fun.{l}.affine").copy()
            affine[:, :, 2:] *= mask[:, :, None]
            tensors[prefix + "affine"] = affine
        base = config["base_fun_name"]
        layers.append({"in": int(grid.shape[0]), "out": sums + products,
                       "subnodes": sums + products * arity, "sum_nodes": sums,
                       "mult_nodes": products, "mult_arity": arity, "basis": "bspline-pykan",
                       "order": config["k"], "grid": int(grid.shape[1]) - 2 * config["k"] - 1,
                       "base": base, "symbolic": edges})
    if input_id is None:
        input_id = list(range(layers[0]["in"]))
    if len(input_id) != layers[0]["in"]:
        sys.exit(f"the first layer has {layers[0]['in']} inputs, --input-id names {len(input_id)}")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"family": "kan", "basis": "bspline-pykan", "input_id": input_id,
                   "layers": layers}, file, indent=1)
    save_file(tensors, os.path.join(directory, "model.safetensors"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="what was given to saveckpt")
    parser.add_argument("directory", help="where the model is written")
    parser.add_argument("--input-id", help="columns of the input, with commas between")
    arguments = parser.parse_args()
    columns = arguments.input_id and [int(i) for i in arguments.input_id.split(",")]
    convert(arguments.path, arguments.directory, columns)


if __name__ == "__main__":
    main()
