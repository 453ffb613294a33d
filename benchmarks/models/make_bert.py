#!/usr/bin/env python3
"""Writes a BERT-shaped encoder of random weights; the default is BERT-base.

    make_bert.py OUT [--layers 12] [--hidden 768] [--heads 12] [--mlp 3072] [--vocab 30522]
                     [--dtype BF16|F32] [--context 512]
"""
from random_model import parse, write

SIZES = dict(layers=12, hidden=768, heads=12, mlp=3072, vocab=30522, context=512)


def linear(name, outputs, inputs):
    yield name + ".weight", [outputs, inputs]
    yield name + ".bias", [outputs]


def norm(name, size):
    yield name + ".weight", [size]
    yield name + ".bias", [size]


def tensors(a):
    e = "embeddings."
    yield e + "word_embeddings.weight", [a.vocab, a.hidden]
    yield e + "position_embeddings.weight", [a.context, a.hidden]
    yield e + "token_type_embeddings.weight", [2, a.hidden]
    yield from norm(e + "LayerNorm", a.hidden)
    for l in range(a.layers):
        p = f"encoder.layer.{l}."
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            yield from linear(p + "attention." + part, a.hidden, a.hidden)
        yield from norm(p + "attention.output.LayerNorm", a.hidden)
        yield from linear(p + "intermediate.dense", a.mlp, a.hidden)
        yield from linear(p + "output.dense", a.hidden, a.mlp)
        yield from norm(p + "output.LayerNorm", a.hidden)


def main():
    a = parse(__doc__, SIZES)
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu",
        "hidden_size": a.hidden, "intermediate_size": a.mlp, "num_hidden_layers": a.layers,
        "num_attention_heads": a.heads, "max_position_embeddings": a.context,
        "layer_norm_eps": 1e-12, "vocab_size": a.vocab, "type_vocab_size": 2, "pad_token_id": 0,
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "position_embedding_type": "absolute",
    }
    write(a.out, config, tensors(a), a.dtype)


if __name__ == "__main__":
    main()
