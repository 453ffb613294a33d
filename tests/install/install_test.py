"""Installs the build tree, moves it, and builds and runs the example projects against it.

usage: install_test.py CMAKE GENERATOR CXX BUILD SOURCE
"""
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

CMAKE, GENERATOR, CXX, BUILD, SOURCE = sys.argv[1:6]
EXAMPLES = os.path.join(SOURCE, "examples")
LLAMA = os.path.join(SOURCE, "tests/conformance/packs/llama/model")
KJV = os.path.join(EXAMPLES, "models/kjv-llama")
PROMPT = [3, 1, 4]
FOLDER = tempfile.TemporaryDirectory()

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(EXAMPLES, "family-plugin"))
import make_model  # noqa: E402  pylint: disable=wrong-import-position

# Nothing outside the installation may help it.
ENVIRONMENT = {k: v for k, v in os.environ.items()
               if not k.startswith("PLEXUS_") and k != "LD_LIBRARY_PATH"}
ENVIRONMENT.update(XDG_CACHE_HOME=os.path.join(FOLDER.name, "cache"),
                   XDG_DATA_HOME=os.path.join(FOLDER.name, "data"))


def path(*names):
    return os.path.join(FOLDER.name, *names)


MOVED = path("moved")


def command(*arguments):
    """The standard output of a command that must succeed."""
    result = subprocess.run(arguments, capture_output=True, text=True, env=ENVIRONMENT, timeout=500)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)}: exit code {result.returncode}\n"
                             f"{result.stdout}\n{result.stderr}")
    return result.stdout


def plexus(*arguments):
    return command(os.path.join(MOVED, "bin/plexus"), *arguments)


def build_example(name):
    """Configures and builds examples/<name> outside the source tree; its build folder."""
    folder = path("build", name)
    command(CMAKE, "-S", os.path.join(EXAMPLES, name), "-B", folder, "-G", GENERATOR,
            f"-DCMAKE_CXX_COMPILER={CXX}", f"-DCMAKE_PREFIX_PATH={MOVED}")
    command(CMAKE, "--build", folder)
    return folder


def matrix_vector(matrix, x):
    (rows, columns), numbers = matrix
    return [sum(a * b for a, b in zip(numbers[r * columns:(r + 1) * columns], x))
            for r in range(rows)]


def next_id(weights, token):
    """The most likely id after `token`: my-family has no attention, so only the last id matters."""
    embed = weights["embed.weight"]
    x = embed[1][token * make_model.HIDDEN:(token + 1) * make_model.HIDDEN]
    for layer in range(make_model.LAYERS):
        gain = weights[f"layers.{layer}.norm.weight"][1]
        scale = 1 / math.sqrt(sum(v * v for v in x) / len(x) + 1e-5)
        h = [v * scale * g for v, g in zip(x, gain)]
        h = matrix_vector(weights[f"layers.{layer}.up.weight"], h)
        h = [v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in h]
        down = matrix_vector(weights[f"layers.{layer}.down.weight"], h)
        x = [a + b for a, b in zip(x, down)]
    logits = matrix_vector(embed, x)
    return logits.index(max(logits))


def setUpModule():
    command(CMAKE, "--install", BUILD, "--prefix", path("first"))
    shutil.move(path("first"), MOVED)


class Installation(unittest.TestCase):
    def test_libraries_are_found_after_the_move(self):
        folders = [os.path.join(MOVED, "bin"), os.path.join(MOVED, "lib")]
        files = [os.path.join(d, f) for d in folders for f in os.listdir(d)]
        files = [f for f in files if os.path.isfile(f)]
        self.assertIn(os.path.join(MOVED, "lib/libplexus_runtime.so"), files)
        for file in files:
            for line in command("ldd", file).splitlines():
                self.assertNotIn("not found", line, file)
                for tree in (BUILD, SOURCE, path("first")):
                    self.assertNotIn(os.path.join(tree, ""), line, file)

    def test_licences_of_what_is_installed_are_there(self):
        documents = os.path.join(MOVED, "share/doc/plexus")
        with open(os.path.join(documents, "LICENSE"), encoding="utf-8") as file:
            self.assertIn("LLVM Exceptions to the Apache 2.0 License", file.read())
        if any(name.startswith("libdnnl") for name in os.listdir(os.path.join(MOVED, "lib"))):
            notices = os.listdir(os.path.join(documents, "licenses"))
            self.assertLessEqual({"onednn-LICENSE", "onednn-THIRD-PARTY-PROGRAMS"}, set(notices))

    def test_version_is_stated(self):
        with open(os.path.join(MOVED, "lib/cmake/Plexus/PlexusConfigVersion.cmake"),
                  encoding="utf-8") as file:
            self.assertIn(plexus("--version").split()[-1], file.read())

    def test_program_with_a_graph(self):
        folder = build_example("graph")
        self.assertEqual(command(os.path.join(folder, "graph")), "3 4\n")

    def test_program_with_codes_of_eeg(self):
        folder = build_example("eeg-tokens")
        self.assertEqual(command(os.path.join(folder, "eeg-tokens")), "42 58, 1 59\n")

    def test_program_with_named_tensors(self):
        folder = build_example("named-tensors")
        self.assertEqual(command(os.path.join(folder, "named-tensors"), KJV, "In the beginning"),
                         "logits: 1 4 4096\nhidden_states.1: 1 4 256\nnext: 269 ' of'\n")

    def test_programs_in_c_and_in_cpp_write_the_same(self):
        texts = [command(os.path.join(build_example(name), name), KJV, "In the beginning")
                 for name in ("hello", "generate-c")]
        self.assertGreater(len(texts[0].split()), 5)
        self.assertEqual(texts[0], texts[1])

    def test_live_eeg_decoder(self):
        folder = build_example("streaming-eeg")
        self.assertEqual(command(os.path.join(folder, "streaming-eeg")),
                         "1 s: electrode 1\n2 s: electrode 1\n3 s: electrode 2\n"
                         "4 s: electrode 2\n5 s: electrode 2\n"
                         "difference from the whole recording: 0\n")

    def test_family_outside_the_tree(self):
        plugin = os.path.join(build_example("family-plugin"), "family_my_family.so")
        listed = plexus("plugins", "--plugin", plugin, "--load")
        self.assertIn("my-family", listed)
        model, artifact = path("model"), path("model.plx")
        command(sys.executable, os.path.join(EXAMPLES, "family-plugin/make_model.py"), model)
        plexus("compile", model, "--plugin", plugin, "-o", artifact)

        weights = make_model.make_weights()
        expected, last = [], PROMPT[-1]
        for _ in range(8):
            last = next_id(weights, last)
            expected.append(last)
        # The artifact holds the code: running it needs no family.
        for source in ([artifact], [model, "--plugin", plugin]):
            made = json.loads(plexus("generate", *source, "--strategy", "greedy", "--ignore-eos",
                                     "--prompt-ids", ",".join(map(str, PROMPT)),
                                     "--max-tokens", "8", "--json"))
            self.assertEqual(made["ids"], expected)

    def test_strategy_outside_the_tree(self):
        plugin = os.path.join(build_example("strategy-plugin"), "strategy_best_of.so")
        self.assertIn("best_of", plexus("plugins", "--plugin", plugin, "--load"))
        made = json.loads(plexus("generate", LLAMA, "--plugin", plugin, "--strategy", "best_of",
                                 "--set", "n=3", "--prompt-ids", "1,2,3", "--ignore-eos",
                                 "--max-tokens", "8", "--json"))
        self.assertEqual(len(made["ids"]), 8)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
