"""A gzip file (RFC 1952) read as one bounded stream whose every check counts.

Python's ``gzip`` looks neither at a header's checksum nor at its reserved flags, passes over zeros
behind the last member, and follows any number of members that hold nothing. zlib's own gzip mode
checks all that a member states; the rest is checked here.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from cystgrid.errors import ScanError

MAGIC = b"\x1f\x8b"
PACKED_PIECE = 2**16
"""Compressed bytes read at a time."""

MAX_MEMBERS = 2**16
"""Members of one file: block-compressing writers make one for each 64 KiB, 4 GiB in all."""

CHECKED_BYTES, CHECKED_PIECE = 2**27, 2**18
"""How far a stream is read on, and in what pieces, when its content has been refused already."""

_WITH_HEADER = 16 + zlib.MAX_WBITS
"""zlib's way to say that header and trailer of gzip are read and checked."""


class GzipStream:
    """The content of a gzip file, its members one after another.

    Args:
        file: open for reading bytes, at its beginning.
        where: the file, for messages.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        self._file = file
        self._where = where
        self._inflater = zlib.decompressobj(_WITH_HEADER)
        self._members = 1
        self._at_end = False
        self._failed = False

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes; fewer only where the stream ends.

        A member's CRC and length are checked when it is read to its end, so one byte more than is
        needed has to be asked for.

        Raises:
            ScanError: damaged or cut short; something else behind a member; too many members.
        """
        pieces: list[bytes] = []
        wanted = count
        while wanted and not self._at_end:
            piece = self._inflate(wanted)
            wanted -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def check(self) -> None:
        """Read on to the end, up to ``CHECKED_BYTES``, if nothing has been found wrong so far.

        What a damaged stream holds may seem to be another fault; this finds the first cause.

        Raises:
            ScanError: as ``read``.
        """
        for _ in range(0, CHECKED_BYTES, CHECKED_PIECE):
            if self._failed or not self.read(CHECKED_PIECE):
                return

    def _inflate(self, limit: int) -> bytes:
        """At most ``limit`` bytes; none where only packed bytes were taken in."""
        if self._inflater.eof:
            packed = self._inflater.unused_data or self._file.read(PACKED_PIECE)
            if not packed:
                self._at_end = True
                return b""
            self._begin_member(packed)
        else:
            packed = self._inflater.unconsumed_tail or self._file.read(PACKED_PIECE)
        if not packed:
            raise self._damaged("the stream ends too early")
        try:
            return self._inflater.decompress(packed, limit)
        except zlib.error as error:
            raise self._damaged(str(error).rpartition(": ")[2]) from error

    def _begin_member(self, packed: bytes) -> None:
        if not packed.startswith(MAGIC[: len(packed)]):
            raise self._refusal("bytes behind the gzip stream that are not gzip", "none")
        if self._members == MAX_MEMBERS:
            raise self._refusal(f"more than {MAX_MEMBERS} gzip members", f"at most {MAX_MEMBERS}")
        self._members += 1
        self._inflater = zlib.decompressobj(_WITH_HEADER)

    def _damaged(self, reason: str) -> ScanError:
        return self._refusal(
            f"a damaged gzip stream ({reason})", "a whole one, whose CRC and length are right"
        )

    def _refusal(self, got: str, expected: str) -> ScanError:
        self._failed = True
        return ScanError(
            self._where, got=got, expected=expected, do="copy or download the file again"
        )
