"""Peers in processes of their own, of which one runs at a time."""
import json
import os
import select
import signal
import subprocess
import time

from . import Refused

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def pinned(threads, priority=0):
    """A command that keeps what follows it on the last `threads` cores (the system's own work
    prefers the first), before all other work of the machine if `priority` is 1 to 99."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[-threads:]))
    first = ["chrt", "-f", str(priority)] if priority else []
    return [*first, "taskset", "-c", cores, "env", f"OMP_NUM_THREADS={threads}"]


class Peer:
    """A worker behind the command `pinned`; stopped (SIGSTOP) whenever it is not asked, so
    that threads that spin do not disturb the one whose turn it is. One that takes more than `limit`
    seconds for an answer is killed; 0: none."""

    def __init__(self, python, module, pinned, environment, log, limit=0):
        self.module, self.log, self.limit = module, log, limit
        env = os.environ | environment
        self.process = subprocess.Popen(
            [*pinned, python, "-m", "peers.worker", module], cwd=HERE, env=env,
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            start_new_session=True)

    def ask(self, call, **arguments):
        """The answer; Refused with the peer's reason, also where the process died."""
        self.signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps({"call": call, "arguments": arguments}) + "\n")
            self.process.stdin.flush()
            answers = select.select([self.process.stdout], [], [], self.limit or None)[0]
            if not answers:
                self.signal(signal.SIGKILL)
                raise Refused(f"{call} took more than {self.limit} s")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self.process.wait()
            died = signal.Signals(-code).name if code < 0 else f"code {code}"
            raise Refused(f"its process ended with {died}")
        self.signal(signal.SIGSTOP)
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["ok"]

    def signal(self, number):
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def close(self):
        self.signal(signal.SIGCONT)
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()


class Quiet:
    """While a command of the user's runs: it says a line when the machine is quiet, and ends when
    its stdin does. Without a command, nothing."""

    def __init__(self, command):
        self.command = command

    def __enter__(self):
        self.process = None
        if self.command:
            self.process = subprocess.Popen(self.command, shell=True, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE)
            self.process.stdout.readline()
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def load_average():
    """Other work on the machine, as the system counts it."""
    return os.getloadavg()[0]


def now():
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
