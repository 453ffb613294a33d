"""Runs the driver of the benchmarks with Plexus alone on a small model, and reads what it wrote.

usage: compare_test.py PLEXUS COMPARE MODEL
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

PLEXUS, COMPARE, MODEL = sys.argv[1:4]


class Compare(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        out = os.path.join(cls.folder.name, "out")
        command = [sys.executable, COMPARE, "--plexus", PLEXUS, "--out", out, "--work",
                   os.path.join(cls.folder.name, "work"), "--only", "file", "--file", MODEL,
                   "--peers", "plexus,llama.cpp", "--threads", "1", "--rounds", "2", "--context",
                   "16", "--decode", "4", "--prefill", "16", "--ceilings", "/nonexistent"]
        cls.run_ = subprocess.run(command, capture_output=True, text=True, timeout=600)
        cls.out = out

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def read(self, name):
        with open(os.path.join(self.out, name)) as f:
            return f.read()

    def table(self):
        self.assertEqual(self.run_.returncode, 0, self.run_.stderr)
        return json.loads(self.read("compare.json"))["tables"][0]

    def test_each_round_is_kept(self):
        row = self.table()["peers"]["plexus"]
        for name in ("decode at 16", "prefill 16"):
            self.assertEqual(len(row["seconds"][name]), 2)
            self.assertTrue(all(s > 0 for s in row["seconds"][name]))
        self.assertEqual(len(row["first_token"]), 2)
        self.assertGreater(row["memory"], 0)
        self.assertGreater(row["token_bytes"], 0)

    def test_a_peer_that_cannot_run_is_listed_with_its_reason(self):
        self.assertIn("llama.cpp", self.table()["refused"])
        self.assertRegex(self.run_.stdout, r"llama\.cpp +not measured: \w+")

    def test_text_and_picture(self):
        self.assertIn("decode at 16", self.read("compare.txt"))
        self.assertIn("ceilings: not measured", self.read("compare.txt"))
        self.assertTrue(self.read("compare.md").startswith("| workload |"))
        xml.dom.minidom.parseString(self.read("compare.svg"))

    def test_unknown_peer_is_refused_by_name(self):
        run = subprocess.run([sys.executable, COMPARE, "--peers", "abacus"], capture_output=True,
                             text=True)
        self.assertEqual(run.returncode, 2)
        self.assertIn("abacus", run.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
