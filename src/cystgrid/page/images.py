"""What a browser shows of a study: planes as PNG, volumes as NIfTI, the result's own files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

from cystgrid.page.address import JobId, SeriesKey
from cystgrid.page.pictures import (
    LEAST_THRESHOLD,
    MOST_THRESHOLD,
    frame_of,
    map_png,
    opened,
    scale_png,
    scale_table,
    scan_png,
)
from cystgrid.page.planes import NORMAL, Axis, Frame
from cystgrid.page.report import REPORT
from cystgrid.page.site import Site, site_of
from cystgrid.scans.nifti import write_nifti

router = APIRouter(tags=["pictures and files"])

PNG, NIFTI, ZIP = "image/png", "application/gzip", "application/zip"
SHOWN = "shown"
"""Folder of scans as a browser takes them; made when first asked for."""

OLDEST = (1980, 1, 1, 0, 0, 0)
"""The time of every file in an archive: the same result gives the same bytes."""


@router.get("/scale.png", summary="The colours of maps")
def scale() -> Response:
    """From 1 to 8 or more times the even share, on a logarithmic scale, left to right."""
    return Response(scale_png(), media_type=PNG)


@router.get("/scale.json", summary="The colours of maps as a table")
def scale_as_table() -> dict[str, list[int]]:
    """R, G, B, A and index I of 256 colours from 0 to 8 times the even share."""
    return scale_table()


@router.get("/studies/{job}/frame/{ground}", summary="Edges in mm and numbers of planes of a scan")
def frame(http: Request, job: JobId, ground: SeriesKey) -> dict[str, object]:
    """Low and high edges (RAS+, mm) and cells along x, y and z of the grid that planes lie on."""
    return _frame(site_of(http), job, ground).geometry()


@router.get("/studies/{job}/scans/{key}/{axis}/{number}.png", summary="A plane of a scan")
def scan(
    http: Request, job: JobId, key: SeriesKey, axis: Axis, number: int, on: SeriesKey = ""
) -> Response:
    """A plane in grey, on the scan's own grid, or on that of another series (``on``)."""
    site = site_of(http)
    ground = _frame(site, job, on or key)
    _check(ground, axis, number)
    return Response(scan_png(site.reference(job, key), ground, axis, number), media_type=PNG)


@router.get("/studies/{job}/maps/{number}/{of}/{axis}/{place}.png", summary="A plane of a map")
def relevance(
    http: Request,
    job: JobId,
    number: int,
    of: int,
    axis: Axis,
    place: int,
    threshold: Annotated[float, Query(ge=LEAST_THRESHOLD, le=MOST_THRESHOLD)] = LEAST_THRESHOLD,
) -> Response:
    """A plane in colour, clear where it is below the threshold (in even shares)."""
    path, ground = _map(site_of(http), job, number, of)
    _check(ground, axis, place)
    return Response(map_png(path, ground, axis, place, threshold), media_type=PNG)


@router.get("/studies/{job}/volumes/{key}.nii.gz", summary="A scan as NIfTI")
def volume(http: Request, job: JobId, key: SeriesKey) -> FileResponse:
    """A scan, its voxels in RAS+ order, as NIfTI whatever it was."""
    site = site_of(http)
    path = site.jobs.place(job) / SHOWN / f"{key}.nii.gz"
    if not path.is_file():
        write_nifti(opened(site.reference(job, key))[0], path)
    return FileResponse(path, media_type=NIFTI)


@router.get("/studies/{job}/map-volumes/{number}/{of}.nii.gz", summary="A map as NIfTI")
def map_volume(http: Request, job: JobId, number: int, of: int) -> FileResponse:
    """A map in even shares, on the reference scan's own grid."""
    path, _ = _map(site_of(http), job, number, of)
    return FileResponse(path, media_type=NIFTI)


@router.get("/studies/{job}/pictures/{number}.png", summary="A mosaic of the result")
def picture(http: Request, job: JobId, number: int) -> FileResponse:
    """0: the slices that the model saw; then those of each method's maps."""
    result, folder = site_of(http).result(job)
    names = (result.grid, *result.pictures)
    if not 0 <= number < len(names):
        raise HTTPException(404, "There is no such picture.")
    return FileResponse(folder / names[number], media_type=PNG)


@router.get("/studies/{job}/report.pdf", summary="One page to print")
def report(http: Request, job: JobId) -> FileResponse:
    """The answer on one page."""
    result, folder = site_of(http).result(job)
    return FileResponse(
        folder / REPORT, media_type="application/pdf", filename=f"{result.patient}.pdf"
    )


@router.get("/studies/{job}/maps.zip", summary="All maps as NIfTI, the mosaics, the numbers")
def maps(http: Request, job: JobId) -> Response:
    """All maps on the reference scan's own grid, the mosaics, and result.json."""
    result, folder = site_of(http).result(job)
    names = [name for made in result.maps for name in made.files]
    names += [result.grid, *result.pictures, "result.json"]
    return _archive(folder, dict.fromkeys(names), f"{result.patient}-maps.zip")


@router.get("/studies/{job}/dicom.zip", summary="The DICOM results")
def dicom(http: Request, job: JobId) -> Response:
    """Structured report, maps, pictures and region as DICOM objects of the study."""
    result, folder = site_of(http).result(job)
    if not result.dicom:
        raise HTTPException(404, f"This study has no DICOM results. {result.no_dicom}.")
    return _archive(folder, result.dicom, f"{result.patient}-dicom.zip")


def _frame(site: Site, job: str, key: str) -> Frame:
    return frame_of(site.reference(job, key))


def _map(site: Site, job: str, number: int, of: int) -> tuple[Path, Frame]:
    """A map's file, and the frame of the scan that it lies on."""
    result, folder = site.result(job)
    if not 0 <= number < len(result.maps) or not 0 <= of < len(result.maps[number].files):
        raise HTTPException(404, "There is no such map.")
    ground = site.job(job).request[result.reference]
    return folder / result.maps[number].files[of], _frame(site, job, ground)


def _check(ground: Frame, axis: Axis, number: int) -> None:
    if not 0 <= number < ground.count[NORMAL[axis]]:
        raise HTTPException(404, "There is no such plane.")


def _archive(folder: Path, names: Iterable[str], called: str) -> Response:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            member = zipfile.ZipInfo(name, OLDEST)
            archive.writestr(member, (folder / name).read_bytes())
    headers = {"Content-Disposition": f'attachment; filename="{called}"'}
    return Response(content.getvalue(), media_type=ZIP, headers=headers)
