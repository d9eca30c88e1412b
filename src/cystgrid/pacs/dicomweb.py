"""An archive by DICOMweb: QIDO-RS, WADO-RS and STOW-RS (PS3.18)."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread, dcmwrite

from cystgrid.errors import ArchiveDeniedError, ArchiveDownError, ArchiveError, SettingsError
from cystgrid.pacs.connection import Receive
from cystgrid.pacs.patience import Patience
from cystgrid.pacs.rows import (
    INSTANCE_KEYWORDS,
    MOST_INSTANCES,
    STUDY_KEYWORDS,
    InstanceRow,
    Odd,
    Query,
    StudyRow,
    distinct,
    refuse,
    study_rows,
)
from cystgrid.pacs.settings import DicomWebSettings
from cystgrid.quiet import quietly

PAGE = 100
"""Studies, or instances, asked for at a time."""

for chatty in ("retrying", "dicomweb_client"):
    # they would print tracebacks, and addresses with a PatientID in them; what matters is raised
    logging.getLogger(chatty).setLevel(logging.CRITICAL)

DENIED = (401, 403, 407)
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes after which the same request may work a little later."""

Search = Callable[..., list[dict[str, Any]]]


class BearerToken(requests.auth.AuthBase):
    """Puts a token into a request; a header of the session would give way to a ``.netrc``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign one request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class DicomWeb:
    """A ``Connection`` by DICOMweb."""

    def __init__(self, settings: DicomWebSettings, patience: Patience) -> None:
        """Nothing is sent yet.

        Raises:
            SettingsError: the environment variable of a secret is not set.
        """
        self.name = settings.url
        self._client = DICOMwebClient(
            settings.url.rstrip("/"),
            session=_session(settings),
            timeout=(patience.connect_seconds, patience.answer_seconds),
        )
        self._client.set_http_retry_params(retry=False)  # ours waits as the settings say

    def find(self, query: Query, odd: Odd = refuse) -> Iterator[StudyRow]:
        """See ``Connection``."""
        pages = self._pages(
            self._client.search_for_studies, query.limit, odd,
            fields=list(STUDY_KEYWORDS), search_filters=query.filters,
        )  # fmt: skip
        seen: set[str] = set()
        for page in pages:
            rows = list(study_rows(page, self.name, odd))
            new = [row for row in rows if row.study_uid not in seen]
            if rows and not new:  # an archive that ignores the offset repeats itself without end
                return
            for row in new:
                if len(seen) < query.limit and row.study_uid not in seen:
                    seen.add(row.study_uid)
                    yield row
            if len(seen) >= query.limit:
                return

    def instances(self, study_uid: str) -> tuple[InstanceRow, ...]:
        """See ``Connection``."""
        pages = self._pages(
            self._client.search_for_instances, MOST_INSTANCES, refuse,
            study_instance_uid=study_uid, fields=list(INSTANCE_KEYWORDS),
        )  # fmt: skip
        found: dict[InstanceRow, None] = {}
        for page in pages:
            before = len(found)
            found |= dict.fromkeys(InstanceRow.of(answer, self.name) for answer in page)
            if len(found) == before:
                break
        return distinct(list(found), self.name)

    def _pages(self, search: Search, most: int, odd: Odd, **asked: Any) -> Iterator[list[Dataset]]:
        """Answers, some at a time, until there are no more or ``most`` were told."""
        told, before = 0, None
        while told < most:
            with self._spoken("a list"):
                answers = search(limit=min(PAGE, most - told), offset=told, **asked)
                if not isinstance(answers, list):
                    raise TypeError("no list")
            if not answers or answers == before:  # an offset that is ignored brings the same again
                return
            yield list(self._decoded(answers, odd))
            told, before = told + len(answers), answers

    def _decoded(self, answers: Sequence[dict[str, Any]], odd: Odd) -> Iterator[Dataset]:
        for answer in answers:
            try:
                with self._spoken("a list"):
                    decoded = Dataset.from_json(answer)
            except ArchiveError as error:
                odd(error)
            else:
                yield decoded

    def retrieve(self, study_uid: str, wanted: Sequence[InstanceRow], receive: Receive) -> None:
        """See ``Connection``."""
        for row in wanted:
            with self._spoken(f"instance {row.uid}"):
                # As stored: without transcoding, the bytes are the archive's own.
                found = self._client.retrieve_instance(study_uid, row.series_uid, row.uid)
                stream = io.BytesIO()
                dcmwrite(stream, found, enforce_file_format=True)
            receive(stream.getvalue())

    def store(self, objects: Sequence[bytes]) -> None:
        """See ``Connection``."""
        with self._spoken("what is stored"):
            self._client.store_instances([dcmread(io.BytesIO(each)) for each in objects])

    @contextmanager
    def _spoken(self, what: str) -> Iterator[None]:
        """What goes wrong within, as an error of ours; text of the archive's is not repeated."""
        try:
            with quietly():  # pydicom's warnings repeat values: the reader judges them
                yield
        except requests.HTTPError as error:
            raise _refusal(self.name, error.response.status_code, what) from error
        except (requests.exceptions.SSLError, requests.TooManyRedirects) as error:
            known = isinstance(error, requests.exceptions.SSLError)
            raise ArchiveDeniedError(
                self.name,
                got="a certificate that cannot be trusted" if known else "a redirection",
                expected="a certificate of a known authority" if known else "the archive itself",
                do="check ca_file" if known else "set url to where the archive is",
            ) from error
        except (json.JSONDecodeError, requests.exceptions.InvalidJSONError) as error:
            raise self._nonsense(what, error) from error
        except (requests.RequestException, OSError) as error:
            raise ArchiveDownError(
                self.name,
                got=f"no answer ({_root(error)})",
                expected=f"an archive that gives or takes {what}",
                do="check the address and whether the archive runs",
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError) as error:
            raise self._nonsense(what, error) from error

    def _nonsense(self, what: str, error: Exception) -> ArchiveError:
        return ArchiveError(
            self.name,
            got=f"an answer that is no DICOM ({type(error).__name__})",
            expected=f"{what} as PS3.18 says",
            do="check that url ends where /studies begins",
        )


