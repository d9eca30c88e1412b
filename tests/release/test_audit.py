"""The audit tells a vulnerability, a clean answer and no answer apart."""

import json
import subprocess

import pytest

from release import audit
from release.audit import FOUND, NONE_FOUND, NOT_ASKED, judge

CLEAN = {"name": "rich", "version": "15.0.0", "vulns": []}
HOLED = {
    "name": "jinja2",
    "version": "3.1.2",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2"], "fix_versions": ["3.1.3"]}],
}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found and could not be audited"}


def judged(*packages, accepted=()):
    return judge({"dependencies": packages}, dict(accepted))


def test_nothing_known_is_clean():
    assert judged(CLEAN).code == NONE_FOUND
    assert judged(CLEAN, SKIPPED).code == NONE_FOUND
    assert "not known to the database: torch" in judged(CLEAN, SKIPPED).text()


def test_a_vulnerability_fails_and_is_named():
    verdict = judged(CLEAN, HOLED, SKIPPED)
    assert verdict.code == FOUND
    assert "jinja2 3.1.2: PYSEC-1" in verdict.text()


def test_answers_for_nothing_are_no_clean_bill():
    """What pip-audit gives, with exit code 0, where an index knows no vulnerabilities at all."""
    verdict = judged(SKIPPED)
    assert verdict.code == NOT_ASKED
    assert verdict.text().startswith("NOT AUDITED")


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-2"])
def test_an_accepted_one_is_told_with_its_reason(name):
    verdict = judged(HOLED, accepted={name: "no template of others is read"})
    assert verdict.code == NONE_FOUND
    assert "accepted: jinja2 PYSEC-1 (no template of others is read)" in verdict.text()


def _answering(monkeypatch, answers):
    asked = []

    def run(command, **_):
        asked.append(command[command.index("--vulnerability-service") + 1])
        return subprocess.CompletedProcess(command, 1, stdout=answers[asked[-1]], stderr="no way")

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_a_database_that_does_not_answer_is_followed_by_the_next(monkeypatch):
    asked = _answering(monkeypatch, {"pypi": "", "osv": json.dumps({"dependencies": [HOLED]})})
    assert audit.main() == FOUND
    assert asked == ["pypi", "osv"]


def test_without_a_network_it_says_so(monkeypatch, capsys):
    asked = _answering(monkeypatch, {"pypi": json.dumps({"dependencies": [SKIPPED]}), "osv": ""})
    assert audit.main() == NOT_ASKED
    assert asked == ["pypi", "osv"]
    said = capsys.readouterr()
    assert "NOT AUDITED" in said.out
    assert "osv: no way" in said.err
