"""Where a patient's scans and region lie in the patient, before anything is cut or resampled."""

from __future__ import annotations

from dataclasses import dataclass

from cystgrid.cohort.manifest import Patient
from cystgrid.errors import ScanError
from cystgrid.preparation.align import WorldBox, moved, overlap
from cystgrid.preparation.columns import naming_the_column
from cystgrid.preparation.pair import origin_flags, pair_refusal
from cystgrid.preparation.region import Region, find_region
from cystgrid.preparation.register import register
from cystgrid.preparation.registration import Registration
from cystgrid.preparation.settings import Modality, PreparationSettings, reference_of
from cystgrid.scans.origin import Origin
from cystgrid.scans.reading import scan_origin
from cystgrid.scans.volume import Volume

Scans = dict[Modality, Volume]


@dataclass(frozen=True, eq=False)
class Placement:
    """Scans and region, each where it belongs.

    Attributes:
        scans: canonical; one that registration moved has another affine than its file.
        region: on the reference scan's grid.
        alignment: ``overlap_percent``, the share of the reference scan that the other covers, and
            the figures of ``Registration.figures``; empty for one scan.
        flags: what a reader of the results should know, one sentence each.
    """

    scans: Scans
    region: Region
    alignment: dict[str, float]
    flags: tuple[str, ...]

    @property
    def reference(self) -> Modality:
        """The modality whose grid the crop follows."""
        return reference_of(self.scans)


def place(patient: Patient, read: Scans, settings: PreparationSettings) -> Placement:
    """Hold a patient's scans against each other, and lay the region on the reference scan.

    Args:
        patient: whose region it is.
        read: every scan there is that the settings use, canonical, as their files place them.
        settings: how scans become crops.

    Raises:
        ScanError: the scans are not one patient's T1 and T2, do not overlap, or could not be
            registered.
        CohortError: the region is unusable.
    """
    origins = _origins(patient, read, settings)
    refusal = pair_refusal(read, origins, settings)
    if refusal is not None:
        raise refusal
    flags = [f"{name}: {sentence}" for name, sentence in origin_flags(origins, settings)]
    first = reference_of(read)
    other = next((name for name in read if name != first), None)
    if other is None:
        region = _region(patient, read, read, settings)
        return Placement(read, region, {}, (*flags, *region.flags))
    reference = read[first]
    percent = checked_overlap(reference, read[other], other)
    region = _region(patient, read, read, settings)
    box = None if patient.roi is None else WorldBox.around(reference, region.low, region.high)
    found = _registered(reference, read[other], settings, box, other, region)
    scans = dict(read)
    if settings.registration.mode == "rigid":
        scans[other] = moved(read[other], found.transform)
        region = _region(patient, scans, read, settings)  # its mask may have moved with the scan
    alignment = {"overlap_percent": percent, **found.figures}
    return Placement(scans, region, alignment, (*flags, *found.flags, *region.flags))


def _registered(
    reference: Volume,
    moving: Volume,
    settings: PreparationSettings,
    box: WorldBox | None,
    where: str,
    region: Region,
) -> Registration:
    """A registration around the region; a doubtful region is named where it fails."""
    try:
        return register(reference, moving, settings.registration, box, where)
    except ScanError as error:
        doubts = " ".join(region.flags)
        if not doubts:
            raise
        raise ScanError(
            error.where, got=f"{error.got} ({doubts})", expected=error.expected, do=error.do
        ) from error


def in_order(scans: Scans) -> list[Volume]:
    """The reference scan, then the other, if there is one."""
    first = reference_of(scans)
    return [scans[first], *(scan for name, scan in scans.items() if name != first)]


def _region(
    patient: Patient, scans: Scans, as_read: Scans, settings: PreparationSettings
) -> Region:
    with naming_the_column("roi", patient.roi):
        return find_region(
            patient.roi,
            in_order(scans),
            reading=settings.reading,
            labels=settings.roi_labels,
            as_read=in_order(as_read),
        )


def _origins(patient: Patient, read: Scans, settings: PreparationSettings) -> dict[str, Origin]:
    """What each scan states of itself, by modality."""
    origins: dict[str, Origin] = {}
    for name in read:
        reference = patient.scan(name)
        assert reference is not None, "it was read from there"
        with naming_the_column(name, reference):
            origins[name] = scan_origin(reference, settings.reading)
    return origins


def checked_overlap(reference: Volume, other: Volume, name: str) -> float:
    """Per cent of the reference scan that another covers.

    Raises:
        ScanError: none of it.
    """
    percent = overlap(reference, other)
    if percent == 0:
        raise ScanError(
            name,
            got="a scan that does not overlap the reference scan in space (0 %)",
            expected="two scans of one body region",
            do="check that both are of this patient and were converted with their positions",
        )
    return percent
