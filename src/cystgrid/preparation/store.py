"""Prepared patients on disk: checked when read, and traceable to the settings they were made with.

    PREPARED/prepared.json                       settings, versions, sha256 of each patient.json
    PREPARED/patients/<patient>/crop.npy         (modality, slice, row, column) float32
    PREPARED/patients/<patient>/lesion.npy       (slice, row, column) uint8, where lesions are known
    PREPARED/patients/<patient>/patient.json     all else, and the sha256 of the arrays

Each file is written whole and renamed into place; ``patient.json`` comes last and marks a patient
as done, ``prepared.json`` comes last of all.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.likeness import Copies, find_copies
from cystgrid.errors import StoreError
from cystgrid.preparation.entry import Entry
from cystgrid.preparation.on_demand import OnDemand
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.standardise import PERCENTILES
from cystgrid.provenance import (
    digest,
    json_text,
    remembered_sha256,
    sha256_bytes,
    versions,
    write_bytes,
    write_json,
)

SCHEMA = 3
INDEX, CROP, LESION, CARD = "prepared.json", "crop.npy", "lesion.npy", "patient.json"
LONGEST_NAME = 100
"""Characters of a folder's name: file systems end at 255 bytes, archives earlier."""

_opened: dict[tuple[Path, Path], Store] = {}
"""Stores of this process, by folder as it was given and as it is."""

REPAIR = "run cystgrid prepare again: it makes anew what is missing or altered"


def patient_folder(folder: Path, patient: str) -> Path:
    """Where a patient lies."""
    return folder / "patients" / file_name(patient)


def file_name(patient: str) -> str:
    """A patient's id, percent-encoded, so that no id leads out of a folder.

    Two ids never share a name; very long ones end in a digest of the whole.
    """
    name = quote(patient, safe="").replace(".", "%2E").replace("~", "%7E")
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}~{digest(patient)[:16]}"
    return name


def write_patient(folder: Path, prepared: PreparedPatient, key: str) -> str:
    """Write a patient's files, the card last.

    Args:
        folder: PREPARED.
        prepared: what to store.
        key: digest of everything the voxels depend on.

    Returns:
        sha256 of the card, for the index.
    """
    place = patient_folder(folder, prepared.patient)
    (place / CARD).unlink(missing_ok=True)  # an old card never stands beside a new crop
    for half_written in place.glob(".*.tmp"):  # by a process that was killed
        half_written.unlink()
    lesion = prepared.lesion
    card = {
        "schema": SCHEMA,
        "patient": prepared.patient,
        "label": prepared.label,
        "center": prepared.center,
        "group": prepared.group,
        "sex": prepared.sex,
        "age": prepared.age,
        "key": key,
        "crop_sha256": _write_array(place / CROP, prepared.crop.astype(np.float32)),
        "lesion_sha256": (
            None if lesion is None else _write_array(place / LESION, lesion.astype(np.uint8))
        ),
        "shape": list(prepared.crop.shape),
        "percentiles": [
            row.tolist() if there else None
            for row, there in zip(prepared.percentiles, prepared.present, strict=True)
        ],
        "affine": prepared.affine.tolist(),
        "flags": list(prepared.flags),
        "alignment": prepared.alignment,
        "fingerprints": {name: f.to_json() for name, f in prepared.fingerprints.items()},
    }
    return write_card(folder, card)


def _write_array(path: Path, array: NDArray[np.generic]) -> str:
    """Write an array whole; the sha256 of its file."""
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(array), allow_pickle=False)
    write_bytes(path, content.getvalue())
    return sha256_bytes(content.getvalue())


