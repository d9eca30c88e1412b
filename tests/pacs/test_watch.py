"""The watcher: nothing lost, nothing twice, whatever happens in the middle."""

import itertools
import shutil
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pydicom import dcmread

from cystgrid.errors import ArchiveError, CohortError, StoreError
from cystgrid.pacs.archive import open_archive
from cystgrid.pacs.settings import PacsSettings
from cystgrid.pacs.watch import Watch, retry_refused
from cystgrid.pacs.watch_settings import WatchSettings
from cystgrid.pacs.watch_state import Stage, StudyState, WatchState
from pacs.conftest import PROTOCOLS
from pacs.fake_archive import FakeArchive
from pacs.orthanc import Orthanc
from pacs.test_archive import write_study
from pacs.test_misbehaviour import to
from studies_on_disk import uid

QUESTION = {"archive": "a", "model": "m"}
RULES = WatchSettings(poll_seconds=0.1, quiet_seconds=0.2, days=100_000)


class Killed(BaseException):
    """As if the process were killed at this moment: nothing catches it."""


class World:
    """A watcher on an archive, with an answer that costs nothing: one object a study."""

    def __init__(self, archive, folder, settings=RULES):
        self.archive, self.folder, self.settings = archive, folder, settings
        self.said, self.answered = [], []
        self.patience = archive.patience

    def answer(self, study):
        """A copy of the study's first instance under a UID that follows from the study's."""
        self.answered.append(study.name)
        own = uid(f"answer {study.name}")
        made = dcmread(min(path for path in study.rglob("*.dcm") if path.stem != own))
        made.SOPInstanceUID = own
        made.SeriesInstanceUID = uid(f"answers {study.name}")
        made.ContentTime = f"{len(self.answered):06}"
        place = self.results(study.name)
        place.mkdir(parents=True, exist_ok=True)
        made.save_as(place / "answer.dcm")
        return [place / "answer.dcm"]

    def results(self, study_uid):
        return self.folder / "results" / study_uid

    @contextmanager
    def watch(self):
        with WatchState.opened(self.folder, QUESTION) as state:
            yield Watch(
                self.archive, self.settings, self.patience, state, self.folder,
                lambda study: self.answer(study), self.results, self.said.append,
            )  # fmt: skip

    def run(self):
        with self.watch() as watch:
            return watch.run(once=True)


@pytest.fixture
def world(orthanc, tmp_path):
    settings = PacsSettings.read(orthanc.settings(tmp_path, "dicomweb"))
    return World(open_archive(settings), tmp_path / "watched")


def put_studies(orthanc, folder, count, **options):
    """Studies in the archive, and what it must hold when all are answered."""
    studies = [write_study(folder / f"{k}", f"{k}", f"P{k}", 2, **options) for k in range(count)]
    orthanc.put(sorted(folder.rglob("*.dcm")))
    sources = {dcmread(path).SOPInstanceUID for path in folder.rglob("*.dcm")}
    return studies, sorted(sources | {uid(f"answer {study}") for study in studies})


def test_every_study_is_answered_once_and_sent_once(archive, orthanc, tmp_path):
    world = World(archive, tmp_path / "watched")
    studies, expected = put_studies(orthanc, tmp_path / "theirs", 3)
    assert world.run() == {Stage.SENT: 3}
    assert orthanc.uids() == expected
    assert sorted(world.answered) == sorted(studies)
    assert list((tmp_path / "watched/studies").iterdir()) == []
    arrived = orthanc.arrivals()
    assert world.run() == {Stage.SENT: 3}
    assert orthanc.arrivals() == arrived
    assert len(world.answered) == 3


def test_only_studies_that_match_are_taken(world, orthanc, tmp_path):
    archive = world.archive
    put_studies(orthanc, tmp_path / "old", 1, date="20200101")
    (study,) = [write_study(tmp_path / "new", "9", "P9", 2, date=time.strftime("%Y%m%d"))]
    orthanc.put(sorted((tmp_path / "new").rglob("*.dcm")))
    young = RULES.model_copy(update={"days": 30})
    world = World(archive, tmp_path / "young", young)
    world.run()
    assert world.answered == [study]
    for more in ({"modality": "CT"}, {"description": "^nothing$"}):
        world = World(archive, tmp_path / str(more), young.model_copy(update=more))
        assert world.run() == {}
    world = World(archive, tmp_path / "named", young.model_copy(update={"description": "quim"}))
    world.run()
    assert world.answered == [study]


