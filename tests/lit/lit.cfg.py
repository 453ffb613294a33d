# How lit runs the tests: which files are tests and where their tools are.
import os

import lit.formats

config.name = "plexus"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
path = [os.path.join(config.plexus_binary_dir, "bin"), config.llvm_tools_dir]
config.environment["PATH"] = os.pathsep.join(path + [os.environ["PATH"]])
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

# Bufferizes, lowers and runs a module whose ops are all upstream's; prints what `main` prints.
lower = " ".join(
    "--one-shot-bufferize=bufferize-function-boundaries --convert-linalg-to-loops --convert-scf-to-cf"
    " --expand-strided-metadata --lower-affine --convert-math-to-libm --convert-math-to-llvm"
    " --convert-arith-to-llvm --finalize-memref-to-llvm --convert-func-to-llvm --convert-cf-to-llvm"
    " --reconcile-unrealized-casts".split()
)
libraries = ",".join(
    os.path.join(config.llvm_tools_dir, "..", "lib", f"libmlir_{name}runner_utils.so") for name in ("", "c_")
)
run = f"plexus-opt {lower} | mlir-runner -e main -entry-point-result=void -shared-libs={libraries}"
config.substitutions.append(("%run", run))
