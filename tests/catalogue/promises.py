"""What is promised of every case, checked one by one; each broken promise is a sentence."""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from catalogue.cohort_cases import CommandCase, SeenCommand
from catalogue.framework import DONE, REFUSED, Case, Seen
from catalogue.running import Run
from catalogue.sound import SECRET, SECRET_DATE
from cystgrid.scans.settings import ReadLimits

MAX_SECONDS = 10.0
BEYOND_THE_LIMIT = 512 * 2**20
"""Bytes of memory that reading may take beyond the limit on inflated bytes."""


def broken(one: Case, seen: Seen) -> list[str]:
    """Every promise that a case shows to be broken; empty if cystgrid does as it must."""
    found = [*cost(seen.run), *_others_go_on(seen), *secrets(seen.run, *seen.outputs)]
    if one.do == "refuse":
        return [*found, *_ended(seen.run, REFUSED), *_refused(one, seen), *_nothing_left(seen)]
    found += [*_ended(seen.run, DONE), *_used(one, seen)]
    return found or ([] if one.do == "flag" else list(_same_as_twin(seen)))


def cost(run: Run, limits: ReadLimits | None = None) -> Iterator[str]:
    """Time and memory are bounded; nothing crashes."""
    limits = limits or ReadLimits()
    if run.exit_code is None or run.exit_code < 0:
        yield f"it crashed or hung: exit code {run.exit_code}"
    if run.seconds > MAX_SECONDS:
        yield f"it took {run.seconds:.0f} s"
    if run.growth > limits.max_inflated_bytes + BEYOND_THE_LIMIT:
        yield f"it took {run.growth / 2**20:.0f} MB"
    if "Traceback" in run.stderr + run.stdout:
        yield f"a traceback: {run.stderr}"
    if run.left_in_tmp:
        yield f"left among the temporary files: {run.left_in_tmp}"


def _ended(run: Run, code: int) -> Iterator[str]:
    if run.exit_code != code:
        yield f"exit code {run.exit_code}, expected {code}: {run.stderr.strip()}"


def broken_by_command(one: CommandCase, seen: SeenCommand) -> list[str]:
    """As ``broken``, of a case of the whole cohort."""
    run = seen.run
    found = [*cost(run), *secrets(run, seen.folder / "prepared"), *_ended(run, one.exit_code)]
    said = " ".join((run.stderr + run.stdout).split())
    found += [f"{word!r} is not said: {said[:1000]}" for word in _unsaid(one.says, said)]
    if str(seen.folder) in said:
        found.append(f"a path is shown: {said[:1000]}")
    if one.do == "refuse" and len(run.stderr.splitlines()) != one.lines:
        found.append(f"{len(run.stderr.splitlines())} lines, expected {one.lines}: {run.stderr}")
    if one.nothing_written and (seen.folder / one.nothing_written).exists():
        found.append(f"{one.nothing_written} was written")
    return found


def _others_go_on(seen: Seen) -> Iterator[str]:
    """The good patient is prepared, and the input is as it was."""
    card = seen.place("good") / "patient.json"
    if not card.is_file():
        yield f"the good patient was not prepared: {seen.run.stderr.strip()}"
    outside = {
        path
        for path in seen.folder.rglob("*")
        if not any(output in (path, *path.parents) for output in seen.outputs)
    }
    if outside != seen.before:
        yield f"files beside the output: {outside ^ seen.before}"


def _refused(one: Case, seen: Seen) -> Iterator[str]:
    """One line for each bad patient, with the column and the fault, and no path."""
    if len(seen.lines) != len(seen.bad):
        yield f"{len(seen.lines)} lines for {len(seen.bad)} patients: {seen.run.stderr}"
    for patient in seen.bad:
        lines = seen.lines_of(patient)
        if len(lines) != 1:
            yield f"{len(lines)} lines refuse {patient}: {seen.run.stderr}"
            continue
        reason = lines[0].split(": ", 2)[2]
        if not re.search(rf"\b{one.column}\b", reason):
            yield f"the column {one.column} is not named: {lines[0]}"
        yield from (f"{word!r} is not said: {lines[0]}" for word in _unsaid(one.says, reason))
        if str(seen.folder) in lines[0]:
            yield f"a path is shown: {lines[0]}"