def test_a_study_is_left_alone_while_it_grows(world, orthanc, tmp_path):
    write_study(tmp_path / "theirs", slices=4)
    files = sorted((tmp_path / "theirs").glob("*.dcm"))
    orthanc.put(files[:3])
    with world.watch() as watch:
        clock = [1000.0]
        watch.now = lambda: clock[0]
        watch.settings = world.settings.model_copy(update={"quiet_seconds": 60, "days": 0})
        watch.archive = SimpleNamespace(
            find=lambda query, odd: world.archive.find(type(query)(), odd),
            instances=world.archive.instances,
            fetch=world.archive.fetch,
            send=world.archive.send,
        )
        for more in (files[3:5], files[5:], []):
            orthanc.put(more)
            watch.look()
            watch.work()
            assert world.answered == []
            clock[0] += 59
        clock[0] += 1
        watch.work()
        assert len(world.answered) == 1
        assert len(orthanc.uids()) == len(files) + 1


def test_what_is_listed_must_be_what_is_counted(world, orthanc, tmp_path):
    (study,), _ = put_studies(orthanc, tmp_path / "theirs", 1)
    with world.watch() as watch:
        watch.state.put(StudyState(study, Stage.SEEN, 3, since=0))
        watch.work()
        state = watch.state.get(study)
        assert (state.stage, state.instances) == (Stage.SEEN, 4)
        assert state.since > 0
    assert world.answered == []


@pytest.mark.parametrize("moment", ["fetch", "answer", "answered", "send", "sent"])
def test_killed_at_any_moment_it_goes_on_and_sends_each_once(
    world, orthanc, tmp_path, moment, monkeypatch
):
    studies, expected = put_studies(orthanc, tmp_path / "theirs", 3)
    arrived = orthanc.arrivals()
    kills = iter(range(3))  # once in each study

    def dies(what, before):
        def step(*args, **kwargs):
            if before and next(kills, None) is not None:
                raise Killed
            done = what(*args, **kwargs)
            if not before and next(kills, None) is not None:
                raise Killed
            return done

        return step

    name = {"answered": "answer", "sent": "send"}.get(moment, moment)
    target = world if name == "answer" else world.archive
    object.__setattr__(target, name, dies(getattr(target, name), before=name == moment))
    for _ in range(3):
        with pytest.raises(Killed):
            world.run()
    assert world.run() == {Stage.SENT: 3}
    assert orthanc.uids() == expected
    assert orthanc.arrivals() == arrived + len(studies)  # none came a second time


def test_an_archive_that_goes_and_comes_is_waited_for_and_said_once(tmp_path, orthanc, request):
    long = request.config.getoption("--long")
    for protocol in PROTOCOLS if long else PROTOCOLS[:1]:
        goes_and_comes(tmp_path / protocol, protocol, 20 if long else 5)


def goes_and_comes(tmp_path, protocol, count):
    own = Orthanc(tmp_path / "own").start()
    try:
        studies, expected = put_studies(own, tmp_path / "theirs", count)
        arrived = own.arrivals()
        settings = PacsSettings.read(own.settings(tmp_path, protocol))
        world = World(open_archive(settings), tmp_path / "watched")
        object.__setattr__(world.archive, "patience", settings.patience.model_copy(
            update={"attempts": 1, "answer_seconds": 2}))  # fmt: skip
        honest, slept = world.answer, []

        def answer(study):
            done = honest(study)
            if len(world.answered) in (2, 4):
                own.stop()  # the answer is there, the archive is not
            return done

        def sleep(seconds):
            slept.append(seconds)
            if own.process is None and len(slept) % 3 == 0:
                own.start()
            time.sleep(min(seconds, 0.05))

        world.answer = answer
        with world.watch() as watch:
            watch.sleep = sleep
            assert watch.run(once=True) == {Stage.SENT: len(studies)}
        assert own.uids() == expected
        assert own.arrivals() == arrived + len(studies)  # its log of changes survives a stop
        assert sorted(world.answered) == sorted(studies)
        assert sum("waiting for" in line for line in world.said) == 2
        assert sum("is there again" in line for line in world.said) == 2
    finally:
        own.stop()


def test_a_study_that_cannot_be_used_stops_no_other(world, orthanc, tmp_path):
    studies, _ = put_studies(orthanc, tmp_path / "theirs", 4)
    honest = world.answer
    faults = {
        studies[0]: CohortError("roi", got="none", expected="one", do="draw it"),
        studies[2]: ZeroDivisionError("the patient is Quimby"),
    }

    def answer(study):
        if study.name in faults:
            raise faults[study.name]
        return honest(study)

    world.answer = answer
    assert world.run() == {Stage.SENT: 2, Stage.REFUSED: 2}
    with world.watch() as watch:
        reasons = {one.study_uid: one.reason for one in watch.state.refused()}
    assert "roi: got none" in reasons[studies[0]]
    assert reasons[studies[2]] == "a bug in cystgrid: ZeroDivisionError"
    assert "Quimby" not in "".join(world.said)
    assert list((tmp_path / "watched/studies").iterdir()) == []
    faults.clear()
    with world.watch() as watch:
        assert retry_refused(watch.state, time.time()) == 2
        assert watch.run(once=True) == {Stage.SENT: 4}


