"""requirements.lock: it pins all that pyproject.toml names, by hashes, and names no index."""

import re
import subprocess
import sys
import tomllib
from itertools import chain

import pytest
from packaging.requirements import Requirement

from release.lock import LOCK, NEWER, ROOT, environment, pip_settings, serves
from release.sbom import normal, read_lock

TEXT = LOCK.read_text("utf-8")
PINS = {pin.name: pin for pin in read_lock(TEXT)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def named():
    """Every requirement of the project, but for itself."""
    texts = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    wanted = [Requirement(text) for text in texts]
    return [each for each in wanted if each.name != PROJECT["name"]]


def lacking(pins):
    """Requirements that no pin meets."""
    return [
        str(each)
        for each in named()
        if normal(each.name) not in pins or pins[normal(each.name)].version not in each.specifier
    ]


def test_every_requirement_is_pinned_within_its_bounds():
    assert lacking(PINS) == []
    assert all("==" not in str(each) for each in named()), "pyproject.toml names minima alone"


def test_the_control_a_package_taken_away_is_missed():
    without = {name: pin for name, pin in PINS.items() if name != "numpy"}
    assert lacking(without) == ["numpy>=1.26"]


def test_every_pin_has_hashes_and_whoever_asks_for_it_is_pinned():
    assert len(PINS) == len(re.findall(r"^\S+==", TEXT, re.MULTILINE)) > 200
    for pin in PINS.values():
        assert pin.hashes and len(set(pin.hashes)) == len(pin.hashes), pin.name
        assert pin.wanted_by, pin.name
        assert set(pin.wanted_by) <= {PROJECT["name"], *PINS}, pin.name


def test_it_names_no_index_and_no_folder_and_is_small():
    assert not re.search(r"https?:|file:|--index|--find-links|(^|\s)/", TEXT)
    assert LOCK.stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("platform", "version", "reason"),
    [
        ("linux", (3, 11, 5), ""),
        ("linux", (3, 13, 9), ""),
        ("linux", (3, 11, 4), "it is for CPython 3.11.5 to 3.13"),
        ("linux", (*NEWER, 0), "it is for CPython 3.11.5 to 3.13"),
        ("darwin", (3, 12, 0), "it is for Linux, this is darwin"),
    ],
)
def test_it_says_which_machines_it_serves(monkeypatch, platform, version, reason):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys, "version_info", version)
    assert serves().startswith(reason)
    assert bool(serves()) == bool(reason)


def test_the_index_of_pip_is_the_one_that_is_asked(monkeypatch):
    """The environment goes before the files, as in pip itself."""
    told = (
        "global.index-url='https://one.example/simple'\n"
        ":env:.index-url='https://two.example/simple'\nglobal.cert='/etc/a.pem'\n"
        "install.no-compile='true'\n"
    )
    done = subprocess.CompletedProcess((), 0, stdout=told)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert pip_settings()["index-url"] == "https://two.example/simple"
    asked = environment()
    assert asked["UV_DEFAULT_INDEX"] == "https://two.example/simple"
    assert asked["SSL_CERT_FILE"] == "/etc/a.pem"
