"""Stable pseudonyms: the same id and key give the same pseudonym, and nothing leads back.

A pseudonym is the first 80 bits of HMAC-SHA256 (RFC 2104) of the id, in base 32. Without the key
nobody can compute it, even for an id that is known; who holds the key can, so it stays with those
who may know the patients.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import unicodedata
from dataclasses import replace
from pathlib import Path

from cystgrid.cohort.importing import ImportedPatient, ImportResult
from cystgrid.cohort.published import renamed
from cystgrid.errors import CohortError

KEY_BYTES = 32
PSEUDONYM_BYTES = 10
"""80 bits: among a million patients two share a pseudonym with probability below 1e-12."""

PREFIX = "P-"


def new_key() -> bytes:
    """A random key."""
    return secrets.token_bytes(KEY_BYTES)


def write_key(key: bytes, path: Path) -> None:
    """Write a new key as hexadecimal text that only its owner may read.

    Raises:
        CohortError: the file is there already (a key is never overwritten), or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CohortError(
            path,
            got=f"a key file that cannot be made ({error.strerror})",
            expected="a new file",
            do="choose another name, or use the key that is there",
        ) from error
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(key.hex() + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_key(path: Path) -> bytes:
    """Read a key that ``write_key`` wrote.

    Raises:
        CohortError: no such file, or it does not hold a key; the message never shows its content.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(4 * KEY_BYTES)
        key = bytes.fromhex(text.decode("ascii").strip())
    except OSError as error:
        raise CohortError(
            path,
            got=f"a key file that cannot be read ({error.strerror})",
            expected="the key of an earlier import",
            do="check the path",
        ) from error
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise CohortError(
            path,
            got="something else than a key",
            expected=f"{2 * KEY_BYTES} hexadecimal digits",
            do="give the key file of an earlier import, or the name of a new one",
        )
    return key


def pseudonym(name: str, key: bytes) -> str:
    """The pseudonym of an id, ``P-`` and 16 letters and digits; equal however accents are coded."""
    message = unicodedata.normalize("NFC", name).encode("utf-8")
    code = hmac.new(key, message, hashlib.sha256).digest()[:PSEUDONYM_BYTES]
    return PREFIX + base64.b32encode(code).decode("ascii")


def pseudonymise(result: ImportResult, key: bytes) -> ImportResult:
    """The same import under pseudonyms: patients, groups, folds, and what was left out.

    The paths of scans and masks stay as they are, because ``cohort.csv`` has to find the files; who
    passes the manifest on with the scans renames those too.

    Args:
        result: what an import found; the order of its patients does not matter.
        key: as ``read_key`` gives it.

    Raises:
        CohortError: two ids have one pseudonym.
    """
    names = {patient.patient: pseudonym(patient.patient, key) for patient in result.patients}
    if len(set(names.values())) != len(names):
        raise CohortError(
            "pseudonyms",
            got="two patients of one pseudonym",
            expected="a pseudonym each",
            do="import again with a new key file",
        )
    patients = [_hidden(patient, key) for patient in result.patients]
    return replace(
        result,
        patients=tuple(sorted(patients, key=lambda patient: patient.patient)),
        left_out=_hidden_pairs(result.left_out, key),
        flagged=_hidden_pairs(result.flagged, key),
        splits={name: renamed(splits, names) for name, splits in result.splits.items()},
    )


def _hidden(patient: ImportedPatient, key: bytes) -> ImportedPatient:
    return replace(
        patient,
        patient=pseudonym(patient.patient, key),
        group=pseudonym(patient.group, key) if patient.group else "",
    )


def _hidden_pairs(pairs: tuple[tuple[str, str], ...], key: bytes) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((pseudonym(name, key) if name else "", why) for name, why in pairs))
