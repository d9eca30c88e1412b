"""HTTP/1.1 as uvicorn speaks it, for clients that finish what they begin."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""From the connection to the end of the first request's head; browsers need milliseconds."""


class HeadInTime(H11Protocol):
    """Closes a connection whose first request does not come: many held open shut others out.

    Later requests on it are under uvicorn's own time-out between requests.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self.deadline = self.loop.call_later(HEAD_SECONDS, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self.deadline.cancel()
        super().connection_lost(exc)

    def _end(self) -> None:
        if self.cycle is None:  # no request began
            self.transport.close()
