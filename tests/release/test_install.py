"""`make install`: by the lock, or with the reason by the newest; never past a sha256."""

import subprocess
import sys

import pytest

from release import install

WRONG = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."
LACKS = "ERROR: No matching distribution found for numpy==2.9.9"


@pytest.fixture
def asked(monkeypatch):
    """What pip was asked, and what it is to say of the lock."""
    calls, said = [], {"lock": (0, "")}

    def run(command, **options):
        words = command[command.index("install") + 1 :]
        calls.append(words)
        code, text = said["lock"] if "--require-hashes" in words else (0, "")
        return subprocess.CompletedProcess(command, code, stderr=text)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["install"])
    monkeypatch.setattr(install, "serves", lambda: "")
    return calls, said


def taken(calls):
    return ["lock" if "--require-hashes" in words else words[-1] for words in calls]


def test_the_lock_is_what_is_taken(asked, capsys):
    install.main()
    assert taken(asked[0]) == ["lock", "."]
    assert "--no-deps" in asked[0][-1]
    assert "Not by" not in capsys.readouterr().out


@pytest.mark.parametrize("why", ["served elsewhere", LACKS, "--newest"])
def test_the_newest_are_taken_only_with_the_reason(asked, why, monkeypatch, capsys):
    calls, said = asked
    told = {"served elsewhere": why, LACKS: "no numpy==2.9.9", "--newest": "as asked"}[why]
    if why == LACKS:
        said["lock"] = (1, LACKS)
    elif why == "--newest":
        monkeypatch.setattr(sys, "argv", ["install", "--newest"])
    else:
        monkeypatch.setattr(install, "serves", lambda: why)
    install.main()
    assert taken(calls)[-1] == ".[dev]"
    assert told in capsys.readouterr().out


@pytest.mark.parametrize("error", [WRONG, "ERROR: Could not install packages: no space left"])
def test_any_other_fault_ends_the_installation(asked, error):
    calls, said = asked
    said["lock"] = (1, error)
    with pytest.raises(SystemExit):
        install.main()
    assert taken(calls) == ["lock"]