def write_card(folder: Path, card: dict[str, Any]) -> str:
    """Write a patient's card with its own checksum, if it does not stand there already.

    Returns:
        sha256 of its bytes.
    """
    path = patient_folder(folder, card["patient"]) / CARD
    sealed = {**card, "sha256": digest(card)}
    content = (json.dumps(sealed, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content)
    return sha256_bytes(content)


def read_card(folder: Path, patient: str, sha256: str | None = None) -> dict[str, Any]:
    """Read a patient's card, and check it by its own checksum and the index's, where given.

    Raises:
        StoreError: it is missing, altered, or another patient's.
    """
    path = patient_folder(folder, patient) / CARD
    card = _read_json(path)
    stated = card.pop("sha256", None)
    if stated != digest(card) or (sha256 is not None and remembered_sha256(path) != sha256):
        raise StoreError(
            path, got="altered content", expected="the card as it was written", do=REPAIR
        )
    if card.get("patient") != patient or card.get("schema") != SCHEMA:
        raise StoreError(
            path,
            got=f"patient {card.get('patient')!r}, schema {card.get('schema')!r}",
            expected=f"patient {patient!r}, schema {SCHEMA}",
            do=REPAIR,
        )
    return card


def check_arrays(folder: Path, card: dict[str, Any]) -> tuple[Path, Path | None]:
    """The paths of a patient's crop and lesion (None if unknown), after their bytes were checked.

    Raises:
        StoreError: one is missing, cut short, or altered.
    """
    place = patient_folder(folder, card["patient"])
    _check(place / CROP, card["crop_sha256"])
    if card["lesion_sha256"] is None:
        return place / CROP, None
    _check(place / LESION, card["lesion_sha256"])
    return place / CROP, place / LESION


def _check(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise StoreError(path, got="no such file", expected="a stored array", do=REPAIR)
    found = remembered_sha256(path)
    if found != sha256:
        raise StoreError(
            path, got=f"sha256 {found[:12]}", expected=f"sha256 {sha256[:12]}", do=REPAIR
        )


def write_index(folder: Path, settings: PreparationSettings, cards: dict[str, str]) -> None:
    """Write ``prepared.json``.

    Args:
        folder: PREPARED.
        settings: what the patients were prepared with.
        cards: sha256 of each patient's card.
    """
    index = {
        "schema": SCHEMA,
        "settings": settings.model_dump(mode="json"),
        "percentiles": list(PERCENTILES),
        "patients": dict(sorted(cards.items())),
        "versions": versions(),
    }
    write_json(folder / INDEX, {**index, "sha256": digest(index)})


def _not_prepared(folder: Path) -> StoreError:
    """What is said of a place that was never prepared into, by what lies there."""
    got = f"a folder without {INDEX}" if folder.is_dir() else "a file"
    return StoreError(
        folder,
        got=got if folder.exists() else "no such folder",
        expected="prepared data: the folder that cystgrid prepare wrote",
        do="run cystgrid prepare COHORT.CSV -o PREPARED, and give PREPARED",
    )


def read_index(folder: Path) -> dict[str, Any]:
    """``prepared.json`` without its checksum.

    Raises:
        StoreError: it is missing, or one byte of it is not as it was written.
    """
    path = folder / INDEX
    index = _read_json(path)
    genuine = _json_bytes(index) == path.read_bytes()
    if index.pop("sha256", None) != digest(index) or not genuine:
        raise StoreError(
            path, got="altered content", expected="the index as it was written", do=REPAIR
        )
    return index


def _json_bytes(value: dict[str, Any]) -> bytes:
    """As this value is written; none where it never would be."""
    try:
        return json_text(value).encode()
    except ValueError:
        return b""


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise StoreError(path, got="no such file", expected="prepared data", do=REPAIR) from error
    except (OSError, ValueError) as error:
        raise StoreError(
            path, got=type(error).__name__, expected="a JSON file of ours", do=REPAIR
        ) from error
    if not isinstance(value, dict):
        raise StoreError(path, got="no JSON object", expected="a JSON file of ours", do=REPAIR)
    return value


def _array(path: Path, *, mapped: bool) -> NDArray[Any]:
    """A stored array; anything else that numpy reads is refused, whatever vouches for it.

    Raises:
        StoreError: something else.
    """
    try:
        found = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _no_array(path) from error
    if not isinstance(found, np.ndarray):
        raise _no_array(path)
    return found


def _no_array(path: Path) -> StoreError:
    return StoreError(path, got="something else", expected="an array of numbers", do=REPAIR)


@dataclass(frozen=True)
class Store:
    """A folder of prepared patients, open for reading.

    Attributes:
        folder: PREPARED.
        settings: what the patients were prepared with.
        entries: what is known of each patient without its voxels, by id, in sorted order.
        digest: sha256 that names this content: settings, patients, labels, voxels.
    """

    folder: Path
    settings: PreparationSettings
    entries: dict[str, Entry]
    digest: str
    _cards: dict[str, str]
    _index_sha256: str

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Read the index and every card; crops are read by ``load``.

        A process that opens the same folder again gets the same store, after a look at whether any
        of these files was touched.

        Raises:
            StoreError: not a finished prepared folder, or an altered file.
        """
        place = folder, folder.absolute()
        known = _opened.get(place)
        if known is None or not known.stands():
            known = _opened[place] = cls._read(folder)
        return known

    @classmethod
    def _read(cls, folder: Path) -> Self:
        path = folder / INDEX
        if not path.is_file():
            raise _not_prepared(folder)
        index_sha256 = remembered_sha256(path)
        index = read_index(folder)
        if index.get("schema") != SCHEMA:
            raise StoreError(
                path,
                got=f"schema {index.get('schema')!r}",
                expected=f"schema {SCHEMA}",
                do=REPAIR,
            )
        settings = PreparationSettings.parse(index["settings"], str(path))
        cards: dict[str, str] = index["patients"]
        entries = {
            patient: Entry.of_card(read_card(folder, patient, sha256), settings.modalities)
            for patient, sha256 in cards.items()
        }
        name = digest({"settings": index["settings"], "patients": cards})
        return cls(folder, settings, entries, name, cards, index_sha256)

    @property
    def cards(self) -> dict[str, str]:
        """sha256 of each patient's card, which holds that of its voxels."""
        return dict(self._cards)

    def stands(self) -> bool:
        """Whether index and cards on disk are still those that were read."""
        place = self.folder / "patients"
        try:
            return remembered_sha256(self.folder / INDEX) == self._index_sha256 and all(
                remembered_sha256(place / file_name(patient) / CARD) == sha256
                for patient, sha256 in self._cards.items()
            )
        except OSError:
            return False

    @property
    def patients(self) -> tuple[str, ...]:
        """Ids, sorted."""
        return tuple(self.entries)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The crop's channels, in order."""
        return self.settings.modalities

    def copies(self) -> tuple[Copies, ...]:
        """Sets of whole scans that are copies of each other, of all prepared patients."""
        return find_copies(
            {
                (entry.patient, modality): mark
                for entry in self.entries.values()
                for modality, mark in entry.fingerprints.items()
            }
        )

    def several(self, patients: Sequence[str]) -> OnDemand:
        """Patients that ``load`` reads one by one, each time that one is asked for."""
        return OnDemand(self.load, patients)

    def load(self, patient: str) -> PreparedPatient:
        """One patient; the crop is mapped from disk, read-only, after its bytes were checked.

        Raises:
            StoreError: unknown patient, or a file that is missing or altered.
        """
        if patient not in self.entries:
            near = ", ".join(self.patients[:5])
            raise StoreError(
                self.folder,
                got=f"patient {patient!r}",
                expected=f"one of the {len(self.entries)} prepared ones ({near}, ...)",
                do="check the id, or prepare the patient",
            )
        card = read_card(self.folder, patient, self._cards[patient])
        crop, lesion = check_arrays(self.folder, card)
        entry = self.entries[patient]
        return PreparedPatient(
            patient,
            entry.label,
            entry.center,
            entry.group,
            _array(crop, mapped=True),
            entry.percentiles,
            np.array(card["affine"], dtype=np.float64),
            entry.flags,
            card["alignment"],
            None if lesion is None else _array(lesion, mapped=False).astype(np.float32),
            entry.fingerprints,
            entry.sex,
            entry.age,
        )
