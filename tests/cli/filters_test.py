"""Filters on wrong and missing input: what is missing leaves the prediction, what is wrong is
refused by name, and a state that was kept goes on with the same bits."""
import json
import math
import os
import shutil
import struct

from harness import ARTIFACT, MODEL, CommandTest, main, path, plexus, read_bytes, write_safetensors

HMM = os.path.join(os.path.dirname(os.path.dirname(MODEL)), "hmm-glm", "model")
CASES = os.path.join(os.path.dirname(MODEL), "cases.safetensors")


def read(file):
    """Name to (dtype, shape, bytes)."""
    data = read_bytes(file)
    size = int.from_bytes(data[:8], "little")
    found = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            found[name] = (entry["dtype"], entry["shape"], data[8 + size + begin:8 + size + end])
    return found


def write(name, tensors):
    write_safetensors(path(name), tensors)
    return path(name)


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def measurements():
    dtype, shape, raw = read(CASES)["filter_smoother.in.y"]
    return list(struct.unpack(f"<{len(raw) // 4}f", raw)), shape


class Filters(CommandTest):
    def run_filter(self, tensors, *more):
        out = path("out.safetensors")
        result = plexus("run", ARTIFACT, "--inputs", write("in.safetensors", tensors),
                        "--outputs", out, *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return read(out)

    def run_refused(self, tensors, *more, says=()):
        result = plexus("run", ARTIFACT, "--inputs", write("in.safetensors", tensors), "--outputs",
                        path("never.safetensors"), *more)
        self.assertIn(result.returncode, (1, 2), result.stderr)
        for word in says:
            self.assertIn(word, result.stderr)

    def test_what_is_not_finite_is_missing(self):
        y, shape = measurements()
        steps, width = shape
        flags = [1] * steps
        for step in (0, 3, steps - 1):
            flags[step] = 0
        observed = ("I64", [steps], struct.pack(f"<{steps}q", *flags))
        told = self.run_filter({"y": ("F32", shape, floats(y)), "observed": observed})
        y[0], y[3 * width + 1], y[-1] = math.nan, math.inf, -math.inf
        seen = self.run_filter({"y": ("F32", shape, floats(y))})
        for name in ("filt_mean", "filt_cov", "log_likelihood"):
            self.assertEqual(seen[name], told[name], name)
        self.run_refused({"y": ("F32", shape, floats(y))}, "--nan", "error", says=["\"y\"", "NaN"])

    def test_a_state_that_was_kept_goes_on_with_the_same_bits(self):
        y, shape = measurements()
        steps, width = shape
        whole = self.run_filter({"y": ("F32", shape, floats(y))})
        cut = 17
        first = self.run_filter({"y": ("F32", [cut, width], floats(y[:cut * width]))})
        rest = self.run_filter({"y": ("F32", [steps - cut, width], floats(y[cut * width:])),
                                "belief_0": first["belief_n"]})
        for name in ("filt_mean", "filt_cov", "pred_cov"):
            self.assertEqual(first[name][2] + rest[name][2], whole[name][2], name)
        for name in ("log_likelihood", "belief_n"):
            self.assertEqual(rest[name], whole[name], name)
        # Of a model with another number of states.
        other = ("F32", [1, 1, 8, 2], floats([0] * 16))
        self.run_refused({"y": ("F32", shape, floats(y)), "belief_0": other},
                         says=["belief_0", "another model"])

    def test_wrong_shapes_are_refused_by_name(self):
        y, shape = measurements()
        steps, width = shape
        self.run_refused({"y": ("F32", [steps * width // 3, 3], floats(y))}, says=["\"y\"", "6"])
        self.run_refused({"y": ("F32", [0, width], b"")}, says=["y"])
        self.run_refused({"y": ("F32", shape, floats(y)),
                          "observed": ("I64", [2], struct.pack("<2q", 1, 0))}, says=["observed"])

    def test_whole_sequences_take_no_pieces(self):
        y, shape = measurements()
        tensors = {"y": ("F32", shape, floats(y))}
        self.run_refused(tensors, "--schedule", "kalman", "--chunks", "20,20",
                         says=["kalman", "chunks"])
        self.run_refused({**tensors, "belief_0": ("F32", [1, 1, 22, 2], floats([0] * 44))},
                         "--schedule", "kalman", says=["belief_0"])
        pieces = self.run_filter(tensors, "--chunks", "1,20,19")
        self.assertEqual(pieces["filt_cov"], self.run_filter(tensors)["filt_cov"])

    def changed(self, source, name, **config):
        """A copy of a model with fields of its config changed."""
        folder = path(name)
        shutil.copytree(source, folder)
        with open(os.path.join(source, "config.json"), encoding="utf-8") as file:
            fields = json.load(file)
        fields.update(config)
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump(fields, file)
        return folder

    def test_models_that_do_not_fit_are_refused_by_name(self):
        for folder, says in ((self.changed(HMM, "gamma", emission="gamma"), ["gamma", "poisson"]),
                             (self.changed(HMM, "field", duration=3), ["duration"]),
                             (self.changed(HMM, "states", states=4), ["bias"]),
                             (self.changed(HMM, "variance", emission="gaussian"), ["log_var"]),
                             (self.changed(MODEL, "observations", obs_size=5), ["C"])):
            self.refused(1, "compile", folder, "-o", path("never.plx"), says=says)
        folder = self.changed(MODEL, "singular")
        tensors = read(os.path.join(folder, "model.safetensors"))
        tensors["R"] = ("F32", [6, 6], floats([1] * 36))
        shutil.copy(write("r.safetensors", tensors), os.path.join(folder, "model.safetensors"))
        self.refused(1, "compile", folder, "-o", path("never.plx"),
                     says=["'R'", "positive definite"])


main()
