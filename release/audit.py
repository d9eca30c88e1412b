"""Ask the public databases for known vulnerabilities of what requirements.lock pins.

    python -m release.audit

Ends with 0 if there is none, 1 if there is one that is not accepted in pyproject.toml
([tool.cystgrid] accepted-vulnerabilities), and 4 if no database could be asked: that is no answer,
and is said as such. pip-audit itself calls a package that its database did not answer for
"skipped", and ends with 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from release.lock import LOCK, ROOT

DATABASES = ("pypi", "osv")
"""Asked in turn, until one answers; both draw on the Python Packaging Advisory Database."""

SECONDS = "20"
"""For each answer."""

NONE_FOUND, FOUND, NOT_ASKED = 0, 1, 4


@dataclass(frozen=True)
class Verdict:
    """What a database knows.

    Attributes:
        asked: packages that it answered for.
        unknown: packages that it did not.
        found: ``(package, version, vulnerability)``, those accepted left out.
        accepted: vulnerabilities that are there and were accepted.
    """

    asked: tuple[str, ...]
    unknown: tuple[str, ...]
    found: tuple[tuple[str, str, str], ...]
    accepted: tuple[str, ...]

    @property
    def code(self) -> int:
        """With which the audit ends."""
        if self.found:
            return FOUND
        return NONE_FOUND if self.asked else NOT_ASKED

    def text(self) -> str:
        """What there is to say, in lines."""
        lines = [f"{name} {version}: {which}" for name, version, which in self.found]
        lines += [f"accepted: {which}" for which in self.accepted]
        if self.asked and self.unknown:
            lines.append(f"not known to the database: {', '.join(self.unknown)}")
        if self.asked:
            lines.append(f"{len(self.asked)} packages asked for, {len(self.found)} vulnerabilities")
        else:
            lines.append("NOT AUDITED: no database of vulnerabilities answers from here")
        return "\n".join(lines) + "\n"


def judge(report: Mapping[str, Any], accepted: Mapping[str, str]) -> Verdict:
    """Read a report of pip-audit's.

    Args:
        report: its JSON.
        accepted: reasons by the names of vulnerabilities.
    """
    asked, unknown, found, taken = [], [], [], []
    for package in report["dependencies"]:
        name = package["name"]
        if "skip_reason" in package:
            unknown.append(name)
            continue
        asked.append(name)
        for each in package["vulns"]:
            known = next((i for i in (each["id"], *each.get("aliases", ())) if i in accepted), None)
            if known is None:
                found.append((name, package["version"], each["id"]))
            else:
                taken.append(f"{name} {each['id']} ({accepted[known]})")
    return Verdict(tuple(asked), tuple(unknown), tuple(found), tuple(taken))


def accepted() -> dict[str, str]:
    """The reasons in pyproject.toml, by the names of vulnerabilities."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    reasons: dict[str, str] = project["tool"]["cystgrid"]["accepted-vulnerabilities"]
    return reasons


def command(database: str) -> Sequence[str]:
    """What asks one database for the lock's own pins; nothing is installed or resolved."""
    return (
        sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes",
        "--disable-pip", "--vulnerability-service", database, "--format", "json",
        "--progress-spinner", "off", "--timeout", SECONDS,
    )  # fmt: skip


def main() -> int:
    """Audit, and say what came of it."""
    verdict = Verdict((), (), (), ())
    for database in DATABASES:
        told = subprocess.run(command(database), capture_output=True, text=True, check=False)
        try:
            verdict = judge(json.loads(told.stdout), accepted())
        except ValueError:  # it broke off, and said why in its last line
            sys.stderr.write(f"{database}: {told.stderr.strip().rpartition(chr(10))[2]}\n")
            continue
        if verdict.asked:
            break
    sys.stdout.write(verdict.text())
    return verdict.code


if __name__ == "__main__":
    sys.exit(main())
