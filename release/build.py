"""Build a release of the last commit: the same bytes wherever, whenever and by whom it is built.

    python -m release.build -o dist

writes the source distribution, the wheel with the page's viewer in it, their bill of materials
(CycloneDX) and SHA256SUMS. What is not committed takes no part. Every time in a file is that of the
commit; hatchling comes from the lock, the viewer's packages from frontend/package-lock.json.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from release.lock import ROOT
from release.sbom import bill

VIEWER = "cystgrid/page/static/viewer/viewer.js"
SUMS = "SHA256SUMS"

FIXED = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}
"""Whatever the caller's are."""

READABLE = 0o022
"""The umask of a build."""


def build(root: Path, output: Path) -> dict[str, str]:
    """Build the last commit of a repository.

    Args:
        root: of the repository.
        output: folder of the release; what is of the same name there is replaced.

    Returns:
        sha256 of every file by name, as in SHA256SUMS.

    Raises:
        RuntimeError: the viewer was not built.
        subprocess.CalledProcessError: git or hatchling failed; it has said why.
    """
    seconds = int(_git(root, "log", "-1", "--format=%ct"))
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree, made = Path(scratch) / "tree", Path(scratch) / "made"
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "HEAD"))) as archive:
            archive.extractall(tree, filter="data")
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "--directory", str(made)],
            cwd=tree, check=True, umask=READABLE,
            env={**os.environ, **FIXED, "SOURCE_DATE_EPOCH": str(seconds)},
        )  # fmt: skip
        _require_viewer(made)
        sums = {path.name: _sha256(path) for path in sorted(made.iterdir())}
        materials = bill(tree, sums, datetime.fromtimestamp(seconds, UTC))
        own = materials["metadata"]["component"]
        path = made / f"{own['name']}-{own['version']}.cdx.json"
        path.write_text(json.dumps(materials, indent=1) + "\n", "utf-8")
        sums[path.name] = _sha256(path)
        for name in sums:
            shutil.copyfile(made / name, output / name)
    (output / SUMS).write_text("".join(f"{sums[name]}  {name}\n" for name in sums), "utf-8")
    return sums


def _git(root: Path, *words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=root, check=True, stdout=subprocess.PIPE).stdout


def _sha256(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _require_viewer(made: Path) -> None:
    """Without npm the build hook leaves the viewer out, which serves, and is no release."""
    for wheel in made.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            if VIEWER not in archive.namelist():
                raise RuntimeError(
                    f"{wheel.name}: got no {VIEWER}, expected the page's viewer; "
                    "install npm, and see what the build said above"
                )


def main() -> None:
    """Build, and name what was made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("dist"))
    output = parser.parse_args().output
    for name, digest in build(ROOT, output).items():
        sys.stdout.write(f"{digest}  {output / name}\n")


if __name__ == "__main__":
    main()
