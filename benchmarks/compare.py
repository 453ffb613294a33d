#!/usr/bin/env python3
"""Measures Plexus and its peers in turn, in one run, on equal models.

    benchmarks/compare.py --install                       # once: virtual environments of the peers
    benchmarks/compare.py --out results                   # everything, 1 thread, then 2
    benchmarks/compare.py --only llama --weights q4 --threads 1 --rounds 5 --out results

Workloads are the modules of benchmarks/workloads: llama (0.34 B shape: decode behind a context,
prefill, sequences together), mamba (130 M shape: decode, prefill), bert (BERT-base shape, 1 x 128 and
8 x 128), eeg (nets of braindecode, one window), file (--file, a GGUF file or a model directory, with
its own weights). Each round gives every peer one turn, one after another. Ceilings (read bandwidth,
oneDNN's products) are measured in each round too. Writes OUT/compare.txt, .json, .md (a table of Plexus
and the best peer) and .svg. A peer that is missing, fails or takes too long is listed with its reason.
See docs/benchmarks.md.
"""
import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, HERE)

from peers import Refused, environment, report, turns  # noqa: E402
from workloads import families  # noqa: E402

# Module, and what it is called.
PEERS = {"plexus": "plexus_peer", "plexus int8": "plexus_int8_peer", "llama.cpp": "llamacpp_peer",
         "openvino": "openvino_peer", "openvino bf16": "openvino_bf16_peer",
         "onnxruntime": "onnxruntime_peer", "torch": "torch_peer"}


class Run:
    """One table: a workload, a weight class, a number of threads."""

    def __init__(self, a, workload, weights, threads):
        self.a, self.workload, self.weights, self.threads = a, workload, weights, threads
        self.rounds = min(a.rounds, workload.rounds or a.rounds)
        self.open, self.rows, self.refused, self.ceilings = {}, {}, {}, []

    def start(self, name):
        a, w = self.a, self.workload
        env = {"PLEXUS_BINARY": a.plexus, "PLEXUS_OPTIMUM_PYTHON": a.export_python}
        version, built = self.build(name, env)
        peer = turns.Peer(a.python, PEERS[name], turns.pinned(self.threads, a.priority), env, a.log,
                          a.limit)
        try:
            peer.ask("open", built=built, threads=self.threads, context=w.context,
                     sequences=w.sequences, prompt=0)
        except Refused:
            peer.close()
            raise
        self.open[name] = peer
        self.rows[name] = {"version": version, "stored": built["stored"],
                           "token_bytes": built["token_bytes"],
                           "token_products": built["token_products"], "built": built,
                           "seconds": {m: [] for m in w.measures}, "missing": {},
                           "first_token": []}

    def build(self, name, env):
        """(version, built), made once by a process of its own that has no priority."""
        a, w = self.a, self.workload
        key = (w.name, self.weights, name)
        if key not in a.built:
            folder = os.path.join(a.work, w.name + "-built-" + os.path.basename(w.source))
            os.makedirs(folder, exist_ok=True)
            maker = turns.Peer(a.python, PEERS[name], [], env, a.log, a.limit)
            try:
                a.built[key] = maker.ask("version"), maker.ask(
                    "convert", source=w.source, kind=w.kind, weights=self.weights, folder=folder)
            finally:
                maker.close()
        return a.built[key]

    def drop(self, name, error):
        print(f"  {name}: {error}", file=sys.stderr)
        self.refused[name] = str(error)
        if name in self.open:
            self.open.pop(name).close()

    def turn(self, name, measured):
        w, peer, row = self.workload, self.open[name], self.rows[name]
        for measure, m in w.measures.items():
            if measure in row["missing"]:
                continue
            seconds = peer.ask("measure", what=m.call, arguments=m.arguments)
            if isinstance(seconds, str):
                row["missing"][measure] = seconds
            elif measured:
                row["seconds"][measure].append(seconds)

    def each(self, step):
        for name in list(self.open):
            try:
                step(name)
            except Refused as e:
                self.drop(name, e)

    def measure_rounds(self):
        for number in range(self.rounds + 1):  # the first one warms up
            with turns.Quiet(self.a.quiet):
                load = turns.load_average()
                self.each(lambda name: self.turn(name, number > 0))
                if number > 0:
                    self.ceilings.append(measure_ceilings(self.a, self.threads) | {"load": load})

    def first_token(self, name):
        row, w = self.rows[name], self.workload
        for _ in range(self.rounds):
            row["first_token"].append(self.open[name].ask(
                "open", built=row["built"], threads=self.threads, context=w.context, sequences=1,
                prompt=w.prompt))

    def finish(self, name):
        self.rows[name]["memory"] = self.open[name].ask("memory")

    def run(self):
        w = self.workload
        print(f"{w.name} {self.weights} {self.threads} thread(s)", file=sys.stderr)
        for name in w.peers or self.a.peers:
            if name not in self.a.peers:
                continue
            try:
                self.start(name)
            except Refused as e:
                self.drop(name, e)
        self.measure_rounds()
        self.each(self.finish)
        if w.prompt:
            with turns.Quiet(self.a.quiet):
                self.each(self.first_token)
        for peer in self.open.values():
            peer.close()
        for row in self.rows.values():
            row.pop("built")
        return {"workload": w.name, "weights": self.weights, "threads": self.threads,
                "measures": {name: vars(m) for name, m in w.measures.items()},
                "peers": {n: r for n, r in self.rows.items() if n not in self.refused},
                "refused": self.refused, "ceilings": self.ceilings}


