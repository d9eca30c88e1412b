"""``cystgrid serve`` as a person starts it, and raw requests that no client library would send."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cystgrid.page.reading import take_up_reader
from cystgrid.page.watched import Watched


@cache
def reading(model):
    """The process that reads studies with a model; all tests of a session share it."""
    return Watched(take_up_reader, model).__enter__()


@dataclass
class Live:
    """A page that runs.

    Attributes:
        link: as it was printed.
        process: its program.
    """

    link: str
    process: subprocess.Popen

    @property
    def port(self):
        return urlsplit(self.link).port

    @property
    def token(self):
        return parse_qs(urlsplit(self.link).query)["token"][0]

    @property
    def memory(self):
        """Resident bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def raw(self, *pieces, timeout=20):
        """What comes back for bytes sent as they are: status, headers in lower case, body."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as line:
            for piece in pieces:
                try:
                    line.sendall(piece)
                except OSError:
                    break  # it has answered and closed already
            answer = b""
            while True:
                try:
                    more = line.recv(65536)
                except ConnectionResetError:
                    break
                if not more:
                    break
                answer += more
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split()[1]) if first else 0
        return status, dict(line.lower().split(": ", 1) for line in lines), body

    def children(self):
        """Processes of its own, by number."""
        name = f"/proc/{self.process.pid}/task"
        return {
            int(number)
            for thread in Path(name).iterdir()
            for number in (thread / "children").read_text().split()
        }

    def begun(self, path, body, **headers):
        """A connection on which a request was sent, and nothing received."""
        line = socket.create_connection(("127.0.0.1", self.port), 20)
        line.sendall(self._request(path, "POST", True, body, headers))
        return line

    def ask(self, path, method="GET", token=True, body=b"", timeout=20, **headers):
        """One request, its path sent as it is."""
        return self.raw(self._request(path, method, token, body, headers), timeout=timeout)

    def _request(self, path, method, token, body, headers):
        stated = {"Host": f"127.0.0.1:{self.port}", "Connection": "close"}
        if token:
            stated["Cookie"] = f"cystgrid-{self.port}={self.token}"
        if body:
            stated["Content-Length"] = str(len(body))
        stated |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in stated.items() if v)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@contextmanager
def serving(model, studies, *options):
    """Start it on a free port; end it by Ctrl-C, after which it must have said nothing amiss."""
    command = [sys.executable, "-c", "from cystgrid.cli import main; main()", "serve",
               str(model), "-o", str(studies), "--port", "0", *map(str, options)]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "PYTHONUNBUFFERED": "1"})  # fmt: skip
    try:
        found = next(filter(None, (re.search(r"http://\S+", line) for line in server.stdout)))
        yield Live(found[0], server)
    finally:
        server.send_signal(signal.SIGINT)
        _, told = server.communicate(timeout=60)
    assert server.returncode == 0, told
    assert told == "", told[:2000]  # neither warnings nor names
