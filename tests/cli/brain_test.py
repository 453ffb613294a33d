"""Decoders with layers of subjects: what a run picks, and what it refuses."""
import json
import math
import os
import shutil
import struct

from harness import CommandTest, KJV, MODEL, main, path, plexus, write_safetensors

EXAMPLES = os.path.dirname(KJV)
NAN = float("nan")


def write_tensors(name, **tensors):
    """F32 tensors: name=(shape, values), where one value fills the whole."""
    def floats(shape, values):
        count = math.prod(shape)
        values = [values] * count if isinstance(values, (int, float)) else values
        return "F32", shape, struct.pack(f"<{count}f", *values)
    write_safetensors(path(name), {key: floats(*value) for key, value in tensors.items()})
    return path(name)


class Decoder(CommandTest):
    def run_model(self, name, *arguments):
        result = plexus("run", os.path.join(EXAMPLES, name), *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def example(self, name, *arguments):
        return self.run_model(name, "--inputs",
                              os.path.join(EXAMPLES, name, "inputs.safetensors"), *arguments)

    def refuses(self, name, inputs, *arguments, says=()):
        result = plexus("run", os.path.join(EXAMPLES, name), "--inputs", inputs, *arguments)
        self.assertNotEqual(result.returncode, 0, result.stdout)
        self.assertEqual(result.stdout, "")
        for word in says:
            self.assertIn(word, result.stderr)


class BrainModule(Decoder):
    def test_subjects_differ_and_unknown_ones_are_refused_with_the_known(self):
        inputs = os.path.join(EXAMPLES, "brainmodule/inputs.safetensors")
        self.assertNotEqual(self.example("brainmodule", "--set", "subject=0"),
                            self.example("brainmodule", "--set", "subject=3"))
        for subject in ("4", "-1"):
            self.refuses("brainmodule", inputs, "--set", "subject=" + subject,
                         says=("subject " + subject, "known are 0, 1, 2, 3"))
        self.refuses("brainmodule", inputs, says=("subject", "known are 0, 1, 2, 3"))

    def test_sensors_and_positions(self):
        cases = (((5, 30), (4, 2), ("positions", "sensors", "4", "5")),
                 ((0, 30), (0, 2), ("0 sensors", "1 to 1024")),
                 ((1025, 30), (1025, 2), ("1025 sensors", "1 to 1024")),
                 ((5, 0), (5, 2), ("no samples",)),
                 ((5, 30), (5, 3), ("positions", "3", "expected 2")))
        for (sensors, samples), positions, says in cases:
            file = write_tensors("odd.safetensors", x=([1, sensors, samples], 1),
                                 positions=(list(positions), 0.5))
            self.refuses("brainmodule", file, "--set", "subject=1", says=says)

    def test_nan_passes_unless_it_is_refused(self):
        x = [1.0] * 60
        x[7] = NAN
        file = write_tensors("nan.safetensors", x=([1, 2, 30], x), positions=([2, 2], 0.5))
        self.assertIn("nan", self.run_model("brainmodule", "--inputs", file, "--set", "subject=1"))
        self.refuses("brainmodule", file, "--set", "subject=1", "--nan", "error",
                     says=("x", "NaN at element 7"))


class Retrieval(Decoder):
    def test_galleries_of_any_number(self):
        for ways in (1, 4, 300):
            file = write_tensors("g.safetensors", x=([2, 9, 60], 0.5),
                                 gallery=([ways, 16], [float(i % 7) - 3 for i in range(16 * ways)]))
            out = self.run_model("atm", "--inputs", file, "--set", "subject=1", "--schedule",
                                 "retrieval", "--json")
            shapes = {o["name"]: o["shape"] for o in json.loads(out)["outputs"]}
            self.assertEqual(shapes["cosine"], [2, ways])
            self.assertEqual(shapes["logits"], [2, ways])
            self.assertEqual(shapes["top5"], [2, 5])

    def test_a_gallery_of_the_size_that_was_compiled_is_read_in_place(self):
        model = path("exact")
        shutil.copytree(os.path.join(EXAMPLES, "atm"), model)
        with open(os.path.join(model, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        config["gallery"] = 300
        with open(os.path.join(model, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        inputs = write_tensors("g.safetensors", x=([2, 9, 60], 0.5),
                               gallery=([300, 16], [float(i % 7) - 3 for i in range(16 * 300)]))
        made = []
        for name in ("atm", model):
            out = path("found.safetensors")
            self.run_model(name, "--inputs", inputs, "--set", "subject=1", "--schedule", "retrieval",
                           "--outputs", out)
            with open(out, "rb") as file:
                made.append(file.read())
        self.assertEqual(made[0], made[1])

    def test_galleries_that_do_not_fit(self):
        for shape, says in (([20, 15], ("gallery", "15", "expected 16")),
                            ([0, 16], ("gallery", "0 ways", "1 to 32768")),
                            ([32769, 16], ("gallery", "32769 ways", "1 to 32768"))):
            file = write_tensors("g.safetensors", x=([1, 9, 60], 1), gallery=(shape, 1))
            self.refuses("atm", file, "--set", "subject=1", "--schedule", "retrieval", says=says)
        file = write_tensors("g.safetensors", x=([1, 9, 60], 1))
        self.refuses("atm", file, "--set", "subject=1", "--schedule", "retrieval",
                     says=("gallery", "missing"))


class Speech(Decoder):
    def test_days(self):
        inputs = os.path.join(EXAMPLES, "speech-gru/inputs.safetensors")
        self.assertNotEqual(self.example("speech-gru", "--set", "day=0"),
                            self.example("speech-gru", "--set", "day=2"))
        self.refuses("speech-gru", inputs, "--set", "day=3", says=("day 3", "known are 0, 1, 2"))
        self.refuses("speech-gru", inputs, says=("day", "known are 0, 1, 2"))

    def test_windows_shorter_than_a_frame(self):
        file = write_tensors("short.safetensors", x=([1, 5, 16], 1))
        self.refuses("speech-gru", file, "--set", "day=1", says=("5 samples", "frame of 6"))
        file = write_tensors("none.safetensors", x=([1, 0, 16], 1))
        self.refuses("speech-gru", file, "--set", "day=1", says=("no samples",))

    def test_labels_come_first_then_minus_one(self):
        out = self.example("speech-gru", "--set", "day=1", "--schedule", "ctc", "--outputs",
                           path("ctc.safetensors"))
        with open(path("ctc.safetensors"), "rb") as f:
            header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
            begin, end = header["tokens"]["data_offsets"]
            data = f.read()[begin:end]
        ids = struct.unpack("<%di" % (len(data) // 4), data)
        self.assertEqual(len(ids), 2 * 28, out)
        for row in (ids[:28], ids[28:]):
            count = sum(i >= 0 for i in row)
            self.assertTrue(all(0 < i < 12 for i in row[:count]) and set(row[count:]) <= {-1})


class MindEye(Decoder):
    MODEL = os.path.abspath(os.path.join(MODEL, "../../brain-mindeye/model"))

    def test_each_subject_has_its_own_voxels(self):
        first = write_tensors("v150.safetensors", x=([2, 150], 0.5))
        second = write_tensors("v210.safetensors", x=([2, 210], 0.5))
        self.assertIn("contrastive",
                      self.run_model(self.MODEL, "--inputs", first, "--set", "subject=0"))
        self.assertIn("contrastive",
                      self.run_model(self.MODEL, "--inputs", second, "--set", "subject=1"))
        self.refuses(self.MODEL, first, "--set", "subject=1", says=("x", "150", "expected 210"))
        self.refuses(self.MODEL, first, "--set", "subject=2", says=("subject 2", "known are 0, 1"))
        self.refuses(self.MODEL, first, says=("needs an option", "subject=0, subject=1"))


class Configs(CommandTest):
    def test_sizes_that_the_weights_contradict(self):
        for name, field, value, says in (
                ("brainmodule", "harmonics", 5, ("attention.cos", "harmonics", "[12, 5, 5]")),
                ("brainmodule", "subjects", 5, ("subject", "[5, 12, 12]")),
                ("atm", "subjects", 0, ("subjects", "1 or more")),
                ("atm", "kernel", 9, ("tsconv.0.weight", "kernel", "[6, 1, 1, 9]")),
                ("atm", "gallery", 4, ("gallery", "5 rows or more")),
                ("speech-gru", "days", 4, ("day_weights", "days", "[4, 16, 16]")),
                ("speech-gru", "blank", 12, ("blank", "12 classes")),
                ("speech-gru", "activation", "elu", ("activation", "softsign")),
                ("neural-tokenizer", "commitment", 0.25, ("commitment",)),
                ("neural-tokenizer", "conv_groups", [1], ("conv_groups",)),
                ("neural-tokenizer", "conv_filters", [], ("conv_filters", "one convolution or more")),
                ("neural-tokenizer", "conv_strides", [4, 1], ("conv_strides", "as many as conv_filters")),
                ("neural-tokenizer", "norm_groups", 4, ("norm_groups 4", "divide the filters")),
                ("neural-tokenizer", "distance", "manhattan", ("distance", "cosine, euclidean")),
                ("neural-tokenizer", "codes", 33, ("codebooks", "codes", "[3, 33, 12]"))):
            model = path("changed-%s-%s" % (name, field))
            os.makedirs(model, exist_ok=True)
            with open(os.path.join(EXAMPLES, name, "config.json"), encoding="utf-8") as file:
                config = json.load(file)
            config[field] = value
            with open(os.path.join(model, "config.json"), "w", encoding="utf-8") as file:
                json.dump(config, file)
            shutil.copy(os.path.join(EXAMPLES, name, "model.safetensors"), model)
            self.refused(1, "compile", model, "-o", path("changed.plx"), says=says)


if __name__ == "__main__":
    main()
