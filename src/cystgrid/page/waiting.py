"""HTTP/1.1 as uvicorn speaks it, for clients that finish what they begin."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""From the connection, or from an answer, to the end of the next request's head; browsers need
milliseconds."""


class HeadInTime(H11Protocol):
    """Closes a connection on which no request comes: many held open shut others out.

    uvicorn's own time-out between requests ends with the first byte that comes, whatever follows.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        """Wait for the next request; what may still come of this one's body is none."""
        self.deadline.cancel()
        self._wait()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self.deadline.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self.deadline = self.loop.call_later(HEAD_SECONDS, self._end)

    def _end(self) -> None:
        if self.cycle is None or self.cycle.response_complete:  # no request is being answered
            self.transport.close()
