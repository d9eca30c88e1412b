"""Small files as the data sets hold them, and the way back through the manifest's own reader."""

from os.path import normpath

import nibabel as nib
import numpy as np
import pytest
from openpyxl import Workbook

from cystgrid.cohort.importing import write_manifest
from cystgrid.cohort.manifest import read_manifest
from cystgrid.cohort.splits import read_splits, write_splits


@pytest.fixture
def nifti():
    """Write a small real NIfTI file; ``shift`` in mm moves its header's placement."""

    def _write(*paths, shape=(4, 4, 3), shift=0.0):
        affine = np.diag([1.0, 1.0, 5.0, 1.0])
        affine[0, 3] = shift
        image = nib.Nifti1Image(np.zeros(shape, np.int16), affine)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(image, path)

    return _write


@pytest.fixture
def xlsx():
    """Write rows into the first sheet of a workbook."""

    def _write(path, rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        book = Workbook()
        for row in rows:
            book.active.append(row)
        book.create_sheet("notes").append(["not this sheet"])
        book.save(path)

    return _write


@pytest.fixture
def round_trip(tmp_path):
    """Write the manifest into another folder, read it back, and the splits too."""

    def _back(result):
        path = tmp_path / "elsewhere" / "cohort.csv"
        write_manifest(result, path)
        manifest = read_manifest(path)
        read = {patient.patient: patient for patient in manifest.patients}
        for patient in result.patients:
            if patient.patient in read:
                back = read[patient.patient]
                assert back.label == (patient.label or None)
                for name in ("t1", "t2", "roi"):
                    assert _same(getattr(back, name), getattr(patient, name))
        for number, splits in enumerate(result.splits.values()):
            write_splits(splits, tmp_path / f"{number}.json")
            assert read_splits(tmp_path / f"{number}.json") == splits
        return manifest

    return _back


def _same(read, given):
    return (read is None and not given) or normpath(read) == normpath(given)


@pytest.fixture
def reasons():
    """What was left out, as ``{reason: [ids]}``."""

    def _reasons(result):
        found = {}
        for name, why in result.left_out:
            found.setdefault(why, []).append(name)
        return found

    return _reasons
