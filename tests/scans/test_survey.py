"""A survey lists every series of a tree, whatever names files have, and says what is wrong."""

import random
import shutil
import time

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian

from cystgrid.errors import ScanError
from cystgrid.scans.reading import read_scan
from cystgrid.scans.settings import ReadLimits
from cystgrid.scans.survey import series_table, summary_line, survey, tree_files
from studies_on_disk import CANARY, CORONAL, DWI, HASTE, SAGITTAL, VIBE, uid, write_series


def only(tree):
    (series,) = survey(tree).series
    return series


def without_places(found):
    return [repr(series) for series in found.series], found.others, len(found.files)


def test_series_of_a_mixed_folder_are_told_apart_and_described(tmp_path):
    write_series(tmp_path, "a", HASTE, number=5, slices=14)
    write_series(tmp_path, "b", VIBE, number=2, slices=40, gap=3.0, suffix=".dcm")
    write_series(tmp_path, "c", DWI, number=9, patient="B", study="2")
    (tmp_path / "README").write_text("read me")
    found = survey(tmp_path)
    by_number = {series.number: series for series in found.series}
    t2, t1, dwi = by_number[5], by_number[2], by_number[9]
    assert [series.weighting for series in (t2, t1, dwi)] == ["t2", "t1", "other"]
    assert (t2.slices, t2.matrix, t2.spacing) == (14, (4, 3), (1.5, 1.25, 5.0))
    assert (t1.slices, t1.spacing[2], t1.fat_suppressed, t2.fat_suppressed) == (40, 3, True, False)
    assert (t1.plane, t1.volumes, t1.faults, t1.kind) == ("axial", 1, (), "MR")
    assert t1.description == "t1 vibe fs tra"
    assert t1.patient_key == t2.patient_key != dwi.patient_key
    assert found.others == {"not DICOM": 1}
    assert len(found.files) == 14 + 40 + 12 + 1
    assert summary_line(found).startswith(
        "67 files: 3 series (1 T1, 1 T2, 1 other MR), 1 not DICOM"
    )


def test_names_depth_and_order_of_files_mean_nothing(tmp_path):
    write_series(tmp_path / "one", "a", HASTE, number=5)
    write_series(tmp_path / "one", "b", VIBE, number=2)
    (tmp_path / "two").mkdir()
    paths = list(tree_files(tmp_path / "one"))
    random.Random(0).shuffle(paths)
    for index, path in enumerate(paths):
        folder = tmp_path / "two" / str(index % 3) / ("deep" * (index % 2))
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"{index:03}")
    one, two = survey(tmp_path / "one"), survey(tmp_path / "two")
    assert without_places(one) == without_places(two)
    assert without_places(one) == without_places(survey(tmp_path / "one"))


def test_folder_is_the_deepest_that_holds_the_series(tmp_path):
    write_series(tmp_path / "x" / "y" / "first", "a", HASTE)
    first = tree_files(tmp_path)[0]
    (tmp_path / "x" / "y" / "second").mkdir()
    shutil.move(first, tmp_path / "x" / "y" / "second" / "moved")
    assert only(tmp_path).folder == tmp_path / "x" / "y"


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [
        (CORONAL, "coronal"),
        (SAGITTAL, "sagittal"),
        ((1, 0, 0, 0, 0.9184464, -0.3955455), "axial"),
        ((1, 0, 0, 0, 0.7071068, -0.7071068), "oblique"),
    ],
)
def test_plane_is_read_from_the_direction(tmp_path, orientation, plane):
    write_series(tmp_path, "a", HASTE, orientation=orientation)
    assert only(tmp_path).plane == plane


def test_several_planes_are_a_localiser(tmp_path):
    def edit(k, dataset):
        dataset.ImageOrientationPatient = list((CORONAL, SAGITTAL, (1, 0, 0, 0, 1, 0))[k % 3])

    write_series(tmp_path, "a", VIBE, slices=9, edit=edit)
    series = only(tmp_path)
    assert (series.plane, series.localiser, series.weighting) == ("mixed", True, "other")


