#!/usr/bin/env python3
"""Counts that do not depend on the machine, compared with the committed ones.

    scripts/bench --quick              # compare with benchmarks/quick.json; 1 where one is worse
    scripts/bench --quick --update     # write it anew

Of a fixed model (examples/models/kjv-llama), for code of x86-64-v3 and one thread:
    instructions.*   of one step of greedy decoding, of a prompt id, and of starting, by callgrind
    allocations.*    calls of malloc and its kin in one step of decoding, by callgrind
    weights.*        bytes of packed weights
    code.*           bytes of machine code
    compile.*        processor time of compiling over that of a fixed loop (benchmarks/calibrate)
A figure may be worse than the committed one by its tolerance, relative to it; one that is better by
more is pointed out, so that the file follows. See docs/benchmarks.md.
"""
import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FORMS = ("bf16", "q8", "q4")
SHORT, LONG, PROMPT = 1, 17, 64
ALLOCATORS = {"malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign"}
# Relative to the committed value, by the first word of a figure's name.
TOLERANCE = {"instructions": 0.02, "allocations": 0.0, "weights": 0.0, "code": 0.05, "compile": 0.35}
# Code that valgrind runs; threads that wait for one another would count their waiting.
ENVIRONMENT = {"PLEXUS_ISA": "x86-64-v3", "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}


def run(command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"bench: {' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def read_callgrind(path):
    """(instructions, allocations) of an output file: the summary, and calls of allocators."""
    names, calls, total, callee = {}, 0, 0, ""
    with open(path) as f:
        for line in f:
            if line.startswith(("fn=", "cfn=")):
                number, name = re.match(r"c?fn=\((\d+)\)\s*(.*)", line).groups()
                if name:
                    names[number] = name
                callee = names[number]
            elif line.startswith("calls=") and callee.split("'")[0] in ALLOCATORS:
                calls += int(line[6:].split()[0])
            elif line.startswith(("summary:", "totals:")):
                total = int(line.split()[1])
    return total, calls


def callgrind(a, model, prompt, tokens, folder):
    out = os.path.join(folder, "callgrind.out")
    ids = ",".join(str(1 + i % 4000) for i in range(prompt))
    run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, a.plexus, "generate", model,
         "--prompt-ids", ids, "--max-tokens", tokens, "--ignore-eos", "--threads", 1, "--json"],
        env=os.environ | ENVIRONMENT)
    return read_callgrind(out)


def seconds(command, **more):
    """Processor time of a command and of what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(command, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def static_counts(a, model, form):
    document = json.loads(run([a.plexus, "inspect", model, "--json"]))
    out = {f"weights.{form}": document["weight_bytes"]}
    for section in document["sections"]:
        if section["name"].startswith("code."):
            out[f"code.{form}.{section['name'][5:]}"] = section["size"]
    return out


def dynamic_counts(a, model, form, folder):
    short, calls_short = callgrind(a, model, PROMPT, SHORT, folder)
    long, calls_long = callgrind(a, model, PROMPT, LONG, folder)
    steps = LONG - SHORT
    out = {f"instructions.{form}.step": (long - short) // steps,
           f"allocations.{form}.step": (calls_long - calls_short) // steps}
    if form == "bf16":
        start, _ = callgrind(a, model, 1, SHORT, folder)
        out[f"instructions.{form}.start"] = start
        out[f"instructions.{form}.prompt"] = (short - start) // (PROMPT - 1)
    return out


def check_tools(a):
    if not shutil.which("valgrind"):
        sys.exit("bench: --quick counts with valgrind, which is not installed (Debian: valgrind)")
    for tool, target in ((a.plexus, "plexus plexus_plugins"), (a.calibrate, "bench_calibrate")):
        if not os.path.exists(tool):
            sys.exit(f"bench: {tool} is not there: ninja -C build {target}")


def measure(a):
    check_tools(a)
    figures = {}
    loop = min(seconds([a.calibrate]) for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            model = os.path.join(folder, form + ".plx")
            took = seconds([a.plexus, "compile", a.model, "-o", model, "--no-cache", "--weights", form])
            figures[f"compile.{form}"] = round(took / loop, 2)
            figures |= static_counts(a, model, form)
            figures |= dynamic_counts(a, model, form, folder)
    return dict(sorted(figures.items()))


def compare(figures, committed):
    """Lines about what differs, and whether any is worse than its tolerance allows."""
    lines, worse = [], False
    for name in sorted(figures.keys() | committed.keys()):
        now, then = figures.get(name), committed.get(name)
        if now is None or then is None:
            lines.append(f"{name}: {'new' if then is None else 'gone'}: update the file")
            worse = True
            continue
        change = (now - then) / then if then else float(now != then)
        tolerance = TOLERANCE[name.split(".")[0]]
        if abs(change) <= tolerance:
            continue
        worse |= change > 0
        lines.append(f"{name}: {then} -> {now} ({100 * change:+.1f} %), "
                     + ("WORSE than" if change > 0 else "better than") + f" {100 * tolerance:g} %")
    return lines, worse


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    build = os.path.join(ROOT, "build")
    p.add_argument("--update", action="store_true", help="write the figures to --committed")
    p.add_argument("--out", help="write the figures here too")
    p.add_argument("--committed", default=os.path.join(ROOT, "benchmarks", "quick.json"))
    p.add_argument("--plexus", default=os.path.join(build, "bin", "plexus"))
    p.add_argument("--calibrate", default=os.path.join(build, "benchmarks", "bench_calibrate"))
    p.add_argument("--model", default=os.path.join(ROOT, "examples", "models", "kjv-llama"))
    return p.parse_args()


def write(path, figures):
    with open(path, "w") as f:
        json.dump({"format": 1, "figures": figures}, f, indent=1)
        f.write("\n")


def main():
    a = arguments()
    figures = measure(a)
    if a.out:
        write(a.out, figures)
    if a.update:
        write(a.committed, figures)
        print(f"wrote {len(figures)} figures to {a.committed}")
        return 0
    with open(a.committed) as f:
        lines, worse = compare(figures, json.load(f)["figures"])
    print("\n".join(lines + [f"{len(figures)} figures, {'WORSE' if worse else 'none worse'}"]))
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
