"""Runs the commands of README.md, docs/ and examples/ and compiles their snippets.

Fenced blocks, by their language:
  sh       run with bash, one after the other, in a folder for each page that has the repository's
           folders in it; /opt/plexus stands for an installation.
  cpp, c   with an #include: compiled, and run if it is a program. Otherwise an excerpt of a file of
           the tree (indentation apart; a line of "// ..." leaves something out).
  cmake, tablegen   an excerpt of a file of the tree.
A comment before a block makes an exception, and says why: <!-- not run: ... --> or <!-- sketch -->.

usage: docs_test.py CMAKE CXX CC BUILD SOURCE
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

CMAKE, CXX, CC, BUILD, SOURCE = sys.argv[1:6]
FOLDER = tempfile.TemporaryDirectory()
PREFIX = os.path.join(FOLDER.name, "plexus")
BIN = os.path.join(FOLDER.name, "bin")
FENCE = re.compile(r"(?:^<!-- (?P<note>.*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
                   re.MULTILINE | re.DOTALL)
EXCERPT_ROOMS = ("examples", "plugins", "include", "passes", "tests/docs")
EXCERPT_FILES = (".cpp", ".c", ".h", ".hpp", ".td", ".txt")


def pages():
    found = [os.path.join(SOURCE, "README.md")]
    for room in ("docs", "examples"):
        for folder, folders, files in os.walk(os.path.join(SOURCE, room)):
            if room == "examples":
                folders[:] = [f for f in folders if f != "models"]
            found += [os.path.join(folder, f) for f in sorted(files) if f.endswith(".md")]
    return found


def environment():
    """Only what a user has: the installation, a compiler, and caches of their own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PLEXUS_")}
    env.update(PATH=os.pathsep.join([BIN, os.path.join(PREFIX, "bin"), env["PATH"]]), CXX=CXX,
               XDG_CACHE_HOME=os.path.join(FOLDER.name, "cache"),
               XDG_DATA_HOME=os.path.join(FOLDER.name, "data"))
    return env


def run(command, folder):
    result = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True,
                            timeout=600)
    return result.returncode, result.stdout + result.stderr


def unindented(text):
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def tree():
    """All files that a page may show an excerpt of, unindented."""
    texts = []
    for room in EXCERPT_ROOMS:
        for folder, _, files in os.walk(os.path.join(SOURCE, room)):
            texts += [unindented(read(os.path.join(folder, f))) for f in files
                      if f.endswith(EXCERPT_FILES)]
    return texts


class Page:
    """One page's blocks, each done in the page's own folder."""

    def __init__(self, path):
        self.name = os.path.relpath(path, SOURCE)
        self.folder = tempfile.mkdtemp(dir=FOLDER.name)
        for entry in ("examples", "tests", "docs", "scripts", "benchmarks"):
            os.symlink(os.path.join(SOURCE, entry), os.path.join(self.folder, entry))
        self.blocks = [m.groupdict() for m in FENCE.finditer(read(path))]

    def failures(self, texts):
        for number, block in enumerate(self.blocks, 1):
            if block["note"] and block["note"].startswith(("not run: ", "sketch")):
                continue
            problem = self.check(block["language"], block["text"], number, texts)
            if problem:
                yield f"{self.name}, block {number}: {problem}\n{block['text']}"

    def check(self, language, text, number, texts):
        if language == "sh":
            script = text.replace("/opt/plexus", PREFIX)
            code, output = run(["bash", "-euo", "pipefail", "-c", script], self.folder)
            return f"exit code {code}\n{output}" if code else None
        if language in ("c", "cpp") and re.search(r"^#include <plexus/", text, re.MULTILINE):
            return self.compile(language, text, number)
        if language in ("c", "cpp", "cmake", "tablegen"):
            return excerpt_problem(text, texts)
        return None if language == "" else f"nothing is known of '{language}' blocks"

    def compile(self, language, text, number):
        source = os.path.join(self.folder, f"block{number}.{language}")
        target = os.path.join(self.folder, f"block{number}")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        program = "int main(" in text
        flags = ["-Wall", "-Werror", "-I", os.path.join(PREFIX, "include"), source, "-o", target]
        if program:
            library = os.path.join(PREFIX, "lib")
            flags += [f"-L{library}", "-lplexus_runtime", f"-Wl,-rpath,{library}"]
        else:
            flags += ["-shared", "-fPIC"]
        code, output = run([CXX, "-std=c++20", *flags] if language == "cpp" else [CC, *flags],
                           self.folder)
        if code:
            return output
        if program:
            code, output = run([target], self.folder)
        else:
            code, output = run(["plexus", "plugins", "--load", "--plugin", target], self.folder)
            code = code or (target + "\n  REFUSED" in output)
        return output if code else None


def excerpt_problem(text, texts):
    for part in re.split(r"^\s*(?://|#) \.\.\..*\n", text, flags=re.MULTILINE):
        if not any(unindented(part) in file for file in texts):
            return f"is in no file of the tree:\n{part}"
    return None


class Documentation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        code, output = run([CMAKE, "--install", BUILD, "--prefix", PREFIX], FOLDER.name)
        assert code == 0, output
        os.mkdir(BIN)
        for name, tool in (("cc", CC), ("plexus-conformance", None), ("plexus-opt", None)):
            there = shutil.which(tool) if tool else os.path.join(BUILD, "bin", name)
            os.symlink(there, os.path.join(BIN, name))

    def test_every_command_runs_and_every_snippet_compiles(self):
        texts = tree()
        for path in pages():
            page = Page(path)
            with self.subTest(page=page.name):
                self.assertEqual("\n".join(page.failures(texts)), "")

    def test_links_between_pages_lead_somewhere(self):
        for path in pages():
            prose = FENCE.sub("", read(path))
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
                with self.subTest(page=os.path.relpath(path, SOURCE), link=target):
                    self.assertTrue(os.path.exists(os.path.join(os.path.dirname(path), target)))

    def test_every_command_of_the_tool_is_in_its_page(self):
        code, output = run(["plexus", "--help"], FOLDER.name)
        self.assertEqual(code, 0)
        commands = re.findall(r"^  (\w+) +\S", output.split("ubcommands:")[1], re.MULTILINE)
        self.assertGreater(len(commands), 8)
        page = read(os.path.join(SOURCE, "docs/cli.md"))
        for command in commands:
            self.assertIn(f"\n## {command}\n", page)
            self.assertRegex(page, f"(?m)^(.*\\| )?plexus {command} ")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
