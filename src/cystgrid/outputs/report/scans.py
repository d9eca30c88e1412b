"""What was scanned, and how scans became what a model sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cystgrid.differences import flat
from cystgrid.outputs.report.model import Block, Facts, Prose, Section, Table, table_of
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.store import Store

NO_STORE = (
    "The prepared patients were not at hand when this report was made, so nothing can be said of "
    "their scans here: give their folder with --prepared."
)
UNKNOWN = "unknown"


@dataclass(frozen=True)
class ScanFacts:
    """What is known of one prepared patient's scans.

    Attributes:
        patient, center: as in the manifest.
        modalities: of which there is a scan.
        slices: of the crop.
        pixel_mm: width and height of a crop's pixel.
        gap_mm: between slices.
        residual_mm: how far T1 lies from T2 around the region; NaN where it was not measured.
        flags: one sentence each.
    """

    patient: str
    center: str
    modalities: tuple[str, ...]
    slices: int
    pixel_mm: tuple[float, float]
    gap_mm: float
    residual_mm: float
    flags: tuple[str, ...]


def scan_facts(prepared: PreparedPatient, modalities: Sequence[str]) -> ScanFacts:
    """What a prepared patient says of its scans."""
    across, down, gap = (float(np.linalg.norm(prepared.affine[:3, n])) for n in range(3))
    there = zip(modalities, prepared.present, strict=True)
    return ScanFacts(
        prepared.patient,
        prepared.center,
        tuple(name for name, present in there if present),
        prepared.crop.shape[1],
        (across, down),
        gap,
        float(prepared.alignment.get("residual_mm", np.nan)),
        prepared.flags,
    )


def acquisition_section(facts: Sequence[ScanFacts]) -> Section:
    """Which scans there are and how they lie, by centre."""
    title = "Acquisition"
    if not facts:
        return Section("acquisition", title, (Prose(NO_STORE, "warning"),), False)
    centers: dict[str, list[ScanFacts]] = {"all": list(facts)}
    for each in facts:
        centers.setdefault(each.center or UNKNOWN, []).append(each)
    rows = [
        (
            name,
            str(len(those)),
            ", ".join(f"{k} {n}" for k, n in _counted(those)),
            _range(each.slices for each in those),
            _range(each.pixel_mm[0] for each in those),
            _range(each.pixel_mm[1] for each in those),
            _range(each.gap_mm for each in those),
            _range(each.residual_mm for each in those),
            str(sum(bool(each.flags) for each in those)),
        )
        for name, those in centers.items()
    ]
    table = table_of(
        "acquisition", "Geometry of the crops, by centre",
        ("Centre", "Patients", "Scans", "Slices", "Pixel width mm", "Pixel height mm",
         "Between slices mm", "T1 beside T2 mm", "Flagged"),
        rows, "patients/*/patient.json of PREPARED", numbers=1,
        notes=("Median (least-greatest). Scanner, field strength and sequence are not kept by the "
               "preparation, since headers may hold names.",),
    )  # fmt: skip
    return Section("acquisition", title, (table, *_flags(facts)))


def _counted(facts: Iterable[ScanFacts]) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for each in facts:
        name = "+".join(each.modalities).upper() or "none"
        found[name] = found.get(name, 0) + 1
    return sorted(found.items())


def _range(values: Iterable[float]) -> str:
    known = sorted(value for value in values if np.isfinite(value))
    if not known:
        return "--"
    low, middle, high = (f"{v:.3g}" for v in (known[0], float(np.median(known)), known[-1]))
    return middle if low == high else f"{middle} ({low}-{high})"


def _flags(facts: Sequence[ScanFacts]) -> list[Table]:
    rows = [(each.patient, each.center, flag) for each in facts for flag in each.flags]
    if not rows:
        return []
    return [
        table_of(
            "flags",
            f"What was flagged in preparation ({len(rows)})",
            ("Patient", "Centre", "Flag"),
            rows,
            "patients/*/patient.json of PREPARED",
            folded=True,
        )
    ]


def preparation_section(store: Store | None) -> Section:
    """The steps from a scan to a crop, as they were set."""
    title = "Preparation of scans"
    if store is None:
        return Section("preparation", title, (Prose(NO_STORE, "warning"),), False)
    blocks: list[Block] = [
        Facts(tuple(_steps(store.settings)), "settings of prepared.json of PREPARED"),
        settings_table(
            "preparation", "Every setting of preparation",
            store.settings.model_dump(mode="json"), "prepared.json of PREPARED",
        ),
    ]  # fmt: skip
    return Section("preparation", title, tuple(blocks))


def _steps(settings: PreparationSettings) -> list[tuple[str, str]]:
    n4 = "N4, on each scan's own grid" if settings.n4.enabled else "none"
    smoothing = f"edge-preserving, {settings.smoothing.iterations} iterations"
    moved = {
        "off": "by the headers' geometry",
        "measure": "by the headers' geometry; how far the scans lie apart is measured",
        "rigid": "by the headers' geometry, then moved by rigid registration",
    }
    missing = {
        "refuse": "a patient that lacks a scan is refused",
        "allow": "a patient that lacks a scan takes part; the absent scan's crop is empty",
    }
    return [
        ("Scans", " and ".join(name.upper() for name in settings.modalities)),
        ("Bias field", n4),
        ("Smoothing", smoothing if settings.smoothing.iterations else "none"),
        ("T1 onto T2", moved.get(settings.registration.mode, settings.registration.mode)),
        ("In plane", f"{settings.in_plane} x {settings.in_plane} pixels"),
        ("Region", f"{settings.roi}, with a margin of {settings.margin_mm:g} mm"),
        ("Slices", f"{settings.cell} x {settings.cell} pixels, at their own spacing"),
        ("Missing scans", missing.get(settings.missing_modality, settings.missing_modality)),
        ("Intensities", "Nyul landmarks; the standard is the mean over a fold's training patients"),
    ]


def settings_table(name: str, title: str, settings: dict[str, Any], source: str) -> Table:
    """Nested settings, a row each."""
    rows = [(key, value) for key, value in flat(settings)]
    return table_of(f"{name}-settings", title, ("Setting", "Value"), rows, source, folded=True)
