"""Lossless JPEG (ITU-T T.81 annex H, process 14), decoded strictly.

The decoders at hand either end the whole program on a damaged stream or decode it as if it were
whole. This one reads what is right to the last bit, and refuses the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cystgrid.scans.jpeg_huffman import decoded_differences
from cystgrid.scans.jpeg_markers import read_markers


def decode(stream: bytes) -> NDArray[np.uint16]:
    """The samples ``(rows, columns)`` of one image of one component, 2 to 16 bits each.

    Raises:
        ValueError: it is no such image, or not a whole one.
    """
    scan = read_markers(stream)
    rows_each = scan.restart // scan.columns or scan.rows
    if len(scan.intervals) != -(-scan.rows // rows_each):
        raise ValueError(f"{len(scan.intervals)} restart intervals")
    parts = []
    for number, coded in enumerate(scan.intervals):
        rows = min(rows_each, scan.rows - number * rows_each)
        differences = decoded_differences(coded, rows * scan.columns, scan.codes)
        first = 1 << (scan.precision - scan.shift - 1)
        parts.append(_predicted(differences.reshape(rows, scan.columns), scan.predictor, first))
    samples = np.concatenate(parts)
    if int(samples.max()) >> (scan.precision - scan.shift):
        raise ValueError("samples beyond the precision")
    return np.left_shift(samples, np.uint16(scan.shift))


def _predicted(differences: NDArray[np.uint16], predictor: int, first: int) -> NDArray[np.uint16]:
    """Samples from differences, modulo 2**16 (H.1.2.1): left is a, above b, above left c."""
    rows, _ = differences.shape
    samples = np.empty_like(differences)
    samples[0] = np.cumsum(differences[0], dtype=np.uint16) + np.uint16(first)
    for row in range(1, rows):
        above = samples[row - 1].astype(np.int64)
        steps = differences[row].astype(np.int64)
        if predictor == 1:
            line = np.cumsum(np.r_[above[0] + steps[0], steps[1:]])
        elif predictor == 2:
            line = above + steps
        elif predictor == 3:
            line = np.r_[above[0], above[:-1]] + steps
        elif predictor == 4:
            line = above + np.cumsum(steps)
        elif predictor == 5:
            line = np.cumsum(np.r_[above[0] + steps[0], (np.diff(above) >> 1) + steps[1:]])
        else:
            line = _line_by_sample(above.tolist(), steps.tolist(), predictor)
        samples[row] = (line & 0xFFFF).astype(np.uint16)
    return samples


def _line_by_sample(above: list[int], steps: list[int], predictor: int) -> NDArray[np.int64]:
    """Predictors 6 and 7, which halve the sample before."""
    line = [(above[0] + steps[0]) & 0xFFFF]
    for b, c, step in zip(above[1:], above, steps[1:], strict=False):
        a = line[-1]
        guess = b + ((a - c) >> 1) if predictor == 6 else (a + b) >> 1
        line.append((guess + step) & 0xFFFF)
    return np.array(line, dtype=np.int64)
