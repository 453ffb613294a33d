#!/usr/bin/env python3
"""Perplexity of one GGUF file by Plexus and by llama.cpp, on the same ids in the same windows.

    benchmarks/perplexity.py MODEL.gguf --text book.txt --ids 2048

The text is encoded once, by Plexus, without special tokens. Each window w of ids is run as
[BOS] + w[:-1] from an empty cache, and each of its ids is a target: what `plexus perplexity` does, and
here llama.cpp too. Prints both, and Plexus / llama.cpp - 1. Needs the environment of the peers
(benchmarks/compare.py --install).
"""
import argparse
import ctypes
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def plexus(a, *arguments, stdin=None):
    done = subprocess.run([a.plexus, *arguments], input=stdin, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def encode(a):
    with open(a.text, "rb") as file:
        made = plexus(a, "tokenize", a.model, "--text", "-", "--no-special", "--json",
                      stdin=file.read())
    return made["ids"][:a.ids]


class LlamaCpp:
    """llama.cpp's C interface, keys and values in f32 as Plexus has them, or in f16 (its default)."""

    def __init__(self, path, window, threads, exact):
        import llama_cpp as api
        self.api, self.window = api, window
        api.llama_backend_init()
        self.log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(
            lambda level, text, data: None)
        api.llama_log_set(self.log, None)
        self.model = api.llama_model_load_from_file(path.encode(), api.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llama.cpp cannot open {path}")
        vocabulary = api.llama_model_get_vocab(self.model)
        self.bos, self.size = api.llama_vocab_bos(vocabulary), api.llama_vocab_n_tokens(vocabulary)
        options = api.llama_context_default_params()
        options.n_ctx = options.n_batch = options.n_ubatch = window
        options.n_threads = options.n_threads_batch = threads
        if exact:
            options.type_k = options.type_v = 0  # GGML_TYPE_F32
        self.context = api.llama_init_from_model(self.model, options)

    def score(self, ids):
        """-log p, summed."""
        import numpy as np
        api, total = self.api, 0.0
        batch = api.llama_batch_init(self.window, 0, 1)
        for at in range(0, len(ids), self.window):
            targets = ids[at:at + self.window]
            row = [self.bos] + targets[:-1]
            api.llama_memory_clear(api.llama_get_memory(self.context), True)
            batch.n_tokens = len(row)
            for i, token in enumerate(row):
                batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, i, 1
                batch.seq_id[i][0], batch.logits[i] = 0, True
            if api.llama_decode(self.context, batch):
                raise SystemExit("llama.cpp cannot run a window")
            flat = api.llama_get_logits(self.context)
            logits = np.ctypeslib.as_array(flat, (len(row), self.size)).astype(np.float64)
            most = logits.max(-1)
            total += (np.log(np.exp(logits - most[:, None]).sum(-1)) + most
                      - logits[np.arange(len(row)), targets]).sum()
        api.llama_batch_free(batch)
        return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("model")
    parser.add_argument("--text", required=True)
    parser.add_argument("--ids", type=int, default=2048, help="ids of the text to score")
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plexus", default=os.path.join(os.path.dirname(HERE), "build/bin/plexus"))
    a = parser.parse_args()
    ids = encode(a)
    rows = {}
    for compute in ("auto", "int8", "f32"):
        rows["Plexus, --compute " + compute] = plexus(
            a, "perplexity", a.model, "--text", a.text, "--max-tokens", str(len(ids)), "--window",
            str(a.window), "--compute", compute, "--threads", str(a.threads), "--json")["perplexity"]
    import math
    for name, exact in (("llama.cpp", False), ("llama.cpp, keys and values in f32", True)):
        peer = LlamaCpp(a.model, a.window, a.threads, exact)
        rows[name] = math.exp(peer.score(ids) / len(ids))
    for name, value in rows.items():
        print(f"{name:36} {value:9.4f}   {100 * (value / rows['llama.cpp'] - 1):+.3f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
