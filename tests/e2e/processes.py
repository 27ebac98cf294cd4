"""Programs that the tests start, and end by their own process ids."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time


@contextlib.contextmanager
def server(command, log, is_up, env=None, seconds=60):
    """Starts a server that writes into the file `log`, waits until `is_up()`, and ends it."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A process group of its own: what the server starts ends with it.
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    try:
        deadline = time.monotonic() + seconds
        while not is_up():
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{tail(log)}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} is not up after {seconds} s:\n{tail(log)}")
            time.sleep(0.05)
        yield process
    finally:
        end(process)


def end(process):
    """Asks a server's process group to end, and makes it end if it does not."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, request)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
            return


def end_with_parent():
    """Linux ends this process when the one that started it is gone, however that came about."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def tail(path, lines=40):
    with open(path, errors="replace") as log:
        return "".join(log.readlines()[-lines:])
