"""The plexus command on good and bad input: exit codes, messages, JSON, artifacts cut short."""
import json
import os

from harness import (ARTIFACT, MODEL, CommandTest, integers, main, path, plexus, read_bytes,
                     read_header, write_safetensors)


class Usage(CommandTest):
    def test_unknown_command_lists_the_commands(self):
        self.refused(2, "serve", says=("serve", "compile", "generate", "inspect"))

    def test_no_command(self):
        self.refused(2)

    def test_unknown_option(self):
        self.refused(2, "generate", ARTIFACT, "--no-such-option")

    def test_generate_without_prompt(self):
        self.refused(2, "generate", ARTIFACT, says=("--prompt",))

    def test_setting_without_value(self):
        self.refused(2, "generate", ARTIFACT, "--prompt-ids", "1", "--set", "x", says=("key=value",))

    def test_unknown_setting_lists_what_exists(self):
        self.refused(2, "generate", ARTIFACT, "--prompt-ids", "1", "--set", "warmth=1",
                     says=("warmth", "temperature"))

    def test_unknown_strategy_lists_what_exists(self):
        self.refused(1, "generate", ARTIFACT, "--prompt-ids", "1", "--strategy", "none",
                     says=("none", "greedy", "beam"))

    def test_prompt_longer_than_the_context(self):
        self.refused(1, "generate", ARTIFACT, "--prompt-ids", ",".join(["1"] * 600),
                     says=("600", "512"))

    def test_ids_outside_the_vocabulary(self):
        self.refused(2, "generate", ARTIFACT, "--prompt-ids", "99999", says=("99999", "263"))

    def test_prompt_text_without_a_tokenizer(self):
        self.refused(1, "generate", ARTIFACT, "--prompt", "hello", says=("tokenizer",))

    def test_unknown_target_and_weights(self):
        self.refused(1, "compile", MODEL, "-o", path("x.plx"), "--target", "cuda", says=("cuda",))
        self.refused(2, "compile", MODEL, "-o", path("x.plx"), "--weights", "q9",
                     says=("q9", "bf16"))
        self.assertFalse(os.path.exists(path("x.plx")))


