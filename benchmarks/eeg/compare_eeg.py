#!/usr/bin/env python3
"""Latency of EEG nets at batch 1 (22 channels, 1000 samples) beside peers, in turns, in one run.

    compare_eeg.py --python VENV/bin/python [--threads 1,2] [--rounds 3] [--reps 300] [--json OUT]

Each round gives every peer one turn of `reps` single calls; a peer that takes more than `--limit`
seconds for an answer is given up, and named with its reason. Prints the median (p50) and the 99th
percentile of all calls in ms, and the peer's median over Plexus's. `python` needs braindecode, torch,
onnxscript and the peers that are to be measured.
"""
import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))

from peers import Refused, turns  # noqa: E402
from workloads import eeg  # noqa: E402

PEERS = {"plexus": "plexus_peer", "openvino": "openvino_peer", "onnxruntime": "onnxruntime_peer",
         "torch": "torch_peer"}


def start(a, name, folder, threads):
    env = {"PLEXUS_BINARY": a.plexus}
    # Compiling is not measured: threads that wait for each other need all cores, and no priority.
    maker = turns.Peer(a.python, PEERS[name], [], env, a.log, a.limit)
    try:
        built = maker.ask("convert", source=folder, kind="net", weights="f32", folder=folder)
    finally:
        maker.close()
    peer = turns.Peer(a.python, PEERS[name], turns.pinned(threads, a.priority), env, a.log, a.limit)
    try:
        peer.ask("open", built=built, threads=threads, context=0, sequences=1, prompt=0)
        peer.ask("measure", what="latencies", arguments=[20])
    except Refused:
        peer.close()
        raise
    return peer


def measure(a, net, threads):
    """{peer: [seconds of each call], or why there are none}."""
    folder, open_, out = eeg.net(a, net), {}, {}
    for name in a.peers:
        try:
            open_[name] = start(a, name, folder, threads)
            out[name] = []
        except Refused as e:
            out[name] = str(e)
    for _ in range(a.rounds):
        for name, peer in list(open_.items()):
            try:
                out[name] += peer.ask("measure", what="latencies", arguments=[a.reps])
            except Refused as e:
                out[name] = str(e)
                open_.pop(name).close()
    for peer in open_.values():
        peer.close()
    return out


def summary(net, threads, measured):
    row = {"net": net, "threads": threads, "peers": {}}
    for name, seconds in measured.items():
        if isinstance(seconds, str):
            row["peers"][name] = {"refused": seconds}
            continue
        seconds = sorted(seconds)
        row["peers"][name] = {"p50": seconds[len(seconds) // 2] * 1e3,
                              "p99": seconds[len(seconds) * 99 // 100] * 1e3}
    ours = row["peers"].get("plexus", {}).get("p50")
    for name, numbers in row["peers"].items():
        if ours and name != "plexus" and "p50" in numbers:
            numbers["ratio"] = numbers["p50"] / ours
    return row


def show(row):
    print(f"{row['net']}, {row['threads']} thread(s)")
    for name, n in row["peers"].items():
        if "refused" in n:
            print(f"  {name:<12} not measured: {n['refused']}")
            continue
        ratio = f"  {n['ratio']:.2f} x plexus" if "ratio" in n else ""
        print(f"  {name:<12} p50 {n['p50']:8.4f} ms  p99 {n['p99']:8.4f} ms "
              f"({n['p99'] / n['p50']:.2f} x p50){ratio}")
    sys.stdout.flush()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--plexus", default=os.path.join(ROOT, "build", "bin", "plexus"))
    p.add_argument("--python", default=sys.executable, help="an environment that has the peers")
    p.add_argument("--work", default=os.path.join(ROOT, "build", "peers"))
    p.add_argument("--threads", type=lambda t: [int(n) for n in t.split(",")], default=[1, 2])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--reps", type=int, default=300)
    p.add_argument("--nets", type=lambda t: t.split(","), default=list(eeg.NETS))
    p.add_argument("--peers", type=lambda t: t.split(","), default=list(PEERS))
    p.add_argument("--limit", type=int, default=60)
    p.add_argument("--priority", type=int, default=0)
    p.add_argument("--json")
    a = p.parse_args()
    a.work, a.plexus = map(os.path.abspath, (a.work, a.plexus))
    os.makedirs(a.work, exist_ok=True)
    rows = []
    with open(os.path.join(a.work, "eeg.log"), "w") as a.log:
        for net in a.nets:
            for threads in a.threads:
                rows.append(summary(net, threads, measure(a, net, threads)))
                show(rows[-1])
    if a.json:
        with open(a.json, "w") as f:
            json.dump(rows, f, indent=1)


if __name__ == "__main__":
    main()
