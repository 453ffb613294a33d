"""Forms of weights as the command line chooses them: --size, layers in --keep, --rounding."""
import json
import os
import unittest

from harness import (KJV, CommandTest, main, path, plexus, read_bytes, read_header,
                     write_safetensors)

PACKS = os.path.join(os.path.dirname(__file__), "../conformance/packs")
TEXT = os.path.join(os.path.dirname(KJV), "kjv-valid.txt")


class QuantizeTest(CommandTest):
    def compiled(self, name, *arguments):
        """The report of the weights, and the artifact's path."""
        made = self.document("compile", KJV, "-o", path(name), "--isa", "x86-64-v3", "--json",
                             *arguments)
        return [e for e in made["report"] if e["segment"] == "weights"], path(name)

    def perplexity(self, artifact):
        env_isa = {"PLEXUS_ISA": "x86-64-v3"}
        os.environ.update(env_isa)
        try:
            return self.document("perplexity", artifact, "--text", TEXT, "--max-tokens", "512",
                                 "--json")["perplexity"]
        finally:
            del os.environ["PLEXUS_ISA"]

    def test_sizes_are_kept_and_more_bytes_are_better(self):
        last = float("inf")
        for size in (4_700_000, 7_000_000):
            report, artifact = self.compiled(f"s{size}.plx", "--size", f"{size}B")
            self.assertLessEqual(os.path.getsize(artifact), size)
            self.assertGreater(os.path.getsize(artifact), 0.92 * size)
            perplexity = self.perplexity(artifact)
            self.assertLess(perplexity, last * 1.001)
            last = perplexity
        # Each weight says its layers and why it is as it is.
        self.assertTrue(any("layers" in e["why"] for e in report), report)

    def test_a_size_that_is_too_small_says_the_smallest(self):
        self.refused(2, "compile", KJV, "-o", path("no.plx"), "--size", "1MB",
                     says=("smallest artifact of this model has about", "MB"))
        self.refused(2, "compile", KJV, "-o", path("no.plx"), "--size", "many", says=("300MB",))
        self.refused(2, "compile", KJV, "-o", path("no.plx"), "--size", "9MB", "--weights", "q4",
                     says=("--size chooses forms",))

    def test_kept_layers_have_their_form(self):
        report, artifact = self.compiled("kept.plx", "--weights", "q4:32", "--keep",
                                         "*down_proj*@0+6-7=q8")
        rows = {e["op"] + e["location"]: e for e in report if "down_proj" in e["location"]}
        forms = sorted(e["target"].split(",")[0] for e in rows.values())
        self.assertEqual(forms, ["q4", "q8"])
        eight = next(e for e in rows.values() if e["target"].startswith("q8"))
        self.assertIn("layers 0+6-7", eight["why"])
        self.assertLess(self.perplexity(artifact), 100)

    def quality(self, model, name, *arguments):
        made = self.document("compile", model, "-o", path(name), "--isa", "x86-64-v3", "--json",
                             *arguments)
        return made["quality"], made["report"]

    def test_ranges_of_weights(self):
        found = set()
        for ranges in ("mse", "minmax", "percentile:99"):
            _, artifact = self.compiled("ranges.plx", "--weights", "q4:128", "--ranges", ranges)
            found.add(self.perplexity(artifact))
        self.assertEqual(len(found), 3)
        self.assertLess(max(found), 1.1 * min(found))
        self.refused(2, "compile", KJV, "-o", path("no.plx"), "--ranges", "percentile:20",
                     says=("percentile:20", "mse, minmax"))

    def test_static_activations_of_products(self):
        static = ("--weights", "q8:channel", "--compute", "int8", "--activations", "static")
        text = ("--calibrate", TEXT, "--calibrate-tokens", "256", "--rounding", "importance")
        quality, report = self.quality(KJV, "static.plx", *static, *text)
        self.assertLess(quality["perplexity"], 1.02 * quality["base_perplexity"])
        chosen = {name for name, each in quality["inputs"].items() if each["static"]}
        self.assertTrue(chosen)
        for name in chosen:
            self.assertLess(quality["inputs"][name]["error"], 0.031)
        products = [e for e in report if "a measured scale" in e["why"]]
        self.assertTrue(products)
        self.refused(2, "compile", KJV, "-o", path("no.plx"), *static, says=("--calibrate FILE",))
        self.refused(2, "compile", KJV, "-o", path("no.plx"), *text, "--activations", "static:0",
                     says=("static:P",))
        self.refused(2, "compile", KJV, "-o", path("no.plx"), "--activations", "static", *text,
                     says=("--compute int8",))
        self.refused(2, "compile", KJV, "-o", path("no.plx"), *static, *text[:4], "--rounding",
                     "scale", says=("compensate",))

    def test_convolutions_in_bytes(self):
        pack = os.path.join(PACKS, "brain-deep4-plain")
        inputs = path("eeg.safetensors")
        header = read_header(os.path.join(pack, "cases.safetensors"))
        with open(os.path.join(pack, "cases.json")) as file:
            source = json.load(file)["cases"][0]["inputs"]["x"]
        begin, end = header[source]["data_offsets"]
        data = read_bytes(os.path.join(pack, "cases.safetensors"))
        start = 8 + int.from_bytes(data[:8], "little")
        write_safetensors(inputs, {"x": ("F32", header[source]["shape"],
                                         data[start + begin:start + end])})
        quality, report = self.quality(
            os.path.join(pack, "model"), "deep4.plx", "--weights", "q8", "--compute", "int8",
            "--activations", "static", "--calibrate", inputs, "--rounding", "nearest")
        self.assertTrue([e for e in report if e["op"] == "plx.quantized_conv"])
        self.assertLess(list(quality["errors"].values())[-1], 0.1)

    def test_roundings_of_four_bits(self):
        for rounding in ("scale", "scale+compensate"):
            made = self.document("compile", KJV, "-o", path("r.plx"), "--isa", "x86-64-v3",
                                 "--weights", "q4:128", "--calibrate", TEXT, "--calibrate-tokens",
                                 "256", "--rounding", rounding, "--json")["quality"]
            self.assertLess(made["perplexity"], 1.03 * made["base_perplexity"], rounding)


if __name__ == "__main__":
    main()
