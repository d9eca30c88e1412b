"""Puts the page's viewer into the package where npm can build it; without it, pictures serve."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VIEWER = Path("src/cystgrid/page/static/viewer")
SKIP = "CYSTGRID_NO_VIEWER"
"""Set to anything, npm is not asked."""

MINUTES = 5

INSTALL = ["install", "--no-save", "--no-audit", "--no-fund"]
"""What package-lock.json pins, by its hashes. `npm ci` refuses a lock that lacks another system's
optional package, which a registry may not have."""


class ViewerHook(BuildHookInterface):
    """Runs npm before a wheel, or an editable install, is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the viewer if it is not there, or is older than its sources."""
        root = Path(self.root)
        if not _stale(root):
            return
        npm = shutil.which("npm")
        if npm is None or os.environ.get(SKIP):
            self._without("npm is not here" if npm is None else f"{SKIP} is set")
            return
        try:
            for words in (INSTALL, ["run", "build"]):
                subprocess.run([npm, *words], cwd=root / "frontend", check=True,
                               capture_output=True, timeout=60 * MINUTES)  # fmt: skip
        except (subprocess.SubprocessError, OSError) as error:
            self._without(f"npm did not build it: {error}")

    def _without(self, reason: str) -> None:
        self.app.display_warning(
            f"The page's viewer of volumes is left out ({reason}); its pictures serve without it."
        )


def _stale(root: Path) -> bool:
    """Whether there are sources newer than what was built of them."""
    sources = [path for path in (root / "frontend").glob("*.*") if path.is_file()]
    sources += (root / "frontend/src").glob("*.ts")
    built = root / VIEWER / "viewer.js"
    if not sources:
        return False
    return not built.is_file() or max(map(_time, sources)) > _time(built)


def _time(path: Path) -> float:
    return path.stat().st_mtime
