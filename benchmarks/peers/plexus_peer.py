"""Plexus, through its command line (PLEXUS_BINARY, set by compare.py)."""
import json
import os
import subprocess

from . import Built, Refused, clock, ids

WEIGHTS = {"causal": {"f32": "f32", "bf16": "bf16", "q8": "q8", "q4": "q4",
                      "file": "nearest to the file's"},
           "encoder": {"f32": "f32", "bf16": "bf16", "q8": "q8"}, "net": {"f32": "f32"}}
PLEXUS = os.environ.get("PLEXUS_BINARY", "plexus")
COMPILE = os.environ.get("PLEXUS_COMPILE_OPTIONS", "").split()


def call(*arguments):
    run = subprocess.run([PLEXUS, *map(str, arguments)], capture_output=True, text=True)
    if run.returncode:
        raise Refused((run.stderr.strip().splitlines() or ["failed"])[-1])
    return run.stdout


def version():
    return call("--version").strip()


def convert(source, kind, weights, folder):
    return compiled(source, kind, weights, folder, WEIGHTS[kind][weights], "auto")


def compiled(source, kind, weights, folder, stored, compute, form=None):
    path = os.path.join(folder, f"plexus-{weights}-{compute}.plx")
    choice = [] if weights == "file" else ["--weights", form or weights]
    call("compile", source, "-o", path, "--no-cache", "--compute", compute, *choice, *COMPILE)
    if kind == "net":
        return Built(path, kind, stored, 0, 0, source=source)
    program = json.loads(call("inspect", path, "--json"))["program"]
    # What is no matrix of a product, and not small, is an embedding.
    read = sum(w["bytes"] for w in program["weights"]
               if w["encoding"] != "dense" or len(w["shape"]) == 1)
    # The head's weights are those of its vocabulary's size.
    vocabulary = program["model"]["vocab_size"]
    products = sum(w["shape"][0] * w["shape"][1] for w in program["weights"]
                   if w["encoding"] != "dense" and w["shape"][0] != vocabulary)
    return Built(path, kind, stored, read, vocabulary, products)


class Net:
    """On the tensors of the net's folder."""

    def __init__(self, built, threads):
        self.built, self.threads, self.peak = built, threads, 0
        self.inputs = os.path.join(built.source, "input.safetensors")

    def latencies(self, n):
        out = json.loads(call("bench", self.built.path, "--json", "--inputs", self.inputs, "--reps",
                              n, "--warm-up", 20, "--threads", self.threads))
        self.peak = max(self.peak, out["peak_memory_bytes"])
        return out["run"]["seconds"]

    def windows(self, n):
        return sum(self.latencies(n))

    def memory(self):
        return self.peak


class Model:
    def __init__(self, built, threads):
        self.built, self.threads, self.peak = built, threads, 0

    def bench(self, *arguments):
        out = json.loads(call("bench", self.built.path, "--json", "--reps", 1, "--threads",
                              self.threads, *arguments))
        self.peak = max(self.peak, out["peak_memory_bytes"])
        return out

    def first_token(self, prompt):
        """From the start of a process to the end of its first token."""
        text = ",".join(map(str, ids(prompt, self.built.vocabulary)))
        start = clock()
        call("generate", self.built.path, "--prompt-ids", text, "--max-tokens", 1, "--json",
             "--threads", self.threads)
        return clock() - start

    def prefill(self, n):
        return self.bench("--prefill", n, "--decode", 0)["prefill"]["median_seconds"]

    def decode(self, context, n):
        return self.together(1, context, n)

    def together(self, sequences, context, n):
        # The prompt ahead of the steps warms up.
        out = self.bench("--prefill", 0, "--decode", n, "--context", context, "--batch", sequences,
                         "--warm-up", 0)
        return out["decode"]["median_seconds"]

    def encode(self, batch, length):
        together = ["--batch", batch] if batch > 1 else []
        out = self.bench("--prefill", length, *together)
        return out["encode"]["median_seconds"]

    def memory(self):
        return self.peak


def load(built, threads, context, sequences):
    return (Net if built.kind == "net" else Model)(built, threads)
