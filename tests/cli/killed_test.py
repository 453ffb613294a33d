"""Kills `plexus compile` at many moments: what it writes is there whole or not at all, and the cache
stays good.

usage: killed_test.py PLEXUS MODEL
"""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PLEXUS, MODEL = sys.argv[1:3]
ROUNDS = 8


class Killed(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.cache = os.path.join(self.folder.name, "cache")
        self.out = os.path.join(self.folder.name, "out")
        os.mkdir(self.out)
        self.artifact = os.path.join(self.out, "m.plx")
        self.environment = dict(os.environ, PLEXUS_CACHE_DIR=self.cache)

    def tearDown(self):
        self.folder.cleanup()

    def compile(self):
        return subprocess.Popen([PLEXUS, "compile", MODEL, "-o", self.artifact],
                                env=self.environment, stderr=subprocess.PIPE, text=True)

    def check(self):
        """Nothing but whole artifacts in the folder."""
        for name in os.listdir(self.out):
            result = subprocess.run([PLEXUS, "inspect", os.path.join(self.out, name), "--verify"],
                                    capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 0, name + ": " + result.stderr)

    def test_no_half_file_is_left(self):
        begin = time.monotonic()
        process = self.compile()
        _, messages = process.communicate()
        self.assertEqual(process.returncode, 0, messages)
        whole = time.monotonic() - begin
        os.remove(self.artifact)
        subprocess.run(["rm", "-rf", self.cache], check=True)
        killed = 0
        # From code generation to the last byte; the cache fills as code is finished.
        for i in range(ROUNDS):
            process = self.compile()
            time.sleep(whole * (0.3 + 0.7 * i / ROUNDS))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            process.stderr.close()
            self.check()
        self.assertGreater(killed, 0)
        process = self.compile()
        _, messages = process.communicate()
        self.assertEqual(process.returncode, 0, messages)
        self.assertIn("m.plx", os.listdir(self.out))
        self.check()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
