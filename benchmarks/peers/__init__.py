"""Plexus and the programs that it is compared with, one module each, all with the same interface.

A module has
    WEIGHTS   {workload kind: {weight class: what this peer stores for it}}
    REFUSALS  {weight class: why it is not there}, where there is more to say than that
    version() text
    convert(source, kind, weights, folder)   makes the file that is run; not timed; returns a Built
    load(built, threads, context, sequences) loads it with room for so many tokens of each of so many
                                             sequences; returns an object with, by kind,
        causal   prefill(n), decode(context, n), together(sequences, context, n)
        encoder  encode(batch, length)
        net      latencies(n): the seconds of each of n calls on one input; windows(n): their sum
      each returning seconds; first_token(prompt) and memory() where the worker's own, which time
      load() with a first prefill and read the process's peak, do not fit.
Weight classes: f32, bf16 (any 16-bit type), q8, q4, file (as the file has them).
"""
from dataclasses import dataclass
from time import perf_counter as clock  # noqa: F401, what all peers are timed by


class Refused(Exception):
    """What a peer, or Plexus, cannot do; the text says why."""


@dataclass
class Built:
    """A model in a peer's own form."""

    path: str
    kind: str  # causal, encoder, net
    stored: str  # what the weights are, in words
    token_bytes: int  # weights read for one token: all but the embedding table's
    vocabulary: int
    token_products: int = 0  # multiplications of a token in matrices, without the head's
    source: str = ""  # the folder that it was made from


class Net:
    """A net on one input, the tensor x of input.safetensors beside it: what all peers' nets share.
    `run` is one call."""

    def latencies(self, n):
        seconds = []
        for _ in range(n):
            start = clock()
            self.run()
            seconds.append(clock() - start)
        return seconds

    def windows(self, n):
        return sum(self.latencies(n))


def net_input(built):
    """x of the net's folder (models/make_eeg.py)."""
    import os

    from safetensors.numpy import load_file

    return load_file(os.path.join(built.source, "input.safetensors"))["x"]


def ids(count, vocabulary):
    """Ids all over the vocabulary, the same each time (those of `plexus bench`)."""
    out, x = [], 0x9E3779B97F4A7C15
    for _ in range(count):
        x = (x * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        out.append((x >> 33) % vocabulary)
    return out
