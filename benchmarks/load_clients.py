"""A page in a process of its own, and many clients of it in this one, by plain connections."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

from cystgrid.preparation.store import Store, patient_folder
from cystgrid.provenance import digest, sha256_bytes

EDGE = "edge-of-a-benchmark"
MOST_LINES = 280
"""Connections at a time: the page takes 300."""

MEGABYTE = 1e6


@dataclass(frozen=True)
class Page:
    """A page that runs.

    Attributes:
        port, token: of its link.
        number: of its process.
    """

    port: int
    token: str
    number: int

    def children(self) -> set[int]:
        """Numbers of its processes."""
        tasks = Path(f"/proc/{self.number}/task")
        return {
            int(each)
            for task in tasks.iterdir()
            for each in (task / "children").read_text().split()
        }


@contextmanager
def serving(model: Path, folder: Path) -> Iterator[Page]:
    """``cystgrid serve`` on a free port, until the end of the block."""
    command = [sys.executable, "-c", "from cystgrid.cli import main; main()", "serve",
               str(model), "-o", str(folder), "--port", "0"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONUNBUFFERED": "1"}) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            link = next(filter(None, (re.search(r"http://\S+", line) for line in server.stdout)))
            parts = urlsplit(link[0])
            yield Page(parts.port or 0, parse_qs(parts.query)["token"][0], server.pid)
        finally:
            server.send_signal(signal.SIGINT)


def megabytes(number: int) -> float:
    """Resident memory of a process; 0 for one that has gone."""
    try:
        pages = Path(f"/proc/{number}/statm").read_text().split()[1]
    except OSError:
        return 0.0
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def requests_of(prepared: Path, page: Page, count: int, seed: int = 0) -> list[bytes]:
    """Requests for patients ``D0``, ``D1``, ...: a prepared one's voxels, each scaled at random."""
    store = Store.open(prepared)
    place = patient_folder(prepared, store.patients[0])
    card = json.loads((place / "patient.json").read_bytes())
    crop = (place / "crop.npy").read_bytes()
    settings = store.settings.model_dump_json().encode()
    head = crop.index(b"\n") + 1
    voxels = np.frombuffer(crop[head:], np.float32)
    draw = np.random.default_rng(seed)
    del card["sha256"]
    made = []
    for number in range(count):
        scaled = voxels * draw.uniform(0.4, 1.6, voxels.size).astype(np.float32)
        mine = crop[:head] + scaled.tobytes()
        told = {**card, "patient": f"D{number}", "crop_sha256": sha256_bytes(mine)}
        sealed = json.dumps({**told, "sha256": digest(told)}).encode()
        made.append(_request(page, {"card": sealed, "crop": mine, "settings": settings}))
    return made


def crop_of(request: bytes) -> bytes:
    """The crop.npy in a request of ours."""
    return request.split(b'name="crop"; filename="x"\r\n\r\n')[1].split(f"\r\n--{EDGE}".encode())[0]


def _request(page: Page, parts: dict[str, bytes]) -> bytes:
    pieces = [
        f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode()
        + part
        for name, part in parts.items()
    ]
    body = b"\r\n".join([*pieces, f"--{EDGE}--\r\n".encode()])
    head = [
        "POST /api/grade HTTP/1.1", f"Host: 127.0.0.1:{page.port}",
        f"Authorization: Bearer {page.token}", f"Content-Length: {len(body)}",
        f"Content-Type: multipart/form-data; boundary={EDGE}", "", "",
    ]  # fmt: skip
    return "\r\n".join(head).encode() + body


@dataclass(frozen=True)
class Told:
    """One answer.

    Attributes:
        status: of HTTP; 0 where the connection broke.
        seconds: from the request's first byte to the answer's last.
        at: when it came, on the clock of ``time.perf_counter``.
        headers: names in lower case.
        body: as it came.
    """

    status: int
    seconds: float
    at: float
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Client:
    """One connection at a time to a page, kept between requests."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Told:
        """Send a request and wait for its answer."""
        begun = time.perf_counter()
        try:
            if self._line is not None and self._line[0].at_eof():
                self.close()  # the page keeps an idle one for seconds, and no longer
            if self._line is None:
                self._line = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self._line
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            now = time.perf_counter()
            return Told(0, now - begun, now)
        now = time.perf_counter()
        if headers.get("connection") == "close":
            self.close()
        return Told(int(first.split()[1]), now - begun, now, headers, body)

    def close(self) -> None:
        """Give the connection up."""
        if self._line is not None:
            self._line[1].close()
            self._line = None


async def in_turn(page: Page, requests: Sequence[bytes], clients: int, end: float) -> list[Told]:
    """So many clients, each asking as soon as it was answered, until a time of ``perf_counter``."""

    async def one(first: int) -> list[Told]:
        client, told, number = Client(page.port), [], first
        while time.perf_counter() < end:
            told.append(await client.ask(requests[number % len(requests)]))
            number += clients
        client.close()
        return told

    found = await asyncio.gather(*(one(number) for number in range(clients)))
    return [each for several in found for each in several]


async def each_once(page: Page, requests: Sequence[bytes], clients: int) -> list[Told]:
    """The answers to all requests, in order; each is asked once."""
    told: list[Told | None] = [None] * len(requests)
    left = iter(range(len(requests)))

    async def one() -> None:
        client = Client(page.port)
        for number in left:
            told[number] = await client.ask(requests[number])
        client.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return [each for each in told if each is not None]


async def at_rate(
    page: Page, requests: Sequence[bytes], rate: float, seconds: float
) -> tuple[list[Told], int]:
    """Requests that begin so many times a second, whatever becomes of those before.

    Returns:
        Answers, and how many requests were not sent as all connections were waiting.
    """
    idle: list[Client] = []
    told: list[Told] = []
    open_now: set[asyncio.Task[None]] = set()
    unsent = 0

    async def one(client: Client, request: bytes) -> None:
        told.append(await client.ask(request))
        idle.append(client)

    begun = time.perf_counter()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(begun + number / rate - time.perf_counter(), 0))
        if time.perf_counter() > begun + seconds:
            unsent += int(rate * seconds) - number
            break
        if len(open_now) >= MOST_LINES:
            unsent += 1
            continue
        client = idle.pop() if idle else Client(page.port)
        task = asyncio.create_task(one(client, requests[number % len(requests)]))
        open_now.add(task)
        task.add_done_callback(open_now.discard)
    await asyncio.gather(*open_now)
    for client in idle:
        client.close()
    return told, unsent
