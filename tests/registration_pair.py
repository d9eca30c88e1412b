"""Two scans of one made-up body, on different grids and in different contrasts."""

import sys

import numpy as np

from cystgrid.preparation.align import WorldBox, moved
from cystgrid.preparation.register import register
from cystgrid.preparation.registration import RegistrationSettings
from cystgrid.scans.volume import Volume

BOX = WorldBox((-50, -40, -30), (50, 40, 30))
RIGID = RegistrationSettings(mode="rigid", sampling_mm=3.0)
REFERENCE_GRID = (56, 46, 22), (3.2, 3.2, 6.0)
MOVING_GRID = (52, 44, 32), (3.5, 3.5, 4.2)
SOFT_MM = 2.0


def scan(seed, weighting, shape, spacing, degrees=0.0):
    """Forty ellipsoids, each of another brightness in each weighting, around the origin."""
    random = np.random.default_rng(seed)
    affine = displacement((0, 0, 0), degrees) @ np.diag([*spacing, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    index = np.stack(np.indices(shape), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    values = np.full(shape, 20.0)
    for _ in range(40):
        centre, size = random.uniform(-1, 1, 3) * (75, 60, 55), random.uniform(8, 24, 3)
        brightness = random.uniform(20, 200, 2)[weighting]
        inside = (1 - np.linalg.norm((world - centre) / size, axis=-1)) * size.min() / SOFT_MM
        values += (brightness - values) * np.clip(inside + 0.5, 0, 1)
    values += random.normal(size=shape)
    return Volume(values.astype(np.float32), affine, "Jane Doe/scan.nii.gz")


def make_pair():
    """Reference and moving scan of one body, as they lie."""
    return scan(1, 0, *REFERENCE_GRID), scan(1, 1, *MOVING_GRID, degrees=7)


def make_other_body():
    """A moving scan of another body on the same grid."""
    return scan(2, 1, *MOVING_GRID, degrees=7)


def displacement(shift, degrees=0.0, axis=2):
    """(4, 4): turns the world about its origin, then shifts it."""
    out = np.eye(4)
    angle = np.radians(degrees)
    a, b = [n for n in range(3) if n != axis]
    out[a, a] = out[b, b] = np.cos(angle)
    out[a, b], out[b, a] = -np.sin(angle), np.sin(angle)
    out[:3, 3] = shift
    return out


def displaced(moving, transform):
    """The scan as if its anatomy lay where the transform takes it."""
    return moved(moving, np.linalg.inv(transform))


def bytes_of(reference, moving):
    """All numbers of one rigid registration."""
    done = register(reference, displaced(moving, displacement((4, -3, 5), 2)), RIGID, BOX)
    return done.transform.tobytes().hex() + str(sorted(done.figures.items()))


if __name__ == "__main__":
    sys.stdout.write(bytes_of(*make_pair()))
