"""Wrong input of every kind: the message says what is wrong and what would be right, nothing is left
behind, and the exit code is 1 for what failed, 2 for what was asked wrongly."""
import ctypes
import json
import os
import resource
import signal
import stat
import subprocess

from harness import (ARTIFACT, KJV, MODEL, PLEXUS, CommandTest, integers, main, path, plexus,
                     write_safetensors)

COMMANDS = ("compile", "generate", "run", "embed", "tokenize", "perplexity", "bench", "inspect",
            "plugins")
ASKS = {"generate": ("--prompt-ids", "1"), "run": ("--inputs", "in.safetensors"),
        "embed": ("--text", "a"), "tokenize": ("--text", "a"), "perplexity": ("--text", "-"),
        "bench": (), "inspect": (), "compile": ("-o", "never.plx")}


def write(name, data):
    with open(path(name), "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return path(name)


def model_folder(name, **config):
    os.makedirs(path(name), exist_ok=True)
    if config:
        write(os.path.join(name, "config.json"), json.dumps(config))
    return path(name)


class Help(CommandTest):
    def test_every_command_has_help_with_an_example(self):
        for command in COMMANDS:
            result = plexus(command, "--help")
            self.assertEqual(result.returncode, 0, command)
            self.assertIn(f"  plexus {command}", result.stdout)
            self.assertEqual(result.stderr, "")


class Models(CommandTest):
    """Things that are no model, given to every command that takes one."""

    def refused_everywhere(self, model, says, but=()):
        for command, arguments in ASKS.items():
            if command in but:
                continue
            with self.subTest(command=command):
                arguments = [path(a) if a.endswith(("tensors", "plx")) else a for a in arguments]
                self.refused(1, command, model, *arguments, says=says)
        self.assertFalse(os.path.exists(path("never.plx")))

    def setUp(self):
        write_safetensors(path("in.safetensors"), {"input_ids": integers([[1, 2, 3]])})

    def test_missing(self):
        self.refused_everywhere(path("absent"), says=("absent", "no such"))

    def test_folder_without_a_config(self):
        # A tokenizer alone is enough to tokenize.
        self.refused_everywhere(model_folder("bare"), says=("bare", "config.json"),
                                but=("tokenize",))
        self.refused(1, "tokenize", path("bare"), "--text", "a", says=("tokenizer.json",))

    def test_files_of_other_kinds(self):
        for name, data in (("empty", b""), ("note.txt", "not a model"), ("cut.gguf", b"GGUF\3\0"),
                           ("in.mlir", "module {"), ("cut.plx", b"PLEXUS")):
            self.refused_everywhere(write(name, data), says=(name,))

    def test_a_weight_file_instead_of_its_folder(self):
        self.refused_everywhere(path("in.safetensors"), says=("in.safetensors", "directory"))

    def test_configs_that_are_none(self):
        for text in ("", "[]", "{", '{"model_type": 3}'):
            folder = model_folder("odd")
            write("odd/config.json", text)
            self.refused(1, "compile", folder, "-o", path("never.plx"), says=("config.json",))

    def test_unknown_model_type_says_what_there_is_and_how_to_add_one(self):
        folder = model_folder("new", model_type="novel")
        write_safetensors(path("new/model.safetensors"), {"weight": integers([[1]])})
        self.refused(1, "compile", folder, "-o", path("never.plx"),
                     says=("novel", "llama", "writing-a-family"))


class Prompts(CommandTest):
    def test_empty(self):
        made = self.document("generate", KJV, "--prompt", "", "--max-tokens", "2", "--json")
        self.assertEqual(made["timing"]["prompt_tokens"], 1)  # the tokenizer's BOS
        self.refused(2, "generate", KJV, "--prompt-ids", "", says=("--prompt-ids",))

    def test_invalid_utf8_counts_as_replacement_characters(self):
        bad = self.document("generate", KJV, "--prompt", b"a \xff\xfe b", "--max-tokens", "4", "--json")
        good = self.document("generate", KJV, "--prompt", "a \ufffd\ufffd b", "--max-tokens", "4",
                             "--json")
        self.assertEqual(bad["ids"], good["ids"])
        self.assertEqual(self.document("tokenize", KJV, "--text", "-", "--json", stdin=b"\xc3")["offsets"][-1],
                         [0, 1])

    def test_longer_than_the_context(self):
        self.refused(1, "generate", KJV, "--prompt", "and " * 600, says=("602", "512"))
        self.refused(1, "generate", KJV, "--prompt", "-", stdin="and " * 600, says=("602", "512"))

    def test_stdin_without_text(self):
        made = plexus("generate", KJV, "--prompt", "-", "--max-tokens", "1")
        self.assertEqual(made.returncode, 0, made.stderr)

    def test_numbers_out_of_range(self):
        for option, value in (("--max-tokens", "0"), ("--max-tokens", "-3"), ("--max-tokens", "x"),
                              ("--temperature", "-1"), ("--temperature", "warm"), ("--top-p", "1.5"),
                              ("--top-k", "-1"), ("--min-p", "2"), ("--threads", "0"),
                              ("--repetition-penalty", "0"), ("--prompt-ids", "-1"),
                              ("--seed", "-1"), ("--eos", "x")):
            with self.subTest(option=option, value=value):
                prompt = () if option == "--prompt-ids" else ("--prompt-ids", "1")
                word = option.lstrip("-").replace("-", "_")
                result = plexus("generate", ARTIFACT, *prompt, f"{option}={value}")
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertEqual(result.stdout, "")
                self.assertIn(word, result.stderr.replace("-", "_"))

    def test_chat_without_a_template(self):
        self.refused(1, "generate", KJV, "--chat", "--prompt", "a", says=("chat template",))

    def test_options_of_strategies(self):
        ask = ("generate", ARTIFACT, "--prompt-ids", "1")
        self.refused(2, *ask, "--strategy", "beam", "--set", "num_beams=0", says=("num_beams", "256"))
        self.refused(2, *ask, "--strategy", "beam", "--set", "beams=2", says=("beams", "num_beams"))
        self.refused(1, *ask, "--strategy", "beam", "--temperature", "1", says=("beam", "sample"))
        self.refused(2, *ask, "--strategy", "speculate", says=("--draft",))
        draft = ("--strategy", "speculate", "--draft", ARTIFACT)
        for tree in ("", "x", "0", "65", "64,64"):
            self.refused(2, *ask, *draft, "--set", f"tree={tree}", says=("tree",))

    def test_drafts_of_other_kinds(self):
        ask = ("generate", KJV, "--prompt", "a", "--strategy", "speculate", "--draft")
        self.refused(1, *ask, ARTIFACT, says=("m.plx", "tokenizer", "263", "4096"))
        self.refused(1, *ask, path("absent"), says=("absent",))
        encoder = MODEL.replace("llama", "bert")
        self.refused(1, *ask, encoder, says=("bert", "causal"))

    def test_encoders_do_not_generate(self):
        encoder = MODEL.replace("llama", "bert")
        self.refused(1, "generate", encoder, "--prompt-ids", "1", says=("bert", "causal"))


class Lengths(CommandTest):
    def test_bench_beyond_the_context_says_what_fits(self):
        self.refused(2, "bench", ARTIFACT, "--prefill", "513", says=("513", "at most 512"))
        self.refused(2, "bench", ARTIFACT, "--prefill", "8", "--context", "500", "--decode", "20",
                     says=("520", "512", "shorten one by 8"))

    def test_bench_without_lengths_fits_the_context(self):
        made = self.document("bench", ARTIFACT, "--reps", "1", "--json")
        self.assertEqual(made["prefill"]["tokens"], 512)
        self.assertEqual(made["decode"]["context"] + made["decode"]["tokens"], 512)

    def test_windows_beyond_the_context(self):
        self.refused(2, "perplexity", KJV, "--text", write("a.txt", "a b c"), "--window", "600",
                     says=("600", "512"))

    def test_texts_without_a_token_or_that_are_missing(self):
        self.refused(2, "perplexity", KJV, "--text", write("none.txt", ""), says=("none.txt",))
        self.refused(1, "perplexity", KJV, "--text", path("absent.txt"), says=("absent.txt",))


class Tensors(CommandTest):
    def run_on(self, name, rows, says, code=1):
        write_safetensors(path("odd.safetensors"), {name: integers(rows)})
        self.refused(code, "run", ARTIFACT, "--inputs", path("odd.safetensors"), says=says)

    def test_inputs_that_are_missing_or_do_not_fit(self):
        self.run_on("pixels", [[1]], says=("input_ids", "missing"))
        self.run_on("input_ids", [[1, 99999]], says=("99999", "263"), code=2)
        self.run_on("input_ids", [[1] * 513], says=("513", "512"))
        self.run_on("attention_mask", [[1]], says=("input_ids",))

    def test_files_that_are_no_tensors(self):
        self.refused(1, "run", ARTIFACT, "--inputs", path("absent.safetensors"),
                     says=("absent.safetensors",))
        self.refused(1, "run", ARTIFACT, "--inputs", write("bad.safetensors", "x"),
                     says=("bad.safetensors",))

    def test_chunks_that_do_not_add_up(self):
        write_safetensors(path("in.safetensors"), {"input_ids": integers([[1, 2, 3]])})
        self.refused(2, "run", ARTIFACT, "--inputs", path("in.safetensors"), "--chunks", "1,1",
                     says=("chunks", "3"))

    def test_settings_are_not_ignored(self):
        write_safetensors(path("in.safetensors"), {"input_ids": integers([[1, 2, 3]])})
        self.refused(1, "run", ARTIFACT, "--inputs", path("in.safetensors"), "--set", "a=b",
                     says=("no option", "a"))


class Lines(CommandTest):
    def test_tokenize_names_the_line(self):
        for line in ("{", '{"pair": "a"}', '{"text": 1}', '{"text": "a", "texts": "b"}'):
            result = plexus("tokenize", KJV, "--jsonl", stdin='{"text": "a"}\n' + line + "\n")
            self.assertEqual(result.returncode, 1)
            self.assertIn("line 2", result.stderr)

    def test_tokenize_refuses_ids_that_are_none(self):
        self.refused(2, "tokenize", KJV, "--ids", "1,x", says=("--ids",))
        self.refused(2, "tokenize", KJV, "--ids", "99999", says=("99999", "4096"))

    def test_embed_without_text(self):
        self.refused(2, "embed", KJV, says=("--text", "--lines"))


def small_files():
    """Files end at 64 KiB; the write fails instead of ending the process."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))


def small_disk(folder):
    """A file system of 64 KiB in this folder, seen by this process alone; False where it may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    private = libc.unshare(0x00020000) == 0 and libc.mount(b"none", b"/", None, 0x44000, None) == 0
    return private and libc.mount(b"none", folder.encode(), b"tmpfs", 0, b"size=64k") == 0


class FullDisks(CommandTest):
    def test_output_that_does_not_fit_leaves_nothing(self):
        result = plexus("compile", MODEL, "-o", path("full/m.plx"), preexec_fn=self.on_small_disk)
        if result.returncode == 77:
            self.skipTest("no right to mount a small file system")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("No space left", result.stderr)
        self.assertIn("full/m.plx", result.stderr)

    def on_small_disk(self):
        os.makedirs(path("full"), exist_ok=True)
        if not small_disk(path("full")):
            os._exit(77)

    def test_file_size_limits_leave_nothing(self):
        folder = path("limited")
        os.makedirs(folder)
        write_safetensors(path("in.safetensors"), {"input_ids": integers([list(range(100))])})
        for ask in (("compile", MODEL, "-o", folder + "/m.plx"),
                    ("run", ARTIFACT, "--inputs", path("in.safetensors"), "--outputs",
                     folder + "/out.safetensors")):
            result = plexus(*ask, preexec_fn=small_files)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn("File too large", result.stderr)
            self.assertEqual(os.listdir(folder), [])

    def test_stdout_that_is_full(self):
        for ask in (("inspect", ARTIFACT, "--json"), ("plugins",), ("compile", MODEL, "--emit", "mlir"),
                    ("generate", ARTIFACT, "--prompt-ids", "1", "--max-tokens", "2")):
            with open("/dev/full", "wb") as full:
                result = plexus(*ask, stdout=full)
            self.assertEqual(result.returncode, 1, ask)
            self.assertIn("stdout cannot be written: No space left", result.stderr)

    def test_devices_and_folders_are_not_replaced(self):
        os.mkfifo(path("pipe"))
        for ask in ((path("pipe"),), (path("pipe"), "--emit", "mlir"), (os.path.dirname(ARTIFACT),)):
            self.refused(2, "compile", MODEL, "-o", *ask, says=("expected a file",))
        self.assertTrue(stat.S_ISFIFO(os.stat(path("pipe")).st_mode))

    def test_folders_that_are_missing_or_may_not_be_written(self):
        self.refused(1, "compile", MODEL, "-o", path("no/such/m.plx"), says=("no/such/m.plx",))
        self.refused(1, "compile", MODEL, "-o", "/proc/m.plx", says=("/proc/m.plx",))

    def test_a_cache_that_cannot_be_written_is_said(self):
        result = plexus("generate", MODEL, "--cache", "/proc/none", "--prompt-ids", "1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/proc/none", result.stderr)


class Plugins(CommandTest):
    def test_files_that_are_no_plugins_are_refused_before_anything_runs(self):
        text = write("text.so", "not a plugin")
        self.refused(1, "generate", ARTIFACT, "--prompt-ids", "1", "--plugin", text, says=("text.so",))
        listed = plexus("plugins", "--plugin", text)
        self.assertEqual(listed.returncode, 0)
        self.assertIn("REFUSED", listed.stdout)

    def test_a_reader_that_goes_away_is_no_crash(self):
        with subprocess.Popen([PLEXUS, "inspect", ARTIFACT, "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            process.stdout.close()
            process.stderr.read()
            self.assertIn(process.wait(), (1, -signal.SIGPIPE))


if __name__ == "__main__":
    main()
