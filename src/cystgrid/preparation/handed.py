"""A prepared patient as the bytes of its files, handed over by another program: nothing trusted."""

from __future__ import annotations

import io
import json
import math
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from pydantic import Field, FiniteFloat

from cystgrid.errors import SettingsError, StoreError
from cystgrid.preparation.entry import Entry
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.standardise import PERCENTILES
from cystgrid.preparation.store import SCHEMA
from cystgrid.provenance import digest, sha256_bytes
from cystgrid.scans.volume import Array
from cystgrid.settings import Settings

LONGEST_TEXT = 1_000
MOST_FLAGS = 200
ABSENT_ALLOWED = "missing_modality"
"""The one setting that changes nobody's voxels."""

AS_WRITTEN = "send the files that cystgrid prepare wrote, as it wrote them"

Text = Field(max_length=LONGEST_TEXT)
Row = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class Card(Settings):
    """A patient.json, every field of it (see ``store.write_patient``)."""

    schema_: Literal[SCHEMA] = Field(alias="schema")  # type: ignore[valid-type]
    patient: str = Text
    label: str | None = Text
    center: str = Text
    group: str = Text
    sex: str = Text
    age: str = Text
    key: str = Text
    crop_sha256: str = Text
    lesion_sha256: str | None = Text
    shape: tuple[int, int, int, int]
    percentiles: list[list[FiniteFloat] | None]
    affine: tuple[Row, Row, Row, Row]
    flags: list[str] = Field(max_length=MOST_FLAGS)
    alignment: dict[str, FiniteFloat]
    fingerprints: dict[str, Any]
    sha256: str = Text


def handed_patient(
    card: bytes, crop: bytes, settings: str, preparation: PreparationSettings
) -> PreparedPatient:
    """Take a patient that was prepared elsewhere; lesion and fingerprints are not asked for.

    Args:
        card: content of its ``patient.json``.
        crop: content of its ``crop.npy``.
        settings: ``settings`` of its ``prepared.json``, as JSON.
        preparation: that a model needs.

    Raises:
        SettingsError: prepared with other settings, or no settings.
        StoreError: files that ``prepare`` did not write so, or a patient without a needed scan.
    """
    _check_settings(settings, preparation)
    told = _card(card)
    if sha256_bytes(crop) != told["crop_sha256"]:
        raise _refused("crop", "another file than the card names", "the crop of this patient")
    entry = Entry.of_card({**told, "fingerprints": {}}, preparation.modalities)
    voxels = _voxels(crop, entry, preparation)
    return PreparedPatient(
        entry.patient,
        entry.label,
        entry.center,
        entry.group,
        voxels,
        entry.percentiles,
        np.array(told["affine"], dtype=np.float64),
        entry.flags,
        told["alignment"],
    )


@lru_cache(maxsize=8)
def _parsed(settings: str) -> PreparationSettings:
    """A client sends the same ones with every patient."""
    try:
        values = json.loads(settings)
        if not isinstance(values, dict):
            raise TypeError
    except (ValueError, TypeError, RecursionError) as error:
        raise SettingsError(
            "settings", got="no JSON object", expected="the settings of prepared.json",
            do="send them as they stand there",
        ) from error  # fmt: skip
    return PreparationSettings.parse(values, "settings")


def _check_settings(settings: str, preparation: PreparationSettings) -> None:
    """Refuse another preparation than the model's.

    Raises:
        SettingsError: naming what differs.
    """
    ours = preparation.model_dump(exclude={ABSENT_ALLOWED})
    theirs = _parsed(settings).model_dump(exclude={ABSENT_ALLOWED})
    differing = [name for name, value in ours.items() if theirs[name] != value]
    if differing:
        raise SettingsError(
            "settings", got=f"others than the model's for {', '.join(differing)}",
            expected="the preparation that the model was trained on",
            do="prepare with the settings that /api/model tells",
        )  # fmt: skip


def _card(content: bytes) -> dict[str, Any]:
    """The card, in form and unaltered.

    Raises:
        StoreError: something else.
    """
    try:
        told = json.loads(content)
        sealed = told.pop("sha256")
        whole = digest(told) == sealed
        Card.parse({**told, "sha256": sealed}, "card")
    except SettingsError as error:
        raise _refused(error.where, error.got, error.expected) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _refused("card", "something else", "a patient.json") from error
    if not whole:
        raise _refused("card", "altered content", "a patient.json as it was written")
    return dict(told)


def _voxels(content: bytes, entry: Entry, preparation: PreparationSettings) -> Array:
    """The crop: of the card's shape and the model's size, finite where there is a scan.

    Raises:
        StoreError: something else.
    """
    modalities, slices, rows, columns = entry.shape
    expected = (len(preparation.modalities), preparation.cell, preparation.cell)
    if (modalities, rows, columns) != expected or slices < 1:
        raise _refused(
            "card", f"a crop of shape {entry.shape}",
            f"{expected[0]} scans on slices of {preparation.cell} x {preparation.cell}",
        )  # fmt: skip
    if entry.percentiles.shape != (modalities, len(PERCENTILES)):
        raise _refused("card", "other landmarks", f"{len(PERCENTILES)} of each scan")
    head = _head(entry.shape)  # compared, not parsed: numpy would evaluate what it says
    if not content.startswith(head) or len(content) != len(head) + 4 * math.prod(entry.shape):
        raise _refused("crop", "no such array", f"float32 of shape {entry.shape}, as the card says")
    voxels = np.frombuffer(content, "<f4", offset=len(head)).reshape(entry.shape)
    _check_scans(voxels, entry, preparation)
    return voxels


def _head(shape: tuple[int, ...]) -> bytes:
    """How a file of such an array begins, as ``prepare`` writes it."""
    head = io.BytesIO()
    told = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, told)
    return head.getvalue()


def _check_scans(voxels: Array, entry: Entry, preparation: PreparationSettings) -> None:
    """Every scan that the model needs, in finite numbers, on landmarks that ascend."""
    there = [name in entry.modalities for name in preparation.modalities]
    if not any(there) or (preparation.missing_modality == "refuse" and not all(there)):
        lacking = [n for n, held in zip(preparation.modalities, there, strict=True) if not held]
        raise _refused("card", f"no {' and no '.join(lacking)}", "every scan that the model needs")
    for name, held, scan, marks in zip(
        preparation.modalities, there, voxels, entry.percentiles, strict=True
    ):
        if held and not np.isfinite(scan).all():
            raise _refused("crop", f"{name} with values that are no numbers", "finite values")
        if held and (np.any(np.diff(marks) < 0) or marks[0] == marks[-1]):
            raise _refused("card", f"landmarks of {name} that do not ascend", "ascending ones")
        if not held and not np.isnan(scan).all():
            raise _refused(
                "crop", f"values of {name}", f"none: the card has no landmarks of {name}"
            )


def _refused(where: str, got: object, expected: object) -> StoreError:
    return StoreError(where, got=got, expected=expected, do=AS_WRITTEN)
