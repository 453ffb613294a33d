"""Runs one peer in a process of its own: JSON requests in lines on stdin, JSON answers on stdout.

usage: python -m peers.worker MODULE     (from benchmarks/)

Whatever the peer prints goes to stderr. An answer is {"ok": value} or {"error": text}.
"""
import importlib
import json
import os
import sys
import traceback

from . import Built, Refused, clock


def memory():
    """Peak of the resident memory of this process, bytes."""
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


class Worker:
    def __init__(self, peer):
        self.peer = peer
        self.handle = None

    def version(self):
        return self.peer.version()

    def convert(self, source, kind, weights, folder):
        forms = self.peer.WEIGHTS.get(kind, {})
        if weights not in forms:
            raise Refused(getattr(self.peer, "REFUSALS", {}).get(weights, f"has no weights of class {weights}"))
        return vars(self.peer.convert(source, kind, weights, folder))

    def open(self, built, threads, context, sequences, prompt):
        """Seconds from nothing but imports to the first token of a prompt; 0 without one."""
        begin = clock()
        self.handle = self.peer.load(Built(**built), threads, context, sequences)
        if not prompt:
            return 0
        if hasattr(self.handle, "first_token"):
            return self.handle.first_token(prompt)
        self.handle.prefill(prompt)
        return clock() - begin

    def measure(self, what, arguments):
        """Seconds, or why there are none."""
        if not hasattr(self.handle, what):
            return f"has no {what}"
        return getattr(self.handle, what)(*arguments)

    def memory(self):
        own = getattr(self.handle, "memory", memory)
        return own()


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if worker is None:
                worker = Worker(importlib.import_module("peers." + sys.argv[1]))
            answer = {"ok": getattr(worker, request["call"])(**request["arguments"])}
        except Exception as e:  # the driver reports it by the peer's name
            traceback.print_exc()
            text = str(e).strip().splitlines() or [""]
            answer = {"error": text[0] if isinstance(e, Refused) else f"{type(e).__name__}: {text[0]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
