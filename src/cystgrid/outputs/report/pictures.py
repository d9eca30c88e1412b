"""Pictures as a report holds them: figures of the run, slices of its patients, maps over them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cystgrid.explanations.patient_map import PatientMap
from cystgrid.explanations.placing import Window
from cystgrid.outputs.quality.pictures import outline_path
from cystgrid.outputs.relevance import montage
from cystgrid.outputs.relevance_scale import map_pixels, scale_pixels
from cystgrid.outputs.report.model import Figure, Layer
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.scans.volume import Array

DOTS_A_PIXEL = 2
"""Figures are drawn at 200 dots an inch; a page's pixel is about a hundredth."""

FIGURE_QUALITY, SLICES_QUALITY = 84, 76
"""Of WebP. Slices: 64 x 64 pixels in about half a kilobyte, without blocks in the liver."""

WIDEST = 2000
"""Dots of a figure of scans; wider ones are halved."""

DISPLAY_PERCENTILES = (0.5, 99.5)


def figure(
    folder: Path, name: str, title: str, alt: str, *, of_scans: bool = False
) -> Figure | None:
    """One of RUN/figures as a picture of the page; None where the run has none of this name.

    Args:
        folder: RUN.
        name: of the file, without suffix.
        title: above it.
        alt: what it shows, in words.
        of_scans: it shows scans, which may lose what no eye sees; drawings lose nothing.
    """
    path = folder / "figures" / f"{name}.png"
    if not path.is_file():
        return None
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    width, height = (round(side / DOTS_A_PIXEL) for side in image.size)
    if of_scans and image.width > WIDEST:
        image = image.reduce(2)
    uri = _webp(image, quality=FIGURE_QUALITY if of_scans else None)
    return Figure(name, title, uri, width, height, alt, f"figures/{name}.png")


def layers(
    prepared: PreparedPatient,
    modalities: Sequence[str],
    window: Window,
    made: PatientMap | None = None,
) -> tuple[Layer, ...]:
    """A patient's scans on some slices, with the known lesion and a map where there is one.

    A map of both scans together lies on each of them.

    Args:
        prepared: the patient.
        modalities: names of the crop's scans.
        window: which slices.
        made: the map.
    """
    aspect = _stretch(prepared)
    found = []
    for number, name in enumerate(modalities):
        if not prepared.present[number]:
            found.append(Layer(name.upper(), "", 0, 0, f"there is no {name.upper()}"))
            continue
        grey = _grey(montage(_of(prepared.crop[number], window)))
        image = Image.fromarray(grey).resize(
            (grey.shape[1], round(grey.shape[0] * aspect)), Image.Resampling.BILINEAR
        )
        map_uri, map_name = _map_on(made, name, window, image.size)
        outline = "" if prepared.lesion is None else _outline(prepared.lesion, window, aspect)
        alt = f"{prepared.patient}, {name.upper()}: {len(window)} axial slices from foot to head"
        alt += ", with the known lesion outlined" if outline else ""
        uri = _webp(image, quality=SLICES_QUALITY)
        found.append(Layer(name.upper(), uri, *image.size, alt, outline, map_uri, map_name))
    return tuple(found)


def scale_uri() -> str:
    """The colours of the maps in a row, from one even share to the scale's end."""
    return _png(Image.fromarray(scale_pixels(), mode="RGBA"))


def _of(slices: Array, window: Window) -> Array:
    return slices[window.first : window.stop]


def _stretch(prepared: PreparedPatient) -> float:
    """Height of a pixel over its width."""
    column, row = np.linalg.norm(prepared.affine[:3, :2], axis=0)
    return float(row / column)


def _grey(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = np.nanpercentile(values, DISPLAY_PERCENTILES)
    scaled = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(np.rint(np.nan_to_num(scaled) * 255), dtype=np.uint8)


def _outline(lesion: Array, window: Window, aspect: float) -> str:
    mask = montage(_of(lesion, window)) > 0.5  # of a missing slice: NaN, which is not greater
    height = round(mask.shape[0] * aspect)
    rows = np.minimum((np.arange(height) / aspect).astype(int), mask.shape[0] - 1)
    return outline_path(mask[rows])


def _map_on(
    made: PatientMap | None, name: str, window: Window, size: tuple[int, int]
) -> tuple[str, str]:
    """The map that speaks of a scan, as a picture of the scan's size, and what it is called."""
    if made is None:
        return "", ""
    for of, values in made.seen:
        if name in of.split("+"):
            pixels = map_pixels(montage(_of(values, window)))
            image = Image.fromarray(pixels, mode="RGBA").resize(size, Image.Resampling.NEAREST)
            return _png(image), f"{made.method.name} of {of.upper()}"
    return "", ""


def _webp(image: Image.Image, quality: int | None) -> str:
    """A ``data:`` URI; without a quality, not a pixel is changed."""
    content = io.BytesIO()
    if quality is None:
        image.save(content, "WEBP", lossless=True, method=4)
    else:
        image.save(content, "WEBP", quality=quality, method=5)
    return _uri("webp", content)


def _png(image: Image.Image) -> str:
    content = io.BytesIO()
    image.quantize(64, method=Image.Quantize.FASTOCTREE).save(content, "PNG", optimize=True)
    return _uri("png", content)


def _uri(kind: str, content: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
