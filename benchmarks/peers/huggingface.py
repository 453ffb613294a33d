"""Exporting model directories to other formats."""
import json
import os
import subprocess
import sys

from . import Refused


def run_exporter(name, command):
    """What it says goes to the log; Refused with its last word on an error."""
    run = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    sys.stderr.write(run.stderr)
    if run.returncode:
        lines = run.stderr.strip().splitlines()
        errors = [line for line in lines if "Error" in line] or lines or ["no message"]
        raise Refused(f"{name} ended with {run.returncode}: {errors[-1]}")


def with_tokenizer(source, folder):
    """Links of the model's files, and a tokenizer of one made-up word for each id: exporters insist on
    one."""
    out = os.path.join(folder, "with-tokenizer")
    os.makedirs(out, exist_ok=True)
    for name in os.listdir(source):
        if not os.path.exists(os.path.join(out, name)):
            os.symlink(os.path.abspath(os.path.join(source, name)), os.path.join(out, name))
    with open(os.path.join(source, "config.json")) as f:
        count = json.load(f)["vocab_size"]
    words = {("<unk>", "<s>", "</s>")[i] if i < 3 else f"word{i}": i for i in range(count)}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
                 "normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"},
                 "post_processor": None, "decoder": None,
                 "model": {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"}}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>",
                "eos_token": "</s>", "unk_token": "<unk>"}
    for name, value in (("tokenizer.json", tokenizer), ("tokenizer_config.json", settings)):
        with open(os.path.join(out, name), "w") as f:
            json.dump(value, f)
    return out


def export_encoder(source, path):
    """The encoder as ONNX with open batch and length."""
    import torch
    import transformers

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = transformers.AutoModel.from_pretrained(
                source, dtype=torch.float32, add_pooling_layer=False, attn_implementation="eager")

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    tokens = torch.ones(2, 16, dtype=torch.int64)
    axes = {name: {0: "batch", 1: "length"} for name in ("input_ids", "attention_mask")}
    torch.onnx.export(Encoder().eval(), (tokens, torch.ones_like(tokens)), path, dynamo=False,
                      input_names=list(axes), output_names=["last_hidden_state"],
                      dynamic_axes=axes | {"last_hidden_state": {0: "batch", 1: "length"}},
                      opset_version=17)
