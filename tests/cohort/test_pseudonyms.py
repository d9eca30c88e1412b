"""Pseudonyms: stable for a key, telling nothing without it, and everywhere an id stood."""

import base64
import hashlib
import hmac
import os
import random
import stat

import pytest

from cystgrid.cohort import pseudonyms
from cystgrid.cohort.importing import ImportedPatient, ImportResult, summary, write_manifest
from cystgrid.cohort.pseudonyms import new_key, pseudonym, pseudonymise, read_key, write_key
from cystgrid.cohort.splits import check_disjoint, splits_of_folds
from cystgrid.errors import CohortError

KEY = bytes(range(32))
NAMES = [f"NU_{i}" for i in range(9)]


def result(names=NAMES):
    people = [
        ImportedPatient(n, "low", t1=f"/scans/{i}.nii", group="NU_0" if n in NAMES[:2] else "")
        for i, n in enumerate(names)
    ]
    return ImportResult(
        tuple(people),
        left_out=(("NU_77", "no mask"),),
        flagged=(("NU_3", "no mask"),),
        splits={"published": splits_of_folds([NAMES[0::3], NAMES[1::3], NAMES[2::3]])},
    )


def test_a_pseudonym_is_the_beginning_of_hmac_sha256():
    code = hmac.new(KEY, "Müller".encode(), hashlib.sha256).digest()[:10]
    assert pseudonym("Müller", KEY) == "P-" + base64.b32encode(code).decode()
    assert pseudonym("Mu\u0308ller", KEY) == pseudonym("Müller", KEY)  # as macOS writes names
    assert pseudonym("Müller", KEY) != pseudonym("Müller", bytes(32))
    assert pseudonym("NU_1", KEY) != pseudonym("NU_10", KEY)


def test_no_id_is_left_anywhere(tmp_path):
    hidden = pseudonymise(result(), KEY)
    write_manifest(hidden, tmp_path / "cohort.csv")
    shown = (tmp_path / "cohort.csv").read_text() + summary(hidden) + repr(hidden)
    assert "NU_" not in shown
    assert "NU_" in summary(result())  # what a leak would look like


def test_everything_else_stays_as_it_was():
    hidden = {p.patient: p for p in pseudonymise(result(), KEY).patients}
    for patient in result().patients:
        twin = hidden[pseudonym(patient.patient, KEY)]
        assert (twin.label, twin.t1) == (patient.label, patient.t1)
    groups = [hidden[pseudonym(name, KEY)].group for name in NAMES[:3]]
    assert groups == [pseudonym("NU_0", KEY)] * 2 + [""]


def test_folds_hold_the_same_people():
    before, after = (r.splits["published"] for r in (result(), pseudonymise(result(), KEY)))
    check_disjoint(after, "after")
    for old, new in zip(before.outer, after.outer, strict=True):
        assert set(new.test) == {pseudonym(name, KEY) for name in old.test}
        assert [len(turn.train) for turn in new.inner] == [len(turn.train) for turn in old.inner]


def test_the_order_changes_nothing():
    shuffled = random.Random(1).sample(NAMES, len(NAMES))
    one, other = (pseudonymise(result(names), KEY) for names in (NAMES, shuffled))
    assert [p.patient for p in one.patients] == [p.patient for p in other.patients]
    assert [p.patient for p in one.patients] == sorted(pseudonym(n, KEY) for n in NAMES)


def test_two_ids_of_one_pseudonym_are_refused(monkeypatch):
    monkeypatch.setattr(pseudonyms, "PSEUDONYM_BYTES", 0)
    with pytest.raises(CohortError, match="one pseudonym"):
        pseudonymise(result(), KEY)


def test_a_key_is_random_private_and_read_back(tmp_path):
    path = tmp_path / "keys" / "key.txt"
    key = new_key()
    write_key(key, path)
    assert read_key(path) == key != new_key()
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(CohortError, match="cannot be made"):
        write_key(new_key(), path)
    assert read_key(path) == key


@pytest.mark.parametrize("content", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, b"\xff" * 64])
def test_what_is_no_key_is_refused_without_being_shown(tmp_path, content):
    path = tmp_path / "key.txt"
    path.write_bytes(content)
    with pytest.raises(CohortError, match="something else than a key") as caught:
        read_key(path)
    assert not content or content.decode("latin-1") not in str(caught.value)


def test_no_key_is_made_in_silence(tmp_path):
    with pytest.raises(CohortError, match="cannot be read"):
        read_key(tmp_path / "key.txt")
    assert not list(tmp_path.iterdir())