class BadInput(CommandTest):
    def test_missing_file(self):
        self.refused(1, "inspect", path("absent.plx"), says=("absent.plx",))
        self.refused(1, "compile", path("absent"), "-o", path("x.plx"), says=("absent",))

    def test_not_a_model(self):
        with open(path("text.bin"), "w") as f:
            f.write("not a model")
        self.refused(1, "generate", path("text.bin"), "--prompt-ids", "1", says=("text.bin",))

    def test_truncated_artifacts(self):
        whole = read_bytes(ARTIFACT)
        for size in (6, 40, 5000, len(whole) // 2, len(whole) - 1):
            with open(path("cut.plx"), "wb") as f:
                f.write(whole[:size])
            self.refused(1, "generate", path("cut.plx"), "--prompt-ids", "1", says=("cut.plx",))

    def test_changed_weights_are_found_by_verify(self):
        data = bytearray(read_bytes(ARTIFACT))
        sections = json.loads(plexus("inspect", ARTIFACT, "--json").stdout)["sections"]
        weights = next(s for s in sections if s["name"] == "weights")
        data[weights["offset"] + 100] ^= 1
        with open(path("flip.plx"), "wb") as f:
            f.write(data)
        self.refused(1, "inspect", path("flip.plx"), "--verify", says=("weights",))

    def test_run_refuses_inputs_and_outputs_by_name(self):
        write_safetensors(path("in.safetensors"), {"input_ids": integers([[1, 2, 3]])})
        self.refused(1, "run", ARTIFACT, "--inputs", path("in.safetensors"), "--want", "nothing",
                   says=("nothing", "logits"))
        write_safetensors(path("odd.safetensors"), {"pixels": integers([[1]])})
        self.refused(1, "run", ARTIFACT, "--inputs", path("odd.safetensors"), says=("input_ids",))


class Output(CommandTest):
    def test_generate_is_one_document_and_repeats_itself(self):
        ask = ("generate", ARTIFACT, "--prompt-ids", "1,2,3", "--max-tokens", "6", "--ignore-eos",
               "--json")
        first, second = self.document(*ask), self.document(*ask)
        self.assertEqual(len(first["ids"]), 6)
        self.assertEqual(first["ids"], second["ids"])
        self.assertEqual(first["sequences"][0]["ids"], first["ids"])
        self.assertEqual(first["timing"]["prompt_tokens"], 3)

    def test_beams_come_with_scores(self):
        made = self.document("generate", ARTIFACT, "--prompt-ids", "1,2", "--strategy", "beam",
                             "--set", "num_beams=3", "--max-tokens", "4", "--json")
        self.assertIn("score", made["sequences"][0])

    def test_run_in_pieces_equals_run_at_once(self):
        write_safetensors(path("in.safetensors"), {"input_ids": integers([[5, 6, 7, 8, 9]])})
        for name, more in (("a", ()), ("b", ("--chunks", "2,1,2"))):
            self.document("run", ARTIFACT, "--inputs", path("in.safetensors"), "--outputs",
                          path(name), "--want", "logits", "--want", "hidden_states.1", "--json",
                          *more)
        header = read_header(path("a"))
        self.assertEqual(header["logits"]["shape"], [1, 5, 263])
        self.assertEqual(header["hidden_states.1"]["shape"], [1, 5, 64])
        self.assertEqual(read_header(path("b")), header)

    def test_bench_has_every_repeat(self):
        made = self.document("bench", ARTIFACT, "--prefill", "16", "--decode", "4", "--context",
                             "8", "--reps", "3", "--json")
        self.assertEqual(len(made["prefill"]["seconds"]), 3)
        self.assertEqual(len(made["decode"]["seconds"]), 3)
        self.assertGreater(made["peak_memory_bytes"], 0)

    def test_bench_of_sequences_together(self):
        made = self.document("bench", ARTIFACT, "--prefill", "0", "--decode", "4", "--context",
                             "8", "--batch", "3", "--reps", "1", "--warm-up", "0", "--json")
        self.assertEqual(made["decode"]["tokens"], 12)

    def test_bench_profiles_ops(self):
        made = self.document("bench", ARTIFACT, "--prefill", "16", "--decode", "4", "--context",
                             "8", "--reps", "1", "--profile", "--trace", path("trace.json"),
                             "--html", path("page.html"), "--json")["profile"]
        self.assertGreater(made["ceilings"]["read"], 0)
        self.assertEqual([part["name"] for part in made["parts"]], ["prefill", "decode"])
        for part in made["parts"]:
            names = {(op["segment"], op["op"]) for op in part["ops"]}
            self.assertIn(("attn", "attn.attention"), names)
            self.assertIn(("", "(between steps)"), names)
            self.assertAlmostEqual(sum(op["share_of_time"] for op in part["ops"]), 1, 6)
        head = next(op for op in made["parts"][1]["ops"]
                    if op["segment"] == "head" and "linear" in op["op"])
        # Of each of four steps: the head's 263 x 64 weights, multiplied and added.
        self.assertEqual(head["operations"], 4 * 2 * 263 * 64)
        self.assertGreaterEqual(head["bytes"], 4 * 263 * 64)
        self.assertGreater(head["share_of_ceiling"], 0)
        with open(path("trace.json")) as f:
            events = json.load(f)["traceEvents"]
        self.assertIn("attn.attention", {e["name"] for e in events})
        self.assertTrue(all(e["ph"] == "X" and e["dur"] >= 0 for e in events))
        with open(path("page.html")) as f:
            self.assertIn('"timeline":[[', f.read())

    def test_inspect_and_plugins(self):
        made = self.document("inspect", ARTIFACT, "--verify", "--json")
        self.assertTrue(made["verified"])
        self.assertEqual(made["program"]["model"]["vocab_size"], 263)
        listed = self.document("plugins", "--load", "--json")["plugins"]
        ids = {p["id"] for plugin in listed for p in plugin["provides"]}
        self.assertLessEqual({"greedy", "beam", "llama", "temperature"}, ids)


if __name__ == "__main__":
    main()
