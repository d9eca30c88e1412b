"""Against a real Orthanc, by both protocols: what comes back is what was sent, once."""

import shutil
import struct

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from cystgrid.errors import ArchiveDeniedError, ArchiveDownError, ArchiveError, ScanError
from cystgrid.pacs.archive import open_archive
from cystgrid.pacs.rows import Query
from cystgrid.pacs.settings import PacsSettings
from studies_on_disk import HASTE, VIBE, uid, write_series


def write_study(folder, number="1", patient="A", slices=3, date="20240102"):
    """One study of a T1 and a T2 series; returns its UID."""
    for k, (name, headers) in enumerate({"t1": VIBE, "t2": HASTE}.items(), 1):
        write_series(
            folder, name, headers, patient=patient, study=number, number=k, slices=slices,
            date=date, suffix=".dcm",
        )  # fmt: skip
    return uid(f"study{number}")


def instances(folder):
    return {dcmread(path).SOPInstanceUID: path for path in folder.rglob("*.dcm")}


def without_meta(content):
    """A file behind its meta group (PS3.10, 7.1), which each writer makes anew."""
    (length,) = struct.unpack_from("<L", content, 140)
    return content[144 + length :]


def test_what_is_sent_is_found_and_fetched_byte_for_byte(archive, orthanc, tmp_path):
    study = write_study(tmp_path / "here")
    sent = instances(tmp_path / "here")
    report = archive.send([tmp_path / "here"])
    assert sorted(report.stored) == sorted(sent) == orthanc.uids()
    assert (report.already, report.refused, report.complete) == ((), (), True)
    (row,) = archive.find(Query())
    assert (row.study_uid, row.date, row.modalities) == (study, "20240102", ("MR",))
    assert (row.series, row.instances) == (2, 6)
    folder = archive.fetch(study, tmp_path / "fetched")
    assert folder == tmp_path / "fetched" / study
    fetched = instances(folder)
    assert fetched.keys() == sent.keys()
    for one, path in fetched.items():
        contents = (sent[one].read_bytes(), orthanc.content(one), path.read_bytes())
        assert len({without_meta(each) for each in contents}) == 1
        assert path.parent.name == dcmread(path).SeriesInstanceUID
        assert dcmread(path).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_a_fetch_ends_where_it_becomes_too_heavy(archive, tmp_path):
    study = write_study(tmp_path / "here")
    archive.send([tmp_path / "here"])
    weighed = []

    def weigh(size):
        weighed.append(size)
        if len(weighed) == 3:
            raise ScanError("study", got="3 instances", expected="2", do="leave it")

    with pytest.raises(ScanError, match="got 3 instances"):
        archive.fetch(study, tmp_path / "fetched", weigh=weigh)
    written = [path.stat().st_size for path in (tmp_path / "fetched").rglob("*.dcm")]
    assert sorted(written) == sorted(weighed[:2])
    assert not (tmp_path / "fetched" / study).exists()


def test_sending_twice_stores_once(archive, orthanc, tmp_path):
    write_study(tmp_path / "here")
    first = archive.send([tmp_path / "here"])
    assert orthanc.arrivals() == 6
    second = archive.send([tmp_path / "here"])
    assert second.already == first.stored
    assert second.stored == ()
    assert orthanc.uids() == sorted(first.stored)
    assert orthanc.arrivals() == 6  # nothing arrived a second time


def test_an_instance_is_never_overwritten(archive, orthanc, tmp_path):
    write_study(tmp_path / "here")
    archive.send([tmp_path / "here"])
    source, path = next(iter(instances(tmp_path / "here").items()))
    before = orthanc.content(source)
    other = dcmread(path)
    other.PixelData = bytes(len(other.PixelData))
    other.SeriesDescription = "another"
    other.save_as(tmp_path / "other.dcm")
    report = archive.send([tmp_path / "other.dcm"])
    assert [one for one, _ in report.refused] == [source]
    assert not report.complete
    assert orthanc.content(source) == before


def test_an_object_made_again_is_the_same_object(archive, tmp_path):
    write_study(tmp_path / "here")
    archive.send([tmp_path / "here"])
    _, path = next(iter(instances(tmp_path / "here").items()))
    again = dcmread(path)
    again.ContentDate, again.ContentTime = "20301231", "235959"
    again.save_as(tmp_path / "again.dcm")
    assert len(archive.send([tmp_path / "again.dcm"]).already) == 1


def test_filters_match_as_the_archive_understands_them(archive, tmp_path):
    studies = {
        number: write_study(tmp_path / number, number, patient, 1, date)
        for number, patient, date in (
            ("1", "A", "20240102"), ("2", "B", "20240301"), ("3", "C", "20250101"),
        )
    }  # fmt: skip
    archive.send([tmp_path / number for number in studies])

    def found(**asked):
        return {row.study_uid for row in archive.find(Query(**asked))}

    assert found() == set(studies.values())
    assert found(patient="Quimby-B") == {studies["2"]}
    assert found(patient="Quimby-*") == found(patient="Quimby-?") == set(studies.values())
    assert found(description="Qu?mb*") == set(studies.values())
    assert found(date="20240101-20241231") == {studies["1"], studies["2"]}
    assert found(date="20240302-") == {studies["3"]}
    assert found(modality="mr") == set(studies.values())
    assert found(modality="CT") == set()
    assert found(study_uid=studies["3"]) == {studies["3"]}
    assert found(description="nothing like it") == set()
    assert len(archive.find(Query(limit=2))) == 2


