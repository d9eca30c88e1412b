"""A short run of the fault harness; ``make faults`` is the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).with_name("faults.py")
SHORT = (
    "--kills", "4", "--interrupts", "2", "--nodes", "0", "--flips", "24", "--use-every", "0",
    "--disks", "3",
)  # fmt: skip


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills groups, reads /proc")
def test_kills_interrupts_damage_and_full_disks_lose_nothing(record_property):
    command = [sys.executable, str(HARNESS), *SHORT, "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in done.stdout.splitlines():
        if "**" in line:
            record_property("figure", line.replace("*", ""))
