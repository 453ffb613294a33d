"""What the tests of the command line share: the command, a folder, an artifact, small files.

Each test is started as: TEST PLEXUS MODEL KJV (a model without a tokenizer, and examples/models/kjv-llama).
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PLEXUS, MODEL, KJV = sys.argv[1:4]
FOLDER = tempfile.TemporaryDirectory()
ARTIFACT = os.path.join(FOLDER.name, "m.plx")


def path(name):
    return os.path.join(FOLDER.name, name)


def plexus(*arguments, stdin="", stdout=subprocess.PIPE, **options):
    """Runs the command; arguments and stdin may be bytes."""
    env = dict(os.environ, XDG_CACHE_HOME=FOLDER.name)
    stdin = stdin if isinstance(stdin, bytes) else stdin.encode()
    result = subprocess.run([PLEXUS, *arguments], input=stdin, stdout=stdout,
                            stderr=subprocess.PIPE, env=env, timeout=600, check=False, **options)
    result.stdout = (result.stdout or b"").decode(errors="surrogateescape")
    result.stderr = result.stderr.decode(errors="surrogateescape")
    return result


def read_bytes(file):
    with open(file, "rb") as f:
        return f.read()


def write_safetensors(file, tensors):
    """Tensors by name: (dtype, shape, bytes)."""
    entries, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": shape,
                         "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    with open(file, "wb") as out:
        out.write(len(header).to_bytes(8, "little") + header + data)


def integers(rows):
    """An I64 matrix for write_safetensors."""
    data = b"".join(i.to_bytes(8, "little", signed=True) for row in rows for i in row)
    return "I64", [len(rows), len(rows[0])], data


def read_header(file):
    with open(file, "rb") as f:
        return json.loads(f.read(int.from_bytes(f.read(8), "little")))


class CommandTest(unittest.TestCase):
    """A test that runs the command and looks at what it says."""

    def refused(self, code, *arguments, says=(), stdin=""):
        result = plexus(*arguments, stdin=stdin)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        for word in says:
            self.assertIn(word, result.stderr)

    def document(self, *arguments, **options):
        """The one JSON document that a command prints."""
        result = plexus(*arguments, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)


def main():
    compiled = plexus("compile", MODEL, "-o", ARTIFACT, "--json")
    assert compiled.returncode == 0, compiled.stderr
    json.loads(compiled.stdout)
    unittest.main(argv=sys.argv[:1])