def measure_ceilings(a, threads):
    """JSON of benchmarks/ceilings: empty where it was not built."""
    if not os.path.exists(a.ceilings):
        return {}
    run = subprocess.run([*turns.pinned(threads, a.priority), a.ceilings, "--threads", str(threads)],
                         capture_output=True, text=True)
    return json.loads(run.stdout) if run.returncode == 0 else {}


def numbers(text):
    return [int(n) for n in text.split(",")]


def words(text):
    return [w for w in text.split(",") if w]


def arguments(known):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--out", default="benchmark-results", help="folder of the results")
    p.add_argument("--work", default=os.path.join(ROOT, "build", "peers"),
                   help="folder of environments and models (several GB)")
    p.add_argument("--install", action="store_true", help="make the virtual environments, then stop")
    p.add_argument("--python", default="", help="an environment that has the peers")
    p.add_argument("--export-python", default="", help="an environment that has optimum-intel")
    p.add_argument("--plexus", default=os.path.join(ROOT, "build", "bin", "plexus"))
    p.add_argument("--ceilings", default=os.path.join(ROOT, "build", "benchmarks", "bench_ceilings"))
    p.add_argument("--only", type=words, default=list(known), help="workloads: " + ", ".join(known))
    p.add_argument("--peers", type=words, default=list(PEERS))
    p.add_argument("--weights", type=words, default=["f32", "bf16", "q8", "q4"])
    p.add_argument("--threads", type=numbers, default=[1, 2])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--context", type=numbers, default=[512], help="ids before the steps of a decode")
    p.add_argument("--decode", type=int, default=32, help="steps of a decode")
    p.add_argument("--prefill", type=numbers, default=[512])
    p.add_argument("--together", type=int, default=0, help="sequences that decode together; 0: none")
    for module in known.values():
        module.add_options(p)
    p.add_argument("--priority", type=int, default=0, help="1 to 99: measure before all other work "
                   "of the machine (chrt -f; needs the right to)")
    p.add_argument("--limit", type=int, default=600,
                   help="seconds after which a peer is given up that has no answer; 0: never")
    p.add_argument("--quiet", default="", help="a command that keeps the machine quiet: prints a "
                   "line when it is, and ends when its stdin does")
    a = p.parse_args()
    for what, asked, there in (("peers", a.peers, PEERS), ("workloads", a.only, known)):
        unknown = [name for name in asked if name not in there]
        if unknown:
            p.error(f"unknown {what}: {', '.join(unknown)}; there are {', '.join(there)}")
    if a.rounds < 1:
        p.error("--rounds is at least 1")
    a.built = {}
    a.work, a.plexus, a.ceilings = map(os.path.abspath, (a.work, a.plexus, a.ceilings))
    a.python = a.python or os.path.join(a.work, "venv", "bin", "python")
    a.export_python = a.export_python or os.path.join(a.work, "venv-export", "bin", "python")
    if not os.path.exists(a.python):
        a.python = sys.executable  # Plexus needs no more; the others say what they miss
    return a


def main():
    known = families()
    a = arguments(known)
    os.makedirs(a.work, exist_ok=True)
    if a.install:
        failed = {}
        for folder, name in (("venv", "requirements.txt"), ("venv-export", "requirements-export.txt")):
            failed |= environment.install(os.path.join(a.work, folder), name)[1]
        return 1 if failed else 0
    os.makedirs(a.out, exist_ok=True)
    tables = []
    with open(os.path.join(a.out, "peers.log"), "w") as a.log:
        for workload in [w for name in a.only for w in known[name].make(a)]:
            for weights in workload.classes:
                for threads in a.threads:
                    tables.append(Run(a, workload, weights, threads).run())
                    report.write(a.out, tables)
    print(report.text(tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
