"""A process that has what `pip install cystgrid` brings and nothing else, for test_extras.py.

Run by itself it reads commands as JSON from standard input, a list of words each, and writes what
each of them exits with and says.
"""

import contextlib
import importlib.metadata
import json
import sys
import tomllib
import warnings
from importlib.machinery import PathFinder
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NAME = PROJECT["name"]

REQUIRED = frozenset(canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"])
EXTRAS = {
    extra: frozenset(canonicalize_name(Requirement(text).name) for text in texts)
    for extra, texts in PROJECT["optional-dependencies"].items()
}


def brought(requirements):
    """The distributions here that these bring with them, by the metadata of what is installed."""
    asked, found = [Requirement(text) for text in requirements], set()
    seen = set()
    while asked:
        wanted = asked.pop()
        name = canonicalize_name(wanted.name)
        key = (name, frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            texts = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        for each in map(Requirement, texts):
            worlds = [{"extra": extra} for extra in ("", *wanted.extras)]
            if each.marker is None or any(each.marker.evaluate(world) for world in worlds):
                asked.append(each)
    return found


def hidden():
    """Modules that lie here, and would not after an install without extras."""
    kept = brought(PROJECT["dependencies"]) | {NAME}
    owners = importlib.metadata.packages_distributions()
    return {
        module
        for module, names in owners.items()
        if not any(canonicalize_name(name) in kept for name in names)
    }


class Without(PathFinder):
    """Finds what lies on the path, but for some."""

    gone = frozenset()

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.partition(".")[0] in cls.gone:
            return None
        return super().find_spec(fullname, path, target)


def main():
    commands = json.load(sys.stdin)
    gone = hidden()
    for name in [name for name in sys.modules if name.partition(".")[0] in gone]:
        del sys.modules[name]  # packaging's and whatever the interpreter took up as it began
    Without.gone = frozenset(gone)
    sys.meta_path[:] = [Without if each is PathFinder else each for each in sys.meta_path]
    from typer.testing import CliRunner

    from cystgrid.cli import app

    said = []
    for words in commands:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            done = CliRunner().invoke(app, words)
        said.append([done.exit_code, done.output])
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
