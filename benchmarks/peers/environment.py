"""The virtual environments that the peers live in."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LLAMA_FLAGS = ["-DGGML_NATIVE=ON", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_SERVER=OFF",
               "-DLLAMA_BUILD_TOOLS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_APP=OFF", "-DLLAMA_OPENSSL=OFF",
               "-DLLAMA_USE_PREBUILT_UI=OFF", "-DLLAVA_BUILD=OFF", "-DMTMD_BUILD=OFF"]
# g++ 12 miscompiles llama.cpp's AMX kernels (SIGILL); clang 22 does not.
COMPILER = {"CC": "clang-22", "CXX": "clang++-22"}


def requirements(name):
    with open(os.path.join(HERE, name)) as f:
        lines = [line.split("#")[0].strip() for line in f]
    return [line for line in lines if line]


def install(folder, name):
    """Makes the environment `folder` of a requirements file, one package at a time: one that cannot
    be had here does not keep the others out. Returns (python, {package: reason})."""
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    env = os.environ | COMPILER | {"CMAKE_ARGS": " ".join(LLAMA_FLAGS)}
    failed = {}
    for package in requirements(name):
        command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", package]
        if package.startswith("llama-cpp-python"):
            command += ["--no-binary", "llama-cpp-python"]
        print("installing", package, file=sys.stderr)
        run = subprocess.run(command, capture_output=True, text=True, env=env)
        if run.returncode:
            failed[package] = (run.stderr.strip().splitlines() or ["pip failed"])[-1]
            print("  failed:", failed[package], file=sys.stderr)
    return python, failed