def test_many_studies_are_listed_page_by_page_and_each_once(archive, monkeypatch, tmp_path):
    monkeypatch.setattr("cystgrid.pacs.dicomweb.PAGE", 3)
    for number in "abcdefgh":
        write_study(tmp_path / number, number, number, 1)
    archive.send([tmp_path])
    rows = archive.find(Query())
    assert len({row.study_uid for row in rows}) == len(rows) == 8
    assert len(archive.find(Query(limit=4))) == 4


def test_a_fetch_goes_on_where_it_ended(archive, tmp_path):
    study = write_study(tmp_path / "here")
    archive.send([tmp_path / "here"])
    whole = archive.fetch(study, tmp_path / "fetched")
    gone = sorted(whole.rglob("*.dcm"))[:2]
    kept = sorted(set(whole.rglob("*.dcm")) - set(gone))
    stamps = {path: path.stat().st_mtime_ns for path in kept}
    for path in gone:
        path.unlink()
    whole.rename(tmp_path / "fetched" / f"{study}.part")
    came = []
    assert archive.fetch(study, tmp_path / "fetched", came.append) == whole
    assert sum(came) == 2
    assert {path: path.stat().st_mtime_ns for path in kept} == stamps
    assert len(list(whole.rglob("*.dcm"))) == 6
    assert not (tmp_path / "fetched" / f"{study}.part").exists()


def test_a_study_that_has_grown_is_completed(archive, tmp_path):
    study = write_study(tmp_path / "here")
    files = sorted(instances(tmp_path / "here").values())
    archive.send(files[:-1])
    assert len(list(archive.fetch(study, tmp_path / "fetched").rglob("*.dcm"))) == 5
    archive.send(files)
    assert len(list(archive.fetch(study, tmp_path / "fetched").rglob("*.dcm"))) == 6


def test_files_that_the_archive_does_not_list_are_not_mixed_in(archive, tmp_path):
    study = write_study(tmp_path / "here")
    archive.send([tmp_path / "here"])
    folder = archive.fetch(study, tmp_path / "fetched")
    shutil.copy(next(folder.rglob("*.dcm")), folder / "1.2.3.dcm")
    with pytest.raises(ArchiveError, match=r"1 instances that .* does not list"):
        archive.fetch(study, tmp_path / "fetched")


def test_a_study_that_is_not_there_is_an_error(archive, tmp_path):
    with pytest.raises(ArchiveError, match="no instance of study"):
        archive.fetch("1.2.3.4", tmp_path)
    assert list(tmp_path.glob("1.2.3.4*")) == []


def test_a_file_that_is_no_dicom_is_named(archive, tmp_path):
    (tmp_path / "x.dcm").write_bytes(b"no DICOM")
    with pytest.raises(ScanError, match=r"x\.dcm.*no DICOM file"):
        archive.send([tmp_path / "x.dcm"])


def opened(path, old, new):
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    return open_archive(PacsSettings.read(path))


def test_a_wrong_title_is_said_at_once(orthanc, tmp_path):
    settings = orthanc.settings(tmp_path, "dimse")
    with pytest.raises(ArchiveDeniedError, match=r"rejected.*called ae title not recognised"):
        opened(settings, '"ORTHANC"', '"NOBODY"').find(Query())


def test_a_title_of_ours_that_the_archive_does_not_know_is_said(orthanc, tmp_path):
    settings = orthanc.settings(tmp_path, "dimse")
    with pytest.raises(ArchiveError, match="STRANGER"):
        opened(settings, '"CYSTGRID"', '"STRANGER"').find(Query())


def test_a_wrong_password_is_said_and_not_shown(orthanc, tmp_path, monkeypatch):
    monkeypatch.setenv("CYSTGRID_TEST_PASSWORD", "wr0ng-and-hidden")
    archive = open_archive(PacsSettings.read(orthanc.settings(tmp_path, "dicomweb")))
    with pytest.raises(ArchiveDeniedError, match="HTTP 401") as error:
        archive.find(Query())
    assert "wr0ng" not in str(error.value) + repr(archive)


@pytest.mark.parametrize("where", ["dicomweb", "dimse"])
def test_an_archive_that_is_not_there_is_asked_as_often_as_the_settings_say(
    orthanc, where, tmp_path
):
    settings = orthanc.settings(tmp_path, where)
    for port in (orthanc.http, orthanc.dicom):
        settings.write_text(settings.read_text().replace(str(port), "9"))
    archive = open_archive(PacsSettings.read(settings))
    with pytest.raises(ArchiveDownError, match="3 times in a row"):
        archive.find(Query())