def test_images_at_one_position_are_volumes_told_apart_by_what_differs(tmp_path):
    def edit(k, dataset):
        dataset.ImagePositionPatient = [0, 0, 5.0 * (k // 2)]
        dataset.EchoTime = "2.3" if k % 2 else "1.1"

    write_series(tmp_path, "a", VIBE, slices=24, edit=edit)
    series = only(tmp_path)
    assert (series.slices, series.volumes, series.differ_in) == (12, 2, ("EchoTime",))
    assert not series.faults


def shift(k, dataset):
    if k > 5:
        dataset.ImagePositionPatient = [0, 0, 5.0 * (k + 2)]


def uneven(k, dataset):
    dataset.ImagePositionPatient = [0, 0, 5.0 * k + 0.3 * (k % 2)]


def resized(k, dataset):
    if k == 3:
        dataset.Rows, dataset.Columns = 4, 3


def somebody_else(k, dataset):
    if k == 3:
        dataset.PatientID = "other"


def placeless(k, dataset):
    if k == 3:
        del dataset.ImagePositionPatient


def no_number(k, dataset):
    if k == 3:
        dataset.PixelSpacing = [float("nan"), 1]


def doubled(k, dataset):
    if k == 3:
        dataset.SOPInstanceUID = "1.2.3"
    if k == 4:
        dataset.SOPInstanceUID = "1.2.3"


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (shift, "2 missing slice(s): a gap of 15 mm, not 5 mm"),
        (uneven, "uneven gaps between slices, 4.7 to 5.3 mm"),
        (resized, "2 sizes of image"),
        (somebody_else, "2 patients under one series UID"),
        (placeless, "1 images without position, direction or spacing"),
        (no_number, "1 images without position, direction or spacing"),
        (doubled, "1 files hold an image that another file holds too"),
    ],
)
def test_what_keeps_a_series_from_being_one_volume_is_said(tmp_path, edit, fault):
    write_series(tmp_path / "bad", "a", HASTE, edit=edit)
    write_series(tmp_path / "good", "a", HASTE)
    assert fault in only(tmp_path / "bad").faults
    assert only(tmp_path / "good").faults == ()


def test_damaged_files_are_listed_with_a_reason_and_hide_nothing_else(tmp_path):
    write_series(tmp_path, "a", HASTE)
    whole = tree_files(tmp_path)[0].read_bytes()
    (tmp_path / "cut").write_bytes(whole[:300])
    (tmp_path / "text.dcm").write_text("no DICOM")
    dataset = dcmread(tree_files(tmp_path)[0])
    del dataset.SeriesInstanceUID
    dcmwrite(tmp_path / "nameless", dataset)
    (tmp_path / "away").symlink_to(tmp_path.parent)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path.parent / "outside").write_bytes(whole)
    (tmp_path / "out").symlink_to(tmp_path.parent / "outside")
    found = survey(tmp_path)
    reasons = {path.name: reason for path, reason in found.damaged}
    assert "no DICM prefix" in reasons["text.dcm"]
    assert "SeriesInstanceUID (0020,000E)" in reasons["nameless"]
    assert "leads out of the tree" in reasons["out"]
    assert sorted(reasons) == ["cut", "nameless", "out", "text.dcm"]
    assert found.others == {"link to a folder, not followed": 1, "neither file nor folder": 1}
    assert found.series[0].slices == 12
    assert not any(str(tmp_path) in reason for reason in reasons.values())


def test_a_file_larger_than_the_limit_is_not_read(tmp_path):
    write_series(tmp_path, "a", HASTE)
    found = survey(tmp_path, ReadLimits(max_file_bytes=100))
    assert not found.series
    assert {reason for _, reason in found.damaged} == {
        f"{tree_files(tmp_path)[0].stat().st_size} bytes; expected at most 100"
    }


def test_enhanced_frames_are_placed_one_by_one(tmp_path, oblique, write_enhanced):
    def edit(dataset):
        dataset.StudyInstanceUID, dataset.PatientID = "1.2.3", CANARY
        timing, modifier, frame_type = Dataset(), Dataset(), Dataset()
        timing.RepetitionTime, timing.FlipAngle = "2100", "140"
        modifier.InversionRecovery = "NO"
        frame_type.FrameType = ["ORIGINAL", "PRIMARY", "T2", "NONE"]
        frame_type.AcquisitionContrast = "T2"
        shared = dataset.SharedFunctionalGroupsSequence[0]
        shared.MRTimingAndRelatedParametersSequence = [timing]
        shared.MRModifierSequence = [modifier]
        shared.MRImageFrameTypeSequence = [frame_type]
        dataset.EchoPulseSequence, dataset.SpectrallySelectedSuppression = "SPIN", "FAT"
        dataset.ContrastBolusAgentSequence = [Dataset()]

    write_enhanced(tmp_path / "x", oblique, order=[3, 0, 5, 1, 4, 2], edit=edit)
    series = only(tmp_path)
    assert (series.weighting, series.slices, series.volumes) == ("t2", 6, 1)
    assert series.why == "description says t2; TR 2100 ms, TE 80 ms, flip 140°"
    assert series.spacing == pytest.approx((0.9, 1.1, 3.5), abs=1e-4)
    assert (series.plane, series.fat_suppressed, series.contrast) == ("axial", True, "yes")
    write_enhanced(tmp_path / "x", oblique, order=[0, 1, 2, 2, 1, 0], edit=edit)
    assert (only(tmp_path).slices, only(tmp_path).volumes, only(tmp_path).differ_in) == (3, 2, ())

    def too_many(dataset):
        edit(dataset)
        dataset.NumberOfFrames = "7"

    write_enhanced(tmp_path / "x", oblique, edit=too_many)
    assert only(tmp_path).faults == ("1 files state another number of frames than they describe",)


