"""Install cystgrid with all that it is developed with into this Python; `make install` does.

    python -m release.install             # what requirements.lock pins, each file by its sha256
    python -m release.install --newest    # the newest packages that pyproject.toml allows

Where the lock does not serve the machine, or the index has not a version that it pins, the newest
packages are taken, and that is said. A file of another sha256 is never taken: it ends here.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

from release.lock import LOCK, ROOT, serves

BY_LOCK = f"Installing what {LOCK.name} pins, each file by its sha256"
NOT_BY_LOCK = f"Not by {LOCK.name} ({{}}): the newest packages that pyproject.toml allows"
ABSENT = re.compile(r"No matching distribution found for (\S+)")


def pip(*words: str) -> subprocess.CompletedProcess[str]:
    """Run this Python's pip here; what it complains of is passed on, and kept."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", *words]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    sys.stderr.write(done.stderr)
    return done


def checked(done: subprocess.CompletedProcess[str]) -> None:
    """End with pip's exit code, unless all is well."""
    if done.returncode:
        raise SystemExit(done.returncode)


def by_lock() -> str:
    """Install what the lock pins; returns why it could not be, empty if it was.

    Raises:
        SystemExit: pip failed for another reason than a version that its index has not.
    """
    sys.stdout.write(f"{BY_LOCK}\n")
    sys.stdout.flush()
    done = pip("--require-hashes", "--requirement", LOCK.name)
    absent = ABSENT.search(done.stderr) if done.returncode else None
    if absent:
        return f"the index has no {absent[1]}"
    checked(done)
    checked(pip("--no-deps", "--no-build-isolation", "--editable", "."))
    return ""


def main() -> None:
    """Install, and say which packages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--newest", action="store_true", help="not by the lock")
    why = "as asked" if parser.parse_args().newest else serves() or by_lock()
    if why:
        sys.stdout.write(f"{NOT_BY_LOCK.format(why)}\n")
        sys.stdout.flush()
        checked(pip("--upgrade", "pip"))
        checked(pip("--editable", ".[dev]"))


if __name__ == "__main__":
    main()
