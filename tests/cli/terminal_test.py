"""Progress bars: drawn on a terminal while long work goes on, taken away at its end, never in a pipe."""
import os
import pty
import subprocess

from harness import ARTIFACT, FOLDER, KJV, MODEL, PLEXUS, CommandTest, main, path, plexus

VALID = os.path.join(os.path.dirname(KJV), "kjv-valid.txt")
LONG_WORK = {
    "compile": ("compile", MODEL, "--no-cache", "-o", path("again.plx")),
    "pack": ("compile", MODEL, "--no-cache", "-o", path("again.plx")),
    "score": ("perplexity", KJV, "--text", VALID, "--max-tokens", "2048"),
    "prefill": ("bench", ARTIFACT, "--reps", "3"),
    "decode": ("bench", ARTIFACT, "--reps", "3"),
    "verify": ("inspect", ARTIFACT, "--verify"),
}


def on_terminal(*arguments):
    """The exit code, and what a command writes to stderr where that is a terminal."""
    main_end, terminal = pty.openpty()
    with subprocess.Popen([PLEXUS, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=terminal, env=dict(os.environ, XDG_CACHE_HOME=FOLDER.name)) as process:
        os.close(terminal)
        seen = b""
        while True:
            try:
                data = os.read(main_end, 65536)
            except OSError:  # the other end is closed
                data = b""
            if not data:
                break
            seen += data
    os.close(main_end)
    return process.returncode, seen.decode()


class Bars(CommandTest):
    def test_long_work_draws_a_bar_on_a_terminal_and_takes_it_away(self):
        for phase, ask in LONG_WORK.items():
            with self.subTest(phase=phase):
                code, seen = on_terminal(*ask)
                self.assertEqual(code, 0, seen)
                self.assertRegex(seen, rf"{phase} +\[=* *\] +\d+%")
                # Nothing of the last bar is left on its line.
                last = seen[seen.rindex("\x1b[K"):]
                self.assertNotIn("%", last)

    def test_nothing_is_drawn_in_a_pipe(self):
        for ask in LONG_WORK.values():
            result = plexus(*ask)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertNotIn("\r", result.stderr)
            self.assertNotIn("[=", result.stderr)


if __name__ == "__main__":
    main()
