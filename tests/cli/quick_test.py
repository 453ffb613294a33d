"""The arithmetic of `scripts/bench --quick`, without the minute that its counting takes.

usage: quick_test.py QUICK
"""
import importlib.util
import json
import os
import sys
import tempfile
import unittest

spec = importlib.util.spec_from_file_location("quick", sys.argv[1])
quick = importlib.util.module_from_spec(spec)
spec.loader.exec_module(quick)

CALLGRIND = """version: 1
events: Ir
fn=(1) main
16 20
cfn=(2) malloc
calls=3 20
17 60
cfn=(3) plexus::run
calls=1 9
18 100
fn=(3)
9 40
cfn=(2)
calls=4 20
10 80
cfn=(4) posix_memalign'2
calls=2 7
11 10
summary: 310
totals: 310
"""


class Quick(unittest.TestCase):
    def test_callgrind_gives_instructions_and_calls_of_allocators(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out")
            with open(path, "w") as f:
                f.write(CALLGRIND)
            self.assertEqual(quick.read_callgrind(path), (310, 9))

    def test_within_the_tolerance_nothing_is_said(self):
        self.assertEqual(quick.compare({"instructions.x": 101}, {"instructions.x": 100}), ([], False))

    def test_worse_better_new_and_gone(self):
        lines, worse = quick.compare({"instructions.x": 103}, {"instructions.x": 100})
        self.assertTrue(worse)
        self.assertIn("100 -> 103 (+3.0 %), WORSE than 2 %", lines[0])
        lines, worse = quick.compare({"code.x": 50}, {"code.x": 100})
        self.assertFalse(worse)
        self.assertIn("better", lines[0])
        self.assertTrue(quick.compare({"code.x": 50}, {})[1])
        self.assertTrue(quick.compare({}, {"code.x": 50})[1])
        self.assertTrue(quick.compare({"allocations.x": 1}, {"allocations.x": 0})[1])

    def test_the_committed_figures_have_tolerances(self):
        with open(os.path.join(os.path.dirname(sys.argv[1]), "quick.json")) as f:
            figures = json.load(f)["figures"]
        self.assertGreater(len(figures), 10)
        for name, value in figures.items():
            self.assertIn(name.split(".")[0], quick.TOLERANCE)
            self.assertGreaterEqual(value, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