class ArchiveSession(requests.Session):
    """Sends what is meant.

    dicomweb-client writes ``*`` as ``%2A``, which Orthanc 1.10 takes for a letter; in a query
    (RFC 3986, 3.4) both may stand as they are. And requests lets ``REQUESTS_CA_BUNDLE`` replace the
    authority that the session was given.
    """

    def request(self, method: str | bytes, url: str | bytes, **options: Any) -> requests.Response:  # type: ignore[override]
        """As ``requests.Session.request``."""
        path, mark, query = str(url).partition("?")
        query = query.replace("%2A", "*").replace("%3F", "?")
        options["verify"] = self.verify
        return super().request(method, path + mark + query, **options)


def _session(settings: DicomWebSettings) -> requests.Session:
    session = ArchiveSession()
    session.max_redirects = 0  # another machine is not to be spoken to, least of all with a secret
    session.verify = str(settings.ca_file) if settings.ca_file else True
    session.cert = settings.cert
    if settings.password_env:
        session.auth = (settings.user, _secret(settings.password_env, "password_env"))
    elif settings.token_env:
        session.auth = BearerToken(_secret(settings.token_env, "token_env"))
    return session


def _secret(variable: str, key: str) -> str:
    secret = os.environ.get(variable, "")
    if not secret or not secret.isprintable():
        raise SettingsError(
            f"dicomweb.{key}",
            got=f"no secret in the environment variable {variable}",
            expected="a password or token of one line",
            do=f"set {variable} before you start cystgrid",
        )
    return secret


def _refusal(name: str, status: int, what: str) -> ArchiveError:
    if status in DENIED:
        return ArchiveDeniedError(
            name, got=f"HTTP {status}", expected="to be let in",
            do="check user and password_env, or token_env",
        )  # fmt: skip
    if status in PASSING:
        return ArchiveDownError(
            name, got=f"HTTP {status}", expected=f"an archive that gives or takes {what}",
            do="look into the archive's log, or try later",
        )  # fmt: skip
    return ArchiveError(
        name, got=f"HTTP {status} for {what}", expected="200",
        do="check that url ends where /studies begins, and what the archive lets this user do",
    )  # fmt: skip


def _root(error: BaseException) -> str:
    """The kind of the innermost error: its text may repeat an address with more than a host."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return type(error).__name__
