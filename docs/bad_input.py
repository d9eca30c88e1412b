"""Write docs/bad-input.md: every case of tests/catalogue is met, and what is said is written down.

Run by `make structure`. Lines of cases that need real scans (CYSTGRID_REAL_DATA) stay as they are
where there are none.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from catalogue.page import PAGE, all_cases, can_be_met, make_page, met_lines


def main() -> None:
    """Meet all cases and write the page."""
    committed = PAGE.read_text("utf-8") if PAGE.is_file() else ""
    lines = met_lines(one for one in all_cases() if one.page and can_be_met(one))
    PAGE.write_text(make_page(lines, committed), "utf-8")


if __name__ == "__main__":
    main()