def test_a_deflated_data_set_is_read_within_its_limit(tmp_path):
    write_series(tmp_path, "a", HASTE)
    plain = repr(only(tmp_path))
    for path in tree_files(tmp_path):
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dcmwrite(path, dataset)
    assert repr(only(tmp_path)) == plain
    bounded = survey(tmp_path, ReadLimits(max_inflated_bytes=200))
    assert len(bounded.damaged) == 12
    assert "more than 200 bytes" in bounded.damaged[0][1]


def test_other_kinds_of_object_are_no_mr(tmp_path):
    write_series(tmp_path, "a", HASTE, SOPClassUID=CTImageStorage)
    series = only(tmp_path)
    assert (series.kind, series.weighting, series.why) == ("CT Image", "other", "no MR: CT Image")


def test_nothing_of_a_person_is_shown(tmp_path):
    write_series(tmp_path, "a", HASTE, edit=somebody_else)
    write_series(tmp_path, "b", VIBE, patient="B", study="2", ContrastBolusAgent=CANARY)
    write_series(tmp_path, "c", {"SeriesDescription": CANARY, "ScanningSequence": CANARY.upper()})
    found = survey(tmp_path)
    assert found.series[0].identity.name.startswith(CANARY)  # the control: it was read
    for shown in (series_table(found), summary_line(found), repr(found)):
        assert CANARY.lower() not in shown.lower()
        assert str(tmp_path) not in shown
        assert "1950" not in shown


def test_progress_counts_every_file(tmp_path):
    write_series(tmp_path, "a", HASTE)
    (tmp_path / "note.txt").write_text("")
    steps = []
    survey(tmp_path, advance=steps.append)
    assert sum(steps) == len(tree_files(tmp_path)) == 13


def test_no_folder_is_an_error_and_an_empty_one_is_empty(tmp_path):
    with pytest.raises(ScanError, match="nothing there"):
        survey(tmp_path / "nowhere")
    assert series_table(survey(tmp_path)) == "no DICOM series"


def test_thousands_of_files_a_minute(tmp_path):
    write_series(tmp_path, "a", HASTE, slices=200)
    start = time.perf_counter()
    survey(tmp_path)
    assert time.perf_counter() - start < 200 / 3000 * 60  # 3000 a minute, on a busy machine


def test_real_series(real_data):
    found = {
        (series.number, series.folder.name): series
        for part in ("pelvis_t1_t2_dicom", "knee_jpeg2000_dicom", "enhanced_mr_dicom")
        for series in survey(real_data / part).series
    }
    known = {
        number: (s.weighting, s.plane, s.slices) for (number, _), s in found.items() if number != 5
    }
    assert known == {
        8: ("other", "axial", 18),
        26: ("t1", "axial", 20),
        301: ("t1", "coronal", 24),
        601: ("t2", "sagittal", 26),
        401: ("other", "axial", 20),
        501: ("other", "coronal", 13),
    }
    tfl = found[5, "xa30_T1w_tfl"]
    assert (tfl.weighting, tfl.slices, tfl.spacing) == ("t1", 96, (2.0, 2.0, 2.0))
    assert found[5, "5.000000-t2tsetra320p2-09906"].weighting == "t2"
    assert found[401, "MULTIFRAME"].localiser
    assert found[501, "MULTIFRAME"].volumes == 8
    (faulty,) = [series for series in found.values() if series.faults]
    assert faulty.faults == ("1 missing slice(s): a gap of 6 mm, not 3 mm",)


def test_every_real_damaged_file_is_accounted_for(real_data):
    found = survey(real_data / "malformed_dicom")
    in_series = sum(len(series.files) for series in found.series)
    assert in_series + len(found.damaged) + sum(found.others.values()) == len(found.files)
    assert found.others["DICOMDIR"] == 1
    for path, _ in found.damaged:
        with pytest.raises(ScanError):
            read_scan(str(path))


def test_uids_of_the_tree_builder_are_stable():
    assert uid("a") == uid("a") != uid("b")
