"""Where the archive is and how it is spoken to: one TOML file, without any secret in it."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from cystgrid.pacs.patience import Patience
from cystgrid.pacs.watch_settings import WatchSettings
from cystgrid.settings import Settings

AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
"""Printable ASCII but the backslash (PS3.5, VR AE); all blanks are refused beside it."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _ae_title(title: str) -> str:
    if not AE_TITLE.fullmatch(title) or title != title.strip() or not title.strip():
        raise ValueError("an AE title: 1 to 16 printable ASCII characters, no backslash")
    return title


def _variable(name: str) -> str:
    if not VARIABLE.fullmatch(name):
        raise ValueError("the name of an environment variable, never the secret itself")
    return name


def _host(host: str) -> str:
    """A name or an address, but none of the link: there cloud machines tell their secrets."""
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", host):
        raise ValueError("a host's name or address")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise ValueError("an archive's address, not a link-local, multicast or empty one")
    return host


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Variable = Annotated[str, AfterValidator(_variable)]
Host = Annotated[str, AfterValidator(_host)]


class Certificates(Settings):
    """PEM files for TLS; the system's authorities count where ``ca_file`` is not given.

    Attributes:
        ca_file: authorities that the archive's certificate must lead to.
        cert_file, key_file: our own certificate, where the archive asks for one.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _both(self) -> Certificates:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("cert_file beside key_file")
        return self

    @property
    def cert(self) -> tuple[str, str] | str | None:
        """Our certificate, as requests takes it."""
        if self.cert_file is None or self.key_file is None:
            return str(self.cert_file) if self.cert_file else None
        return str(self.cert_file), str(self.key_file)


class DicomWebSettings(Certificates):
    """A DICOMweb archive.

    Attributes:
        url: up to where ``/studies`` begins: ``https://pacs.example/dicom-web``.
        user: for basic authentication.
        password_env, token_env: names of the environment variables that hold the password, or a
            bearer token. The secret itself never stands in the file.
        allow_plain_http: send a secret over http to another machine, readable on the way.
    """

    url: str
    user: str = ""
    password_env: Variable | None = None
    token_env: Variable | None = None
    allow_plain_http: bool = False

    @model_validator(mode="after")
    def _sound(self) -> DicomWebSettings:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url = an http or https address")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url without user or password: user and password_env name them")
        if parts.query or parts.fragment:
            raise ValueError("url without ? and #")
        _host(parts.hostname)
        if bool(self.user) != bool(self.password_env) or (self.user and self.token_env):
            raise ValueError("user with password_env, or token_env alone, or none")
        if self._secret and parts.scheme == "http" and not self._plain_is_fine(parts.hostname):
            raise ValueError("https for a password or token; or allow_plain_http = true")
        return self

    @property
    def _secret(self) -> bool:
        return bool(self.password_env or self.token_env)

    def _plain_is_fine(self, host: str) -> bool:
        return self.allow_plain_http or host in ("localhost", "127.0.0.1", "::1")


class DimseSettings(Certificates):
    """A DIMSE archive: C-FIND, C-GET and C-STORE over TCP.

    Attributes:
        host, port: where it listens.
        called: its AE title.
        calling: ours; archives let in only titles that they know.
        tls: encrypt; with the certificates beside it.
        max_pdu_bytes: longest piece that we take at a time.
    """

    host: Host
    port: int = Field(ge=1, le=65535)
    called: AeTitle
    calling: AeTitle = "CYSTGRID"
    tls: bool = False
    max_pdu_bytes: int = Field(default=2**17, ge=2**12, le=2**20)

    @model_validator(mode="after")
    def _tls_for_certificates(self) -> DimseSettings:
        if not self.tls and (self.ca_file or self.cert_file):
            raise ValueError("tls = true beside certificates")
        return self


class PacsSettings(Settings):
    """The whole file.

    Attributes:
        protocol: which of the two is used; its table must be there, the other may be.
        dicomweb, dimse: how the archive is reached.
        patience: time-outs and retries.
        watch: which studies `watch` takes.
    """

    protocol: Literal["dicomweb", "dimse"]
    dicomweb: DicomWebSettings | None = None
    dimse: DimseSettings | None = None
    patience: Patience = Patience()
    watch: WatchSettings = WatchSettings()

    @model_validator(mode="after")
    def _table_is_there(self) -> PacsSettings:
        if {"dicomweb": self.dicomweb, "dimse": self.dimse}[self.protocol] is None:
            raise ValueError(f"a table [{self.protocol}], as protocol says")
        return self

    @classmethod
    def read(cls, path: Path) -> PacsSettings:
        """Read the file; paths in it are relative to it.

        Raises:
            SettingsError: no such file, not TOML, an unknown key or an impossible value.
        """
        return _placed(cls.read_toml(path, "settings of an archive"), path.absolute().parent)


S = TypeVar("S", bound=Settings)


def _placed(settings: S, folder: Path) -> S:
    """The same with every relative path laid in ``folder``."""
    placed: dict[str, object] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Path):
            placed[name] = folder / value
        elif isinstance(value, Settings):
            placed[name] = _placed(value, folder)
    return settings.model_copy(update=placed)
