"""Prepared patients over HTTP: the answers of predict, batched or alone; who fails, fails alone."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from cystgrid.errors import ScanError
from cystgrid.page.grader import Grader
from cystgrid.page.grading import FaultError, graded
from cystgrid.page.settings import PageSettings
from cystgrid.preparation.store import Store, patient_folder
from cystgrid.provenance import NOTICE, digest, sha256_bytes
from cystgrid.training.answer import Answer
from cystgrid.training.deployed import load_model
from reading_page.conftest import opened
from reading_page.live import serving

TOLERANCE = 1e-6
"""Of a probability, in a pass with others or alone: float32 sums in another order."""

WAITING = 8


@pytest.fixture(scope="module")
def page(world, tmp_path_factory):
    """A page before whose grader few may wait."""
    bounds = PageSettings(max_prepared_waiting=WAITING)
    with opened(world / "model", tmp_path_factory.mktemp("graded"), bounds) as client:
        yield client


@pytest.fixture(scope="module")
def sent(world):
    """The parts of a request for P001, as its files stand on disk."""
    folder = world / "prepared"
    place = patient_folder(folder, "P001")
    return {
        "card": (place / "patient.json").read_bytes(),
        "crop": (place / "crop.npy").read_bytes(),
        "settings": json.dumps(json.loads((folder / "prepared.json").read_bytes())["settings"]),
    }


def ask(client, parts):
    files = {name: (name, part) for name, part in parts.items() if name != "settings"}
    data = {"settings": parts["settings"]} if "settings" in parts else {}
    return client.post("/api/grade", files=files, data=data)


def sealed(parts, crop=None, **changes):
    """The same request with other voxels or fields, its checksums made anew."""
    card = json.loads(parts["card"]) | changes
    del card["sha256"]
    crop = parts["crop"] if crop is None else crop
    card["crop_sha256"] = sha256_bytes(crop)
    told = json.dumps({**card, "sha256": digest(card)}).encode()
    return {**parts, "card": told, "crop": crop}


def distinct(world, parts, count):
    """Requests for patients that differ in name and voxels."""
    head = parts["crop"].index(b"\n") + 1
    voxels = np.frombuffer(parts["crop"][head:], np.float32)
    draw = np.random.default_rng(0)
    return [
        sealed(parts, parts["crop"][:head] + (voxels * scale).astype(np.float32).tobytes(),
               patient=f"D{number}")
        for number, scale in enumerate(draw.uniform(0.4, 1.6, (count, voxels.size)))
    ]  # fmt: skip


def probabilities(answer):
    assert answer.status_code == 200, answer.text
    return np.array(answer.json()["probabilities"])


def test_a_prepared_patient_has_the_answer_of_predict(page, world, sent):
    model = load_model(world / "model")
    expected = Answer.of(model, Store.open(world / "prepared").load("P001"))
    answer = ask(page, sent)
    np.testing.assert_array_equal(probabilities(answer), expected.probabilities)
    told = answer.json()
    assert told["notice"] == NOTICE
    assert told["patient"] == "P001"
    assert told["predicted"] == model.classes[expected.probabilities.argmax()]
    assert set(told["calibrated"]["inside"]) <= set(model.classes)
    assert told["model_sha256"] == model.sha256


def stopped(page):
    """Stop the process that grades, which keeps requests together until it goes on."""
    number = page.app.state.site.grader.process.number
    os.kill(number, signal.SIGSTOP)
    return number


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_many_at_once_each_have_their_own_answer(page, world, sent):
    requests = distinct(world, sent, 60)
    alone = [probabilities(ask(page, each)) for each in requests[:20]]
    with ThreadPoolExecutor(WAITING) as pool:  # no more than may wait
        together = list(pool.map(lambda each: ask(page, each), requests))
    assert [answer.json()["patient"] for answer in together] == [f"D{n}" for n in range(60)]
    found = np.stack([probabilities(answer) for answer in together])
    np.testing.assert_allclose(found[:20], alone, rtol=0, atol=TOLERANCE)
    # the control: with a neighbour's answer, every comparison would fail
    assert np.abs(found[:19] - alone[1:]).max(axis=1).min() > 10 * TOLERANCE


def test_who_comes_when_the_queue_is_full_is_told_when_to_come_again(page, sent):
    ask(page, sent)
    number, grader = stopped(page), page.app.state.site.grader
    with ThreadPoolExecutor(WAITING + 1) as pool:
        try:
            first = pool.submit(ask, page, sent)
            until(lambda: grader.process.at_work)
            rest = [pool.submit(ask, page, sent) for _ in range(WAITING)]
            until(lambda: grader.waiting == WAITING)
            refused = ask(page, sent)
        finally:
            os.kill(number, signal.SIGCONT)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert "Try again in" in refused.json()["error"]
        assert all(each.result().status_code == 200 for each in (first, *rest))
    assert ask(page, sent).status_code == 200


def test_a_killed_process_ends_what_it_had_and_another_grades_the_rest(page, sent):
    ask(page, sent)
    number, grader = stopped(page), page.app.state.site.grader
    with ThreadPoolExecutor(3) as pool:
        had = pool.submit(ask, page, sent)
        until(lambda: grader.process.at_work)
        rest = [pool.submit(ask, page, sent) for _ in range(2)]
        until(lambda: grader.waiting == 2)
        os.kill(number, signal.SIGKILL)
        assert had.result().status_code == 503
        assert "ended in the middle" in had.result().json()["error"]
        assert [each.result().status_code for each in rest] == [200, 200]
    assert grader.process.number not in (None, number)


def test_one_that_died_with_nothing_to_do_is_replaced_before_anybody_asks(page, sent):
    ask(page, sent)
    process = page.app.state.site.grader.process
    before = process.number
    os.kill(before, signal.SIGKILL)
    until(lambda: process.number not in (None, before))


class Faulty:
    """Stands in for the process: a bug in the first pass, too few answers in the second, then none
    for a while, then all is well."""

    def __init__(self):
        self.begins = iter([None, None, RuntimeError("Jane Doe"), None])
        self.passes = iter([TypeError("Jane Doe"), [], ["well", "well"]])
        self.ended = 0

    def stand_by(self):
        if (error := next(self.begins, None)) is not None:
            raise error

    def call(self, prepared):
        told = next(self.passes)
        if isinstance(told, Exception):
            raise told
        return told[: len(prepared)]

    def interrupt(self):
        pass

    def stop(self):
        self.ended += 1


def test_a_bug_costs_those_it_meets_and_the_rest_are_graded(monkeypatch, caplog):
    monkeypatch.setattr("cystgrid.page.grader.LOOK_SECONDS", 60)
    process = Faulty()
    grader = Grader(process, WAITING)
    told = [grader.ask(None).result(timeout=20) for _ in range(3)]
    assert [type(one) for one in told] == [FaultError] * 3
    assert list(map(str, told)) == ["TypeError", "ValueError", "RuntimeError"]
    assert process.ended == 3  # what it may still answer is nobody's
    assert grader.ask(None).result(timeout=20) == "well"
    grader.stop()
    assert caplog.text.count("prepared patients") == 3
    assert "Jane" not in caplog.text


class Refused:
    """A patient whose voxels cannot be had, though both scans are said to be there."""

    present = True, True

    @property
    def percentiles(self):
        raise ScanError("crop", got="nothing", expected="voxels", do="prepare it again")

    crop = percentiles


def test_a_bad_one_fails_alone(world):
    """In one pass with good ones: one that ends the pass by a bug, and one by what it is."""
    model, store = load_model(world / "model"), Store.open(world / "prepared")
    good = [store.load(name) for name in store.patients[:3]]
    breaking = replace(good[1], patient="BAD", percentiles=good[1].percentiles[:, :3])
    with pytest.raises(ValueError, match="landmarks"):  # the control: it does end a pass
        model.probabilities([*good, breaking])
    refused = Refused()
    told = graded(model, [good[0], refused, good[1], breaking, good[2]])
    assert isinstance(told[1], ScanError)
    assert isinstance(told[3], FaultError)
    assert str(told[3]) == "ValueError"  # its kind alone
    for outcome, one in zip((told[0], told[2], told[4]), good, strict=True):
        np.testing.assert_array_equal(outcome.probabilities, Answer.of(model, one).probabilities)


def body_of(parts, edge):
    """The request as bytes."""
    pieces = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode()
        + (part if isinstance(part, bytes) else part.encode())
        for name, part in parts.items()
    ]
    return b"\r\n".join([*pieces, f"--{edge}--\r\n".encode()])


def test_who_goes_away_gives_the_place_free(world, tmp_path, sent):
    """By real connections, to a page before whose grader one may wait."""
    body = body_of(sent, "edge")
    (tmp_path / "limits.toml").write_text("max_prepared_waiting = 1\n")
    options = ("--settings", tmp_path / "limits.toml")
    with serving(world / "model", tmp_path / "studies", *options) as live:
        kind = {"Content_Type": "multipart/form-data; boundary=edge",
                "Origin": f"http://127.0.0.1:{live.port}"}  # fmt: skip

        def grade():
            return live.ask("/api/grade", "POST", body=body, timeout=90, **kind)[0]

        def waits(line):
            """Whether it was not answered at once."""
            line.settimeout(2)
            try:
                assert line.recv(100).startswith(b"HTTP/1.1 503")
            except TimeoutError:
                return True
            return False

        before = live.children()
        assert grade() == 200
        (number,) = live.children() - before
        os.kill(number, signal.SIGSTOP)
        try:
            in_the_pass, waiting, refused = [
                live.begun("/api/grade", body, **kind) for _ in range(3) if not time.sleep(0.5)
            ]
            assert waits(waiting)
            assert not waits(refused)
            waiting.close()
            time.sleep(0.5)
            another = live.begun("/api/grade", body, **kind)
            assert waits(another)
        finally:
            os.kill(number, signal.SIGCONT)
        for line in (in_the_pass, another):
            line.settimeout(30)
            assert line.recv(100).startswith(b"HTTP/1.1 200")
            line.close()
        refused.close()
        assert grade() == 200


WRONG = {
    "no card": (lambda parts: {k: v for k, v in parts.items() if k != "card"}, "card: got no such"),
    "no settings": (lambda parts: {**parts, "settings": ""}, "settings: got no JSON"),
    "other settings": (
        lambda parts: {**parts, "settings": parts["settings"].replace('"cell": 16', '"cell": 32')},
        "than the model's for cell",
    ),
    "unknown setting": (lambda parts: {**parts, "settings": '{"sell": 16}'}, "did you mean"),
    "altered card": (
        lambda parts: {**parts, "card": parts["card"].replace(b'"P001"', b'"P002"')},
        "altered content",
    ),
    "a field too many": (lambda parts: sealed(parts, extra=1), "unknown key"),
    "a field of another kind": (lambda parts: sealed(parts, flags="none"), "flags"),
    "no object": (lambda parts: {**parts, "card": b"[]"}, "something else"),
    "deep": (lambda parts: {**parts, "card": b"[" * 100_000}, "something else"),
    "other crop": (lambda parts: {**parts, "crop": parts["crop"] + b"x"}, "another file"),
    "no array": (lambda parts: sealed(parts, b"x" * 100), "no such array"),
    "a pickle": (lambda parts: sealed(parts, b"cos\nsystem\n(S'true'\ntR."), "no such array"),
    "other shape": (lambda parts: sealed(parts, shape=[2, 1, 16, 16]), "as the card says"),
    "other size": (lambda parts: sealed(parts, shape=[2, 9, 32, 32]), "16 x 16"),
    "landmarks": (lambda parts: sealed(parts, percentiles=[[1.0], [1.0]]), "landmarks"),
    "no scan": (lambda parts: sealed(parts, percentiles=[None, None]), "no t1 and no t2"),
    "flat landmarks": (lambda parts: sealed(parts, percentiles=[[1.0] * 11] * 2), "ascend"),
    "not a number": (
        lambda parts: sealed(parts, parts["crop"][:-4] + np.float32(np.nan).tobytes()),
        "no numbers",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_prepared_patient_is_refused_in_one_sentence(page, sent, wrong):
    change, said = WRONG[wrong]
    answer = ask(page, change(sent))
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_a_body_that_is_too_long_is_refused(world, tmp_path, sent):
    with opened(world / "model", tmp_path, PageSettings(max_prepared_bytes=1000)) as client:
        assert ask(client, sent).status_code == 413


def test_the_page_itself_never_imports_torch(world):
    """It stays small, and its processes alone pay for their libraries."""
    import subprocess
    import sys

    code = "import sys, cystgrid.page.serving; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
