"""Clients: connections that stay, and new ones again and again."""

import dataclasses
import http.client
import socket
import threading
import time

from account import NotAsked

# A Network Load Balancer forgets a connection on which nothing was sent for 350 s.
EVERY_SECONDS = 30


@dataclasses.dataclass
class Connection:
    """One that stays open, and when and how it ended if it did."""

    opened: float
    server: str
    ended: float | None = None
    how: str | None = None


def ask(address, port=80, timeout=10, headers=None):
    """The name of the task set that answers a new connection, and the answer's headers."""
    client = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        client.request("GET", "/", headers=headers or {})
        answer = client.getresponse()
        return answer.read().decode(), answer
    finally:
        client.close()


def reach(account, address, port=80, seconds=300):
    """Waits until a load balancer answers. Its name is in DNS a while after its creation."""
    seen = []

    def answers():
        try:
            return ask(address, port)
        except (OSError, http.client.HTTPException) as error:
            seen.append(error)
            return None

    try:
        account.until("the load balancer answers", answers, seconds, every=10)
    except NotAsked as error:
        why = f"no connection to {address} from here: {type(seen[-1]).__name__} {seen[-1]}" if seen else str(error)
        raise NotAsked(why) from error


class Held:
    """Connections that stay open, each with a line back and forth every half minute, in the background."""

    def __init__(self, address, port, count, every=EVERY_SECONDS):
        self.address = address
        self.port = port
        self.every = every
        self.began = time.monotonic()
        self.ending = threading.Event()
        self.connections = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.hold, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def hold(self):
        try:
            client = socket.create_connection((self.address, self.port), timeout=30)
        except OSError:
            return
        with client, client.makefile("rwb") as lines:
            held = None
            try:
                while not self.ending.is_set():
                    lines.write(b"still here\n")
                    lines.flush()
                    answer = lines.readline()
                    if not answer:
                        raise EOFError("closed by the other side")
                    if held is None:
                        held = Connection(self.seconds(), answer.split()[0].decode())
                        with self.lock:
                            self.connections.append(held)
                    self.ending.wait(self.every)
            except (OSError, EOFError) as error:
                if held:
                    held.ended, held.how = self.seconds(), f"{type(error).__name__}: {error}"

    def seconds(self):
        return time.monotonic() - self.began

    def ended(self):
        return sorted((one for one in self.connections if one.ended is not None), key=lambda one: one.ended)

    def close(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(timeout=60)


def visits(account, address, port, seconds):
    """A new connection a second: the seconds since the beginning, and which task set answered (or the error)."""
    began = account.elapsed()
    answers = []
    while (at := account.elapsed() - began) < seconds:
        try:
            answers.append((at, ask(address, port)[0]))
        except (OSError, http.client.HTTPException) as error:
            answers.append((at, type(error).__name__))
        account.sleep(1)
    return answers
