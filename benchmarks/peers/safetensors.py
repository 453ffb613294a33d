"""Reads the model directories that benchmarks/models writes, for peers with formats of their own."""
import json
import os

import numpy as np


class Checkpoint:
    def __init__(self, folder):
        with open(os.path.join(folder, "config.json")) as f:
            self.config = json.load(f)
        self.path = os.path.join(folder, "model.safetensors")
        with open(self.path, "rb") as f:
            size = int.from_bytes(f.read(8), "little")
            self.header = json.loads(f.read(size))
        self.begin = 8 + size

    def tensor(self, name):
        """As f32."""
        entry = self.header[name]
        first, end = entry["data_offsets"]
        raw = np.fromfile(self.path, np.uint8, end - first, offset=self.begin + first)
        if entry["dtype"] == "BF16":
            values = (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            values = raw.view(np.float32)
        return values.reshape(entry["shape"])

    def matrix_elements(self):
        """Elements of the matrices: what a token's products read. An embedding is among them where
        it is the head too."""
        return self.products() + self.head()

    def head(self):
        tied = self.config.get("tie_word_embeddings") and "lm_head.weight" not in self.header
        return sum(int(np.prod(t["shape"])) for name, t in self.header.items()
                   if name == "lm_head.weight" or (tied and name.endswith("embeddings.weight")))

    def products(self):
        """Multiplications of a token in matrices, the head left out."""
        return sum(int(np.prod(t["shape"])) for name, t in self.header.items()
                   if name not in ("__metadata__", "lm_head.weight") and len(t["shape"]) == 2
                   and "embed" not in name)
