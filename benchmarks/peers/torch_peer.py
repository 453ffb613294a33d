"""torch in eager mode with transformers' models."""

import torch
import transformers

from . import Built, Net, clock, ids, net_input
from .safetensors import Checkpoint

WEIGHTS = {"causal": {"f32": "f32", "bf16": "bf16"}, "encoder": {"f32": "f32", "bf16": "bf16"},
           "net": {"f32": "f32"}}
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
WIDTH = {"f32": 4, "bf16": 2}


def version():
    return f"torch {torch.__version__}, transformers {transformers.__version__}"


def convert(source, kind, weights, folder):
    if kind == "net":
        return Built(source, kind, "f32", 0, 0, source=source)
    model = Checkpoint(source)
    return Built(source, kind, WEIGHTS[kind][weights], model.matrix_elements() * WIDTH[weights],
                 model.config["vocab_size"], model.products())


def from_pretrained(built):
    make, more = {"causal": (transformers.AutoModelForCausalLM, {}),
                  "encoder": (transformers.AutoModel, {"add_pooling_layer": False})}[built.kind]
    return make.from_pretrained(built.path, dtype=DTYPES[built.stored], **more).eval()


class Causal:
    def __init__(self, model):
        self.model = model
        self.vocabulary = model.config.vocab_size

    @torch.inference_mode()
    def feed(self, tokens, cache):
        name = "cache_params" if self.model.config.model_type == "mamba" else "past_key_values"
        out = self.model(tokens, **{name: cache}, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1:].argmax(-1)

    def begin(self, n, sequences=1):
        cache = transformers.DynamicCache(config=self.model.config)
        return cache, self.feed(torch.tensor([ids(n, self.vocabulary)] * sequences), cache)

    def prefill(self, n):
        start = clock()
        self.begin(n)
        return clock() - start

    def decode(self, context, n):
        return self.together(1, context, n)

    def together(self, sequences, context, n):
        cache, token = self.begin(context, sequences)
        start = clock()
        for _ in range(n):
            token = self.feed(token, cache)
        return clock() - start


class Encoder:
    def __init__(self, model):
        self.model = model

    @torch.inference_mode()
    def encode(self, batch, length):
        tokens = torch.tensor(ids(batch * length, self.model.config.vocab_size)).view(batch, length)
        start = clock()
        self.model(tokens, attention_mask=torch.ones_like(tokens))
        return clock() - start


class TorchNet(Net):
    """Of braindecode, with the folder's arguments and weights."""

    def __init__(self, built):
        import json
        import os

        import braindecode.models
        from safetensors.torch import load_file

        with open(os.path.join(built.source, "config.json")) as f:
            config = json.load(f)
        config.pop("family")
        net = getattr(braindecode.models, config.pop("architecture"))(**config).eval()
        net.load_state_dict(load_file(os.path.join(built.source, "model.safetensors")))
        self.net, self.x = net, torch.from_numpy(net_input(built))

    @torch.inference_mode()
    def run(self):
        self.net(self.x)


def load(built, threads, context, sequences):
    torch.set_num_threads(threads)
    if built.kind == "net":
        return TorchNet(built)
    return {"causal": Causal, "encoder": Encoder}[built.kind](from_pretrained(built))
