"""One DIMSE association (PS3.8), and what goes wrong on it as errors of ours."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from cystgrid.errors import ArchiveDeniedError, ArchiveDownError, ArchiveError, SettingsError
from cystgrid.pacs.patience import Patience
from cystgrid.pacs.settings import DimseSettings

_config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
"""What is looked for, and found, names patients: no log of pynetdicom's may hold it."""

MOST_CONTEXTS = 128
"""Presentation contexts of one association (PS3.8, 9.3.2.2)."""

TRANSIENT = 2
"""A-ASSOCIATE-RJ result (PS3.8, table 9-21): busy now."""

SUCCESS, PENDING, CANCELLED = 0x0000, (0xFF00, 0xFF01), 0xFE00
WARNINGS, OUT_OF_RESOURCES = range(0xB000, 0xC000), range(0xA700, 0xA800)
"""Status codes (PS3.7, annex C)."""


@contextmanager
def associated(
    settings: DimseSettings,
    patience: Patience,
    contexts: Sequence[PresentationContext],
    ext_neg: Sequence[Any] = (),
    handlers: Sequence[Any] = (),
) -> Iterator[Association]:
    """An association, released behind the last word, or aborted where something went wrong.

    Args:
        settings: the archive's address and titles.
        patience: time-outs.
        contexts: what is to be spoken about, at most ``MOST_CONTEXTS``.
        ext_neg: roles, as pynetdicom takes them.
        handlers: of events, as pynetdicom takes them.

    Raises:
        ArchiveDeniedError: the archive does not know one of the titles.
        ArchiveDownError: nobody answers, or it is busy.
    """
    ae = AE(settings.calling)
    ae.connection_timeout = patience.connect_seconds
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = patience.answer_seconds
    with _wrong_address(settings):
        association = ae.associate(
            settings.host,
            settings.port,
            contexts=list(contexts),
            ae_title=settings.called,
            max_pdu=settings.max_pdu_bytes,
            ext_neg=list(ext_neg),
            tls_args=(_tls(settings), settings.host) if settings.tls else None,
            evt_handlers=list(handlers),
        )
    if not association.is_established:
        raise _not_established(association, settings)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if association.is_established:
        association.release()


def called(settings: DimseSettings) -> str:
    """How messages call the archive."""
    return f"{settings.called} at {settings.host}:{settings.port}"


def broken_off(settings: DimseSettings, what: str) -> ArchiveDownError:
    """The archive fell silent, or aborted, in the middle."""
    return ArchiveDownError(
        called(settings),
        got=f"an association that broke off at {what}",
        expected="an answer",
        do=f"see the archive's log: it may let {settings.calling} do less than is asked",
    )


def checked_status(answer: Dataset, settings: DimseSettings, what: str) -> int:
    """The status of an answer that is a success, a warning or says that more follow.

    Raises:
        ArchiveDownError: no answer, or out of resources.
        ArchiveError: any other failure.
    """
    status = answer.get("Status")
    if status is None:
        raise broken_off(settings, what)
    if status == SUCCESS or status in PENDING or status in WARNINGS:
        return int(status)
    kind = ArchiveDownError if status in OUT_OF_RESOURCES else ArchiveError
    raise kind(
        called(settings),
        got=f"status {status:04X} for {what}",
        expected="0000",
        do="look this code up in the archive's conformance statement and its log",
    )


@contextmanager
def _wrong_address(settings: DimseSettings) -> Iterator[None]:
    """A host's name that leads nowhere."""
    try:
        yield
    except OSError as error:
        raise ArchiveDownError(
            called(settings),
            got=f"no such host ({type(error).__name__})",
            expected="an archive",
            do="check host and port",
        ) from error


def _not_established(association: Association, settings: DimseSettings) -> ArchiveError:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        kind = ArchiveDownError if answer.result == TRANSIENT else ArchiveDeniedError
        return kind(
            called(settings),
            got=f"the association rejected: {answer.reason_str.lower()}",
            expected=f"to be let in as {settings.calling}",
            do=f"check called and calling, and have the archive know {settings.calling}",
        )
    if answer is not None and association.rejected_contexts:
        return ArchiveError(
            called(settings),
            got="nothing of what was asked for accepted",
            expected="the archive to find, give or take such objects",
            do="have its administrator allow that to our AE title",
        )
    return ArchiveDownError(
        called(settings),
        got="no association",
        expected="an archive that listens",
        do="check host, port, tls and the firewall, and whether the archive runs",
    )


def _tls(settings: DimseSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cafile=str(settings.ca_file) if settings.ca_file else None
        )
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            "dimse: ca_file, cert_file, key_file",
            got=f"files that cannot be used ({type(error).__name__})",
            expected="certificates and a key in PEM",
            do="check the files",
        ) from error
    return context