def test_a_study_without_a_uid_is_said_once_and_stops_no_other(tmp_path):
    write_study(tmp_path / "theirs")
    turns = itertools.count()

    def every_other_nameless(answer, level):
        if level == "STUDY" and next(turns) % 2:
            answer.StudyInstanceUID, answer.StudyDate, answer.PatientID = "", "20240102", "Quimby"

    files = sorted((tmp_path / "theirs").glob("*.dcm"))
    with FakeArchive(files, edit_answer=every_other_nameless).running() as fake:
        world = World(to(fake.port), tmp_path / "watched")
        with world.watch() as watch:
            assert watch.run(once=True) == {Stage.SENT: 1}
    (told,) = [line for line in world.said if "in the list" in line]
    assert "got a study of 20240102 without StudyInstanceUID" in told
    assert "Quimby" not in told


def test_a_study_whose_instances_are_not_listed_is_refused_and_stops_no_other(
    world, orthanc, tmp_path
):
    studies, _ = put_studies(orthanc, tmp_path / "theirs", 2)
    there = world.archive.connection

    def find(*asked):
        return (replace(row, instances=None) for row in there.find(*asked))

    def instances(study):
        if study == studies[0]:
            raise ArchiveError("archive", got="status C000", expected="0000", do="look")
        return there.instances(study)

    odd = SimpleNamespace(
        name=there.name, find=find, instances=instances, retrieve=there.retrieve, store=there.store
    )
    object.__setattr__(world.archive, "connection", odd)
    assert world.run() == {Stage.SENT: 1, Stage.REFUSED: 1}
    assert any(f"{studies[0]}: refused: archive: got status C000" in line for line in world.said)


def test_a_refused_study_that_grows_has_another_try(world, orthanc, tmp_path):
    write_study(tmp_path / "theirs", slices=2)
    files = sorted((tmp_path / "theirs").glob("*.dcm"))
    orthanc.put(files[:2])
    honest = world.answer

    def answer(study):
        if len(list(study.rglob("*.dcm"))) < 4:
            raise CohortError("pairing", got="no T2", expected="one", do="wait")
        return honest(study)

    world.answer = answer
    assert world.run() == {Stage.REFUSED: 1}
    assert world.run() == {Stage.REFUSED: 1}
    orthanc.put(files[2:])
    assert world.run() == {Stage.SENT: 1}


def test_an_archive_that_refuses_a_study_is_asked_some_times(world, orthanc, tmp_path):
    put_studies(orthanc, tmp_path / "theirs", 1)
    asked = []

    def fetch(*_):
        asked.append(1)
        raise ArchiveError("archive", got="status C000", expected="0000", do="look")

    object.__setattr__(world.archive, "fetch", fetch)
    assert world.run() == {Stage.REFUSED: 1}
    assert len(asked) == world.patience.attempts


def test_another_object_of_a_results_uid_is_not_overwritten(world, orthanc, tmp_path):
    (study,), _ = put_studies(orthanc, tmp_path / "theirs", 1)
    shutil.copytree(tmp_path / "theirs", tmp_path / "other" / study)
    path = world.answer(tmp_path / "other" / study)[0]
    other = dcmread(path)
    other.SeriesDescription = "of somebody else"
    other.save_as(path)
    orthanc.put([path])
    before = orthanc.content(other.SOPInstanceUID)
    assert world.run() == {Stage.REFUSED: 1}
    assert orthanc.content(other.SOPInstanceUID) == before


def test_a_folder_has_one_watcher_and_one_question(tmp_path):
    def opened(**other):
        with WatchState.opened(tmp_path, QUESTION | other):
            pass

    with WatchState.opened(tmp_path, QUESTION), pytest.raises(StoreError, match="another process"):
        opened()
    with pytest.raises(StoreError, match="another model"):
        opened(model="other")
    (tmp_path / "watch.sqlite").write_bytes(b"no database at all, but some bytes" * 99)
    with pytest.raises(StoreError, match="a file that a watcher wrote"):
        opened()


def test_states_are_on_the_disk_when_they_are_written(tmp_path):
    with WatchState.opened(tmp_path / "a", QUESTION) as state:
        state.put(StudyState("1.2", Stage.SEEN, 3, 1.5))
        state.put(StudyState("1.3", Stage.SEEN, 3, 1.5))
        state.put(StudyState("1.2", Stage.FETCHED, 3, 1.5))
        shutil.copytree(tmp_path / "a", tmp_path / "b")  # as a killed process leaves it
    with WatchState.opened(tmp_path / "b", QUESTION) as state:
        assert [one.study_uid for one in state.open_studies()] == ["1.2", "1.3"]
        assert state.get("1.2") == StudyState("1.2", Stage.FETCHED, 3, 1.5)
        assert state.get("9") is None
    with sqlite3.connect(tmp_path / "b/watch.sqlite") as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
