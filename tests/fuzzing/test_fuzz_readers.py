"""Damaged scans are read to exactly the sound scan, or refused by name."""

import gzip
from collections import Counter
from mmap import mmap

import dicom_stated
import nibabel as nib
import numpy as np
import pytest
import truth_nifti
from bit_flips import flip_one_bit_each
from fuzz_campaign import bench, mutant_of, run_cases, seed_of
from fuzz_memory import PeakMemory
from fuzz_mutate import mutate
from fuzz_oracle import DEFECTS, judge, lay_out, read_by_cystgrid, same_reading, sound_reading
from fuzz_seeds import all_seeds

from cystgrid.scans.volume import Volume

CASES, SEED = 1500, 20240
"""Another seed than the long run's, so that the two together see more."""

SEEDS = {seed.kind: seed for seed in all_seeds()}


def test_damaged_scans_are_never_read_silently_wrong():
    with bench() as here:
        results = [here.run(case, SEED) for case in range(CASES)]
    defects = [result for result in results if result.verdict.outcome in DEFECTS]
    told = [f"{r.case}, {r.kind}: {r.story}: {r.verdict}" for r in defects]
    assert not defects, "\n".join(told)
    counts = Counter((seed_of(r.case).family, r.verdict.outcome) for r in results)
    for family in ("nii", "gz", "dicom"):
        assert counts[family, "refused"] > CASES / 30
        assert counts[family, "identical"] > CASES / 150
    assert counts["nii", "legitimate"] and counts["dicom", "legitimate"]
    assert not counts["gz", "legitimate"]


def test_the_oracle_catches_a_reader_that_never_checks_the_crc(tmp_path):
    """The control: the same cases and the same judge, and nibabel on trial."""
    counts = Counter()
    for case in range(2000):
        seed = seed_of(case)
        if seed.family != "gz" or seed.mask:
            continue
        sound = sound_reading(seed, tmp_path / f"sound-{case}", _by_nibabel)
        mutant = mutant_of(case, SEED)
        verdict = judge(
            seed, mutant, sound, tmp_path / f"case-{case}", _by_nibabel, refusals=(Exception,)
        )
        counts[verdict.outcome] += 1
    assert counts["silent"] > 20, counts


def _by_nibabel(seed, reference):
    image = nib.load(reference)
    voxels = image.get_fdata()
    return Volume(voxels.astype(np.float32), image.affine).canonical()


def test_one_bit_flipped_at_300_places_of_a_gzipped_scan(tmp_path):
    found = flip_one_bit_each(tmp_path)
    assert found.cystgrid_wrong == 0
    assert found.nibabel_wrong > 100, "the control: these places matter"


@pytest.mark.parametrize("kind", SEEDS)
def test_a_sound_seed_reads_as_its_second_opinion_says(tmp_path, kind):
    seed = SEEDS[kind]
    found = sound_reading(seed, tmp_path / "sound")
    if seed.family == "dicom":
        files = {name: seed.wrap(data) if seed.wrap else data for name, data in seed.files.items()}
        voxels, affine = dicom_stated.stated(files, seed.choice, tmp_path / "scratch.dcm")
    else:
        (data,) = seed.files.values()
        plain = truth_nifti.unpacked(data) if seed.family == "gz" else data
        voxels, affine = truth_nifti.stated(plain, seed.choice)
        voxels = voxels.astype(bool) if seed.mask else voxels
    truth = Volume(voxels.astype(np.float32), affine).canonical()
    assert found.voxels.std() > 0
    assert np.array_equal(found.voxels, truth.voxels)
    assert np.allclose(found.affine, truth.affine, atol=1e-6)


def test_cases_are_the_same_alone_and_among_others():
    for case in (3, 700, 1234):
        alone = mutant_of(case, SEED)
        mutant_of(case + 1, SEED)
        assert mutant_of(case, SEED) == alone != mutant_of(case, SEED + 1)


def test_a_step_is_left_out_without_changing_the_others():
    seed = SEEDS["nii float64"]
    stacked = next(n for n in range(1000) if len(mutate(seed, (0, n)).story) == 3)
    whole = mutate(seed, (0, stacked))
    without = mutate(seed, (0, stacked), frozenset({2}))
    assert without.story == whole.story[:2]


def test_a_second_opinion_is_no_excuse(tmp_path):
    """A reader that mirrors what it reads is caught though only voxels were damaged."""
    seed = SEEDS["nii int16"]
    (name, data), = seed.files.items()  # fmt: skip
    damaged = bytearray(data)
    damaged[400] ^= 1
    mutant = type(mutate(seed, (0, 0)))({name: bytes(damaged)}, name, ("one voxel",))
    sound = sound_reading(seed, tmp_path / "sound")

    def mirrored(seed, reference):
        volume = read_by_cystgrid(seed, reference)
        return volume.with_voxels(volume.voxels[::-1])

    assert judge(seed, mutant, sound, tmp_path / "right").outcome == "legitimate"
    assert judge(seed, mutant, sound, tmp_path / "wrong", mirrored).outcome == "silent"


def test_hangs_crashes_memory_and_bad_messages_are_told_apart(tmp_path, monkeypatch):
    import fuzz_oracle

    from cystgrid.errors import ScanError

    seed = SEEDS["nii int16"]
    mutant, sound = mutate(seed, (0, 0)), sound_reading(seed, tmp_path / "sound")
    monkeypatch.setattr(fuzz_oracle, "SECONDS", 0.05)

    def hangs(seed, reference):
        while True:
            try:
                sum(range(1000))
            except Exception:  # what a careless reader does
                continue

    def crashes(seed, reference):
        raise ValueError("no error of ours")

    def names_nothing(seed, reference):
        raise ScanError("a scan", got="x", expected="y", do="z")

    def names_the_path(seed, reference):
        raise ScanError(reference, got="x", expected="y", do="z")

    found = [
        judge(seed, mutant, sound, tmp_path / reader.__name__, reader).outcome
        for reader in (hangs, crashes, names_nothing, names_the_path)
    ]
    assert found == ["hang", "crash", "unnamed", "unnamed"]


def test_the_high_water_mark_sees_memory_that_was_given_back():
    size = 40 * 2**20
    peak = PeakMemory()
    with mmap(-1, size) as block:  # new pages; malloc may give ones that the process kept
        for page in range(0, size, 4096):
            block[page] = 1
    if peak.growth == 0:
        pytest.skip("this system does not tell a process's peak memory")
    assert 30 < peak.growth < 80


def test_workers_give_the_results_of_one_process():
    cases = range(0, 62)
    with bench() as here:
        alone = [here.run(case, SEED) for case in cases]
    spread = sorted(run_cases(cases, SEED, jobs=2), key=lambda result: result.case)
    assert [(r.case, r.story, r.verdict.outcome) for r in spread] == [
        (r.case, r.story, r.verdict.outcome) for r in alone
    ]


def test_damage_after_packing_leaves_a_checksum_that_holds():
    seed = SEEDS["nii uint16, gzip after"]
    mutant = mutate(seed, (0, 5))
    assert all(gzip.decompress(data) is not None for data in mutant.files.values())


def test_lay_out_names_the_choice(tmp_path):
    seed = SEEDS["nii mask, one label of three"]
    reference = lay_out(seed.files, seed.target, seed.choice, tmp_path / "x")
    assert reference.endswith(".nii#label=2")
    assert same_reading(read_by_cystgrid(seed, reference), sound_reading(seed, tmp_path / "y"))
