"""To a Ray cluster, or to one started here; Ray keeps silent unless it is asked to talk."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from cystgrid.errors import SettingsError, UsageError
from cystgrid.extras import require

AUTO = "auto"
"""An address: the cluster that runs on this machine, or that RAY_ADDRESS names."""

ANSWER_SECONDS = 5
"""For the address to take a connection; far more than a network in one building needs."""

TRIES_VARIABLE, TRIES = "RAY_gcs_server_port_wait_time_s", "1"
"""How often Ray asks the cluster's head, half a minute each time; twenty times by itself."""

LOOPBACK = "127.0.0.1"
"""Many a Ray asks for no password, so nothing but this machine may reach the one we start."""


@contextmanager
def connected(address: str | None, cores: int, *, debug: bool) -> Iterator[None]:
    """Within it, Ray can be used; what we started is ended with it.

    Args:
        address: of a cluster; None starts one on this machine. A Ray that this process is
            connected to already is taken as it is.
        cores: that a Ray started here may give away.
        debug: let Ray talk.

    Raises:
        SettingsError: Ray is not installed, nothing answers, or what does is another Ray.
        UsageError: the address has another form.
    """
    ray = require_ray()
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": debug}
    if not debug:
        options |= {"logging_level": logging.FATAL}
    if address is None:
        options |= {"address": "local", "num_cpus": cores, "include_dashboard": False}
        options |= {"_node_ip_address": LOOPBACK}
    else:
        _check_answer(address)
        options |= {"address": address}
    try:
        with _silence(not debug), _few_tries(address):
            ray.init(**options)
    except (OSError, RuntimeError, ValueError, ImportError, AssertionError) as error:
        raise _refusal(address, error) from error
    try:
        yield
    finally:
        with _silence(not debug):
            ray.shutdown()


def require_ray() -> Any:
    """The package.

    Raises:
        SettingsError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it tells its makers of its use
    require("cluster", "--engine ray", "ray", or_else="use --engine local")
    import ray

    return ray


def _check_answer(address: str) -> None:
    """Try the port first: Ray itself would try for a minute, and fill the terminal."""
    if address == AUTO:
        return
    plain = address.removeprefix("ray://")
    host, port = None, None
    with suppress(ValueError):
        parts = urlsplit(f"//{plain}")
        host, port = parts.hostname, parts.port
    if not host or not port or "/" in plain:
        raise UsageError(
            "--address",
            got=repr(address),
            expected=f"HOST:PORT, ray://HOST:PORT or {AUTO}",
            do="give the address that `ray start --head` printed",
        )
    try:
        socket.create_connection((host, port), ANSWER_SECONDS).close()
    except OSError as error:
        raise _refusal(address, error) from error


def _refusal(address: str | None, error: Exception) -> SettingsError:
    """One line of whatever went wrong between us and Ray."""
    words = " ".join(str(error).split()) or type(error).__name__
    if address is None:
        return SettingsError(
            "--engine ray",
            got=f"no Ray on this machine ({words})",
            expected="one that starts",
            do="use --engine local, or see --debug",
        )
    return SettingsError(
        f"--address {address}",
        got=f"no connection ({words})",
        expected="a Ray cluster of the same Ray and Python",
        do="check the address, `ray status` there and the network between",
    )


@contextmanager
def _few_tries(address: str | None) -> Iterator[None]:
    """Within it, something that answers but is no Ray is given up in a minute, not in ten."""
    if address is None or TRIES_VARIABLE in os.environ:
        yield
        return
    os.environ[TRIES_VARIABLE] = TRIES
    try:
        yield
    finally:
        del os.environ[TRIES_VARIABLE]


@contextmanager
def _silence(wanted: bool) -> Iterator[None]:
    """Within it, nothing reaches stderr, not even what Ray's C++ writes there."""
    if not wanted:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
