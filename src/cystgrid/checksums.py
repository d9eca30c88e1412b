"""``SHA256SUMS``: a folder's files that no card records, in the form that ``sha256sum -c`` reads.

The first line, a comment to that program, is the digest of the others. While files are made anew
they are not on record; the file is written last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cystgrid.errors import StoreError
from cystgrid.locking import is_locked, sole_writer
from cystgrid.provenance import sha256_bytes, sha256_file, write_text

SUMS = "SHA256SUMS"
HEAD = "# sha256 of the lines below: "
MAKE_ANEW = "make it anew: run the command that wrote the folder again"


def sums_text(sums: dict[str, str]) -> str:
    """The file's text; names in sorted order."""
    lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    return f"{HEAD}{sha256_bytes(lines.encode())}\n{lines}"


def read_sums(folder: Path) -> dict[str, str]:
    """What is on record, by path within the folder; nothing where there is no such file.

    Raises:
        StoreError: the file is altered.
    """
    path = folder / SUMS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    lines = content.decode("utf-8", "replace").split("\n")[1:-1]
    sums = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
    if sums_text(sums).encode() != content:
        raise StoreError(
            path, got="altered content", expected="checksums as they were written", do=MAKE_ANEW
        )
    return sums


def forget_sums(folder: Path) -> None:
    """Take a folder's files off record, since they are about to be made anew."""
    (folder / SUMS).unlink(missing_ok=True)


def record_sums(folder: Path, paths: Iterable[Path]) -> None:
    """Put files of a folder on record, beside those that are on it.

    Args:
        folder: that holds ``SHA256SUMS``.
        paths: of files within it.
    """
    found = {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
    write_text(folder / SUMS, sums_text({**read_sums(folder), **found}))


@contextmanager
def put_on_record(folder: Path, paths: Iterable[Path]) -> Iterator[list[str]]:
    """Within it, files are written; those that lie in a run's folder go on its record.

    Nobody else writes into the folder then, and until they are whole they are off record. A run
    that is not finished has no record and gets none; while another process writes into it, the
    files are written all the same and do not go on record.

    Args:
        folder: of the run.
        paths: of all files that will be written.

    Yields:
        What has to be said of it: a sentence if a file of the folder will not be on record.

    Raises:
        StoreError: another process writes into the folder, and has one of the files on record.
    """
    root = folder.resolve()
    inside = [path.resolve() for path in paths if path.resolve().is_relative_to(root)]
    names = {path.relative_to(root).as_posix() for path in inside}
    reason = _why_not(root, names) if inside else ""
    if reason:
        listed = ", ".join(sorted(names))
        yield [f"note: not on the record of {folder} (its {SUMS}): {listed}; {reason}"]
    elif not inside:
        yield []
    else:
        with sole_writer(root):
            kept = {name: sum_ for name, sum_ in read_sums(root).items() if name not in names}
            write_text(root / SUMS, sums_text(kept))
            yield []
            record_sums(root, inside)


def _why_not(root: Path, names: set[str]) -> str:
    """Why files of a folder cannot go on its record now; empty if they can, or must."""
    if not (root / SUMS).is_file():
        return "the run is not finished"
    if is_locked(root) and not names & read_sums(root).keys():
        return "another command is writing into it; the same command afterwards puts it there"
    return ""


@contextmanager
def rewritten(folder: Path, parts: tuple[str, ...]) -> Iterator[list[Path]]:
    """Within it, files of some subfolders are made anew; those put into the list go on record.

    Those of the list that are not there any more go off it. Others that were on record there are on
    it again afterwards.
    """
    before = read_sums(folder)
    kept = {name: sum_ for name, sum_ in before.items() if name.partition("/")[0] not in parts}
    made: list[Path] = []
    if before:
        write_text(folder / SUMS, sums_text(kept))
    yield made
    if before:
        gone = {path.relative_to(folder).as_posix() for path in made if not path.is_file()}
        left = {name: sum_ for name, sum_ in before.items() if name not in gone}
        write_text(folder / SUMS, sums_text(left))
        record_sums(folder, [path for path in made if path.is_file()])


def check_recorded(path: Path) -> None:
    """Check a file against the record beside it, where it is on one.

    Raises:
        StoreError: its bytes are not those that were written.
    """
    stated = read_sums(path.parent).get(path.name)
    if stated is not None and path.is_file():
        check_sum(path, stated)


def check_sum(path: Path, stated: str, do: str = MAKE_ANEW) -> None:
    """Check a file's bytes.

    Args:
        path: to a file.
        stated: the sha256 on record.
        do: what helps where it is another.

    Raises:
        StoreError: it is another.
    """
    found = sha256_file(path)
    if found != stated:
        raise StoreError(
            path, got=f"sha256 {found[:12]}", expected=f"{stated[:12]}, as on record", do=do
        )
