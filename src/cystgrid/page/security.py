"""Who may talk to the page: whoever holds the token of this start, from this machine's own address.

The page has no users. Whoever can read the terminal that started it has the link with the token.
What must be kept out are other programs' users on the same machine, and other web pages open in the
same browser: these can send requests to 127.0.0.1, but cannot read the token, nor name our host or
our origin.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BROKEN_OFF = frozenset((408, 413))

SILENT_SECONDS = 30.0
"""Between two pieces of a body."""

READING = frozenset(("GET", "HEAD"))
"""Methods that change nothing; all others need our own origin."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Scripts and styles come from files of ours alone. NiiVue loads its font from a ``data:`` URI."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""Of every response. ``no-store``: images of patients stay out of the browser's disk cache."""


@dataclass(frozen=True)
class Access:
    """What a request must show.

    Attributes:
        token: of this start.
        hosts: values of ``Host`` that mean this server, in lower case, with the port.
        max_body_bytes: of one request.
        smaller: bounds of single paths.
    """

    token: str
    hosts: frozenset[str]
    max_body_bytes: int
    smaller: Mapping[str, int] = field(default_factory=dict)

    def most_bytes(self, path: str) -> int:
        """Of the body of a request for a path."""
        return min(self.max_body_bytes, self.smaller.get(path, self.max_body_bytes))

    @property
    def cookie(self) -> str:
        """The cookie's name: by port, as browsers share cookies among the ports of a host."""
        port = min(self.hosts).rpartition(":")[2]
        return f"cystgrid-{port}"

    def is_token(self, text: str) -> bool:
        """Whether it is ours, in a time that tells nothing of how much of it is right."""
        return hmac.compare_digest(text.encode(), self.token.encode())


class Gate:
    """ASGI middleware before every route, static files and the API's description included."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        shielded = _with_headers(send)
        refusal = self._answer(scope)
        if refusal is not None:
            await refusal(scope, receive, shielded)
            return
        most = self.access.most_bytes(scope["path"])
        stated = Headers(scope=scope).get("content-length", "0")
        if not stated.isascii() or not stated.isdigit() or int(stated) > most:
            await _refused(413, _too_large(most))(scope, receive, shielded)
            return
        await self.app(scope, _bounded(receive, most), shielded)

    def _answer(self, scope: Scope) -> Response | None:
        """A refusal, or the redirect that turns the link's token into a cookie; None: go on."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if host not in self.access.hosts:
            return _refused(421, "This address is not the page's own: open the link as printed.")
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token")
        if given is not None and scope["method"] in READING:
            if not self.access.is_token(given):
                return _no_token()
            return self._with_cookie(scope, [pair for pair in query if pair[0] != "token"])
        bearer = headers.get("authorization", "")
        by_header = self.access.is_token(bearer.removeprefix("Bearer "))
        if not by_header and not self.access.is_token(_cookie(headers, self.access.cookie)):
            return _no_token()
        # a script with the token in a header is no browser, and has no origin to state
        origin = headers.get("origin", f"http://{host}" if by_header else "")
        if scope["method"] not in READING and origin.lower() != f"http://{host}":
            return _refused(403, "This request did not come from the page itself.")
        return None

    def _with_cookie(self, scope: Scope, query: list[tuple[str, str]]) -> Response:
        # two slashes at the beginning would lead to another host
        path = "/" + scope["path"].lstrip("/\\")
        answer = RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
        answer.set_cookie(
            self.access.cookie, self.access.token, httponly=True, samesite="strict", path="/"
        )
        return answer


def _bounded(receive: Receive, most: int) -> Receive:
    """The body, refused once more has come than may, whatever its length claims.

    A sender who leaves it unfinished and says nothing more is not waited for.
    """
    taken, whole = 0, False

    async def counted() -> Message:
        nonlocal taken, whole
        if whole:  # what is waited for now is that the browser goes away
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), SILENT_SECONDS)
        except TimeoutError:
            raise HTTPException(408, "The upload stopped in the middle.") from None
        whole = not message.get("more_body", False)
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(413, _too_large(most))
        return message

    return counted


def _too_large(most: int) -> str:
    return f"The upload is larger than {most / 2**20:.0f} MiB."


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _no_token() -> Response:
    return _refused(
        401, "Open the page with the link that `cystgrid serve` printed when it started."
    )


def _refused(status: int, sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if message["status"] in BROKEN_OFF:
                headers["connection"] = "close"  # what still comes of the body is not read
        await send(message)

    return sending
