"""Where the crops of a training lie: together on its device if they fit, else on disk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cystgrid.grids.crops import Crops, ResidentCrops
from cystgrid.grids.intensities import Intensities, Limits
from cystgrid.grids.streamed import StreamedCrops
from cystgrid.preparation.patient import PreparedPatient

RESIDENT_BYTES = 128 * 2**20
"""On a processor, of one set of crops (training, validation or test): above it they stay on disk.

Three such sets, while one is gathered from its parts, fit into half a GiB beside torch."""

RESIDENT_SHARE = 0.25
"""On a GPU: of its free memory."""

VOXEL_BYTES = 4


def gather_crops(
    prepared: Sequence[PreparedPatient],
    channels: Sequence[int],
    standard: NDArray[np.float64],
    device: torch.device,
    pixels: int | None = None,
    resident_bytes: int | None = None,
) -> Crops:
    """Standardise the crops of ``prepared`` to a fold's landmarks, for the device.

    A scan whose landmarks are all NaN is one that the patient lacks; it stays NaN throughout. Where
    the crops lie is a matter of memory and time: every window is the same to the bit.

    Args:
        prepared: the patients, in the order of the result; at most one is held at a time.
        channels: which modalities of each crop become channels, in this order.
        standard: ``(modality, landmark)`` the fold's standard landmarks of every modality.
        device: where training runs.
        pixels: along a cell's side; None for as many as were prepared.
        resident_bytes: crops of more stay on disk; None for ``resident_limit``.

    Raises:
        SettingsError: more pixels are asked for than were prepared.
    """
    intensities = Intensities(tuple(channels), standard, pixels)
    limit = resident_limit(device) if resident_bytes is None else resident_bytes
    limits: list[Limits] = []
    depths: list[int] = []
    crops: list[Tensor] = []
    side, fits = 0, True
    for patient in prepared:
        limits.append(intensities.limits(patient))
        depths.append(patient.crop.shape[1])
        side = intensities.side(patient)
        if fits:
            crops.append(intensities.slices(patient, limits[-1], slice(None)).to(device))
            fits = crops_bytes(depths, len(intensities.channels), side) <= limit
        else:
            crops.clear()
    counts = torch.tensor(depths, device=device)
    if fits:
        return ResidentCrops(_together(crops), counts)
    return StreamedCrops(prepared, intensities, tuple(limits), counts)


def resident_limit(device: torch.device) -> int:
    """Bytes of crops that may lie on a device together."""
    if device.type != "cuda":
        return RESIDENT_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    return int(RESIDENT_SHARE * free)


def crops_bytes(depths: Sequence[int], channels: int, pixels: int) -> int:
    """Of crops that lie together: all are as deep as the deepest.

    Args:
        depths: slices of each patient.
        channels: of each.
        pixels: along a cell's side.
    """
    return len(depths) * max(depths) * channels * pixels**2 * VOXEL_BYTES


def streaming_note(depths: Sequence[int], channels: int, pixels: int, limit: int) -> str:
    """What a user should know of patients whose crops take more than ``limit``; else nothing.

    Args:
        depths: slices of each patient.
        channels: of each.
        pixels: along a cell's side.
        limit: bytes that may lie together.
    """
    size = crops_bytes(depths, channels, pixels)
    if size <= limit:
        return ""
    return (
        f"the crops of all {len(depths)} patients take {size / 1e9:.2f} GB, and "
        f"{limit / 1e9:.2f} GB may lie in memory together: sets of patients that take more are "
        "read from disk window by window; no result changes"
    )


def _together(crops: list[Tensor]) -> Tensor:
    """``(patient, channel, slice, row, column)``; the list is emptied on the way.

    A crop repeats its last slice up to the deepest one's.
    """
    deepest = max(crop.shape[1] for crop in crops)
    channels, _, rows, columns = crops[0].shape
    volumes = crops[0].new_empty((len(crops), channels, deepest, rows, columns))
    for number in range(len(crops) - 1, -1, -1):
        crop = crops.pop()
        depth = crop.shape[1]
        volumes[number, :, :depth] = crop
        volumes[number, :, depth:] = crop[:, -1:]
    return volumes
