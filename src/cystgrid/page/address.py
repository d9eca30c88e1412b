"""Parts of addresses, each of a form of its own: nothing else reaches a file system."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

JobId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
SeriesKey = Annotated[str, StringConstraints(pattern=r"^([smn][0-9]{1,5})?$")]