def _unsaid(says: tuple[str, ...], *sentences: str) -> list[str]:
    return [
        pattern
        for pattern in says
        if not any(re.search(pattern, sentence, re.IGNORECASE) for sentence in sentences)
    ]


def _nothing_left(seen: Seen) -> Iterator[str]:
    """PREPARED holds the sound patients, whole, and nothing of the refused ones."""
    expected = {"good", seen.twin}
    index = seen.folder / "prepared" / "prepared.json"
    if not index.is_file():
        yield "PREPARED has no index"
        return
    folders = {path.name for path in (seen.folder / "prepared" / "patients").iterdir()}
    if folders != expected:
        yield f"PREPARED holds {folders}, expected {expected}"
    listed = set(json.loads(index.read_text("utf-8"))["patients"])
    if listed != expected:
        yield f"prepared.json lists {listed}, expected {expected}"
    partial = [path for path in (seen.folder / "prepared").rglob("*") if ".tmp" in path.name]
    if partial:
        yield f"half-written files: {partial}"


def _used(one: Case, seen: Seen) -> Iterator[str]:
    """Each patient is prepared, and what was done about the case stands in the flags."""
    for patient in seen.bad:
        if not (seen.place(patient) / "crop.npy").is_file():
            yield f"{patient} was not prepared: {seen.run.stderr.strip()}"
            continue
        flags = seen.flags(patient)
        yield from (
            f"{word!r} is not among the flags {flags}" for word in _unsaid(one.says, *flags)
        )
        if str(seen.folder) in "".join(flags):
            yield f"a path is shown: {flags}"


def _same_as_twin(seen: Seen) -> Iterator[str]:
    """The crop's bytes, its place in space and its landmarks equal the sound twin's."""
    twin = seen.card(seen.twin)
    for patient in seen.bad:
        card = seen.card(patient)
        for key in ("crop_sha256", "affine", "percentiles", "alignment"):
            if card[key] != twin[key]:
                yield f"{patient}: {key} differs from its sound twin"


def secrets(run: Run, *folders: Path) -> list[str]:
    """Where a person's name or birth date got out: words, file names, bytes, packed or not."""
    holders = {"stdout": run.stdout.encode(), "stderr": run.stderr.encode()}
    for folder in folders:
        for path in folder.rglob("*"):
            name = str(path.relative_to(folder.parent))
            holders[f"the name {name}"] = name.encode()
            if path.is_file():
                holders[name] = b"".join(_layers(path))
    return [
        f"{place} shows {word!r}"
        for place, content in holders.items()
        for word in (SECRET, SECRET_DATE)
        if word.lower().encode() in content.lower()
    ]


def _layers(path: Path) -> Iterator[bytes]:
    """A file's bytes; of a picture its chunks unpacked, of JSON its text without escapes."""
    content = path.read_bytes()
    yield content
    if path.suffix == ".json":
        yield json.dumps(json.loads(content), ensure_ascii=False).encode()
    if path.suffix == ".png":
        yield from _png_chunks(content)


def _png_chunks(content: bytes) -> Iterator[bytes]:
    """Pixels and packed text of a picture (PNG, 5.3 and 11.3.3)."""
    at, pixels = 8, b""
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        chunk = content[at + 8 : at + 8 + size]
        if kind == b"IDAT":
            pixels += chunk
        elif kind in (b"zTXt", b"iTXt", b"iCCP"):
            yield _inflated(chunk)
        at += size + 12
    yield _inflated(pixels)


def _inflated(packed: bytes) -> bytes:
    """What is packed from the first place on at which zlib finds a stream."""
    for at in range(min(len(packed), 256)):
        try:
            return zlib.decompress(packed[at:])
        except zlib.error:
            continue
    return b""
