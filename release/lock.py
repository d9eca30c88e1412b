"""Pin what cystgrid is developed, tested and released with: every version, and every file's sha256.

    make lock                    after a change of pyproject.toml: pins stay where they can
    make lock UPGRADE=yes        the newest of everything

The index that pip is set to is asked, by uv; its address is not written down. A lock holds the
hashes of all files of a version, so it serves every machine that an index has a file for. Where pip
is told of several indexes, the first is asked: a second one may hold some files of a version.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
PYPROJECT = "pyproject.toml"

OLDEST, NEWER = (3, 11, 5), (3, 14)
"""Versions of Python that the lock serves: from the one up to before the other."""

HEADER = """\
# What cystgrid is developed, tested and released with, on Linux with Python 3.11.5 to 3.13.
# Made by `make lock`; installed by `make install`. The sha256 are of all files of each version.
"""


def serves() -> str:
    """Why the lock does not serve this machine; empty if it does."""
    if sys.platform != "linux":
        return f"it is for Linux, this is {sys.platform}"
    if sys.implementation.name != "cpython" or not OLDEST <= sys.version_info[:3] < NEWER:
        version = sys.version.split()[0]
        return f"it is for CPython 3.11.5 to 3.13, this is {sys.implementation.name} {version}"
    return ""


def pip_settings() -> dict[str, str]:
    """Pip's settings by name, as it would take them: the environment's go before the files'."""
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    )
    found = re.findall(r"^([\w:.-]+)='(.*)'$", told.stdout, re.MULTILINE)
    ranked = sorted(found, key=lambda line: (line[0].startswith(":env:"), "install." in line[0]))
    return {re.split(r"[.:]", name)[-1]: value for name, value in ranked}


def environment() -> dict[str, str]:
    """Of a uv that asks the index that pip asks, and trusts whom pip trusts."""
    settings, names = pip_settings(), {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    given = {names[name]: value for name, value in settings.items() if name in names}
    return {**os.environ, **given}


def compiled(upgrade: bool) -> str:
    """The pins of all extras."""
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / LOCK.name
        if LOCK.is_file() and not upgrade:
            shutil.copy(LOCK, output)  # its pins are kept where they can be
        subprocess.run(
            [
                sys.executable, "-m", "uv", "pip", "compile", PYPROJECT, "--all-extras",
                "--universal", "--python-version", ".".join(map(str, OLDEST)),
                "--generate-hashes", "--no-emit-index-url", "--no-header", "--quiet",
                "--output-file", str(output),
            ],
            cwd=ROOT, env=environment(), check=True,
        )  # fmt: skip
        return HEADER + output.read_text("utf-8")


def main() -> None:
    """Write requirements.lock."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest of everything")
    text = compiled(parser.parse_args().upgrade)
    LOCK.write_text(text, "utf-8")
    pins = re.findall(r"^\S+==", text, re.MULTILINE)
    sys.stdout.write(f"{LOCK.name}: {len(pins)} packages, {text.count('--hash=')} files\n")


if __name__ == "__main__":
    main()
