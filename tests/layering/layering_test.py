"""Small trees with one include that points against the layering: each must be found and named.

usage: layering_test.py CHECK
"""
import os
import subprocess
import sys
import tempfile
import unittest

CHECK = sys.argv[1]

BAD = [
    ("runtime/io/A.cpp", '#include "mlir/IR/Builders.h"', "the runtime sees no LLVM"),
    ("runtime/A.h", "#include <llvm/ADT/StringRef.h>", "the runtime sees no LLVM"),
    ("include/plexus/a.h", "#include <llvm-c/Core.h>", "the runtime sees no LLVM"),
    ("runtime/A.cpp", '#include "compiler/Driver.h"', "the runtime uses no room above it"),
    ("include/plexus/a.hpp", '#include "runtime/io/Json.h"', "the installed API uses no room"),
    ("plugins/families/a/A.cpp", '#include "runtime/io/Json.h"', "plugins see only"),
    ("examples/a/A.c", '#include "runtime/abi/Call.h"', "plugins see only"),
    ("dialects/plx/A.td", 'include "passes/Passes.td"', "dialects use no room above them"),
    ("dialects/plx/A.cpp", '#include "passes/Passes.h"', "dialects use no room above them"),
    ("passes/fuse/A.cpp", '#  include "compiler/Driver.h"', "passes use no room above them"),
    ("compiler/A.cpp", '  #include "frontends/Import.h"', "the compiler uses no room above it"),
    ("frontends/A.cpp", '#include "tools/plexus/Command.h"', "front ends use no tools"),
    ("runtime/A.cpp", '#include "tests/support/TempDir.h"', "what is shipped uses no tests"),
]
GOOD = [
    ("runtime/io/A.cpp", '#include "runtime/io/Json.h"\n#include <plexus/plexus.h>'),
    ("dialects/plx/A.cpp", '#include "mlir/IR/Builders.h"\n#include "dialects/attn/Attn.h"'),
    ("passes/A.cpp", '#include "dialects/plx/PlxOps.h"\n#include "runtime/abi/Call.h"'),
    ("compiler/A.cpp", '#include "passes/Passes.h"\n// as #include "frontends/A.h" would not be'),
    ("frontends/A.cpp", '#include "compiler/Driver.h"'),
    ("tools/plexus/A.cpp", '#include "frontends/A.h"'),
    ("plugins/A.cpp", "#include <plexus/strategy.hpp>"),
]


def check(files):
    """Exit code and output of the check on a tree of these files."""
    with tempfile.TemporaryDirectory() as tree:
        for name, text in files:
            path = os.path.join(tree, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text + "\n")
        result = subprocess.run([CHECK, tree], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout


class Layering(unittest.TestCase):
    def test_includes_that_point_upwards_are_allowed(self):
        self.assertEqual(check(GOOD), (0, "layering: ok\n"))

    def test_each_include_that_points_backwards_is_found_and_named(self):
        for name, text, rule in BAD:
            with self.subTest(file=name, include=text):
                code, output = check([(n, t) for n, t in GOOD if n != name] + [(name, text)])
                self.assertEqual(code, 1, output)
                self.assertIn(rule, output)
                self.assertIn(f"{name}:1:", output)

    def test_all_are_listed(self):
        first = {name: (name, text) for name, text, _ in BAD}.values()
        code, output = check(list(first))
        self.assertEqual(code, 1)
        for name, _ in first:
            self.assertIn(name, output)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
