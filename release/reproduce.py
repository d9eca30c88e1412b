"""Build a release twice from fresh clones, in worlds that differ, and compare the bytes.

    python -m release.reproduce

The clones lie in folders of other names and depths, their files have other times, and the builds
run with another umask, time zone, locale, seed of hashing and home.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release.lock import ROOT

BUILD = (
    "import json, sys; from pathlib import Path; from release.build import build; "
    "Path(sys.argv[2]).write_text(json.dumps(build(Path.cwd(), Path(sys.argv[1]))))"
)


@dataclass(frozen=True)
class World:
    """Where a build happens.

    Attributes:
        folder: of the clone, below a fresh one.
        umask: of the process.
        hours: by which the files' times lie before now.
        settings: of the environment.
    """

    folder: str
    umask: int
    hours: int
    settings: Mapping[str, str]


WORLDS = (
    World("a", 0o022, 0, {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1"}),
    World(
        "somewhere else/deeper/b", 0o077, 9000,
        {"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "LANG": "tr_TR", "PYTHONHASHSEED": "2"},
    ),
)  # fmt: skip


def build_in(world: World, place: Path, root: Path) -> dict[str, str]:
    """sha256 of a release's files by name, built from a fresh clone of a repository."""
    clone, home = place / world.folder, place / "home"
    home.mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", str(root), str(clone)], check=True)
    then = time.time() - 3600 * world.hours
    for path in clone.rglob("*"):
        if ".git" not in path.relative_to(clone).parts:
            os.utime(path, (then, then))
    told = place / "sums.json"
    subprocess.run(
        [sys.executable, "-c", BUILD, str(place / "out"), str(told)],
        cwd=clone, check=True, umask=world.umask, stdout=subprocess.DEVNULL,
        env={**os.environ, **world.settings, "PYTHONPATH": str(clone), "HOME": str(home),
             "NPM_CONFIG_USERCONFIG": os.environ.get("NPM_CONFIG_USERCONFIG", _npmrc())},
    )  # fmt: skip
    sums: dict[str, str] = json.loads(told.read_text("utf-8"))
    return sums


def _npmrc() -> str:
    """The user's settings of npm, which the other home lacks: a registry may need them."""
    return str(Path.home() / ".npmrc")


def differing(builds: list[dict[str, str]]) -> list[str]:
    """Names of files that are not the same, or not there, in every build."""
    names = sorted(set().union(*builds))
    return [name for name in names if len({each.get(name) for each in builds}) > 1]


def main() -> int:
    """Build in every world; 0 if the bytes are the same."""
    with tempfile.TemporaryDirectory() as scratch:
        places = [Path(scratch) / str(number) for number in range(len(WORLDS))]
        builds = [build_in(*each, ROOT) for each in zip(WORLDS, places, strict=True)]
    for name in sorted(set().union(*builds)):
        for each in builds:
            sys.stdout.write(f"{each.get(name, 'not there')}  {name}\n")
    others = differing(builds)
    sys.stdout.write(f"different: {', '.join(others)}\n" if others else "the same bytes\n")
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main())
