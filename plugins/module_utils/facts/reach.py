# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether TCP connections succeed, tried from this host or from inside a container, without a tool in its image.

A child process enters the container's network and sees its resolv.conf and hosts in mounts of its own; then it tries. Nothing
is sent over a connection that succeeds.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

# The kernel's numbers, the same on every architecture.
_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MS_PRIVATE_EVERYWHERE = 0x4000 | 0x40000
# Names are asked for before connections are tried.
_RESOLVER = "timeout:2 attempts:1"
_SPARE_SECONDS = 12.0

CONNECTED, REFUSED, TIMED_OUT, NO_ROUTE, UNRESOLVED, UNTRIED = (
    *("connected", "refused", "timed out", "no route", "name unknown", "not tried"),
)
# What says most comes first, where a name has several addresses.
_STRENGTH = (CONNECTED, REFUSED, NO_ROUTE, TIMED_OUT, UNRESOLVED, UNTRIED)


@dataclass(frozen=True)
class Target:
    """``address`` is tried too, so that a name that is unknown proves nothing."""

    host: str
    port: int
    address: str = ""


@dataclass(frozen=True)
class Namespace:
    """Where a container's processes are: one of them, and the files that Docker mounts over its /etc."""

    pid: int
    resolv: str = ""
    hosts: str = ""


@dataclass
class Trial:
    """Connections that are being tried by a child of this process."""

    targets: Sequence[Target]
    timeout: float
    namespace: Namespace | None = None
    _pid: int = field(default=0, init=False)
    _pipe: int = field(default=-1, init=False)

    def start(self) -> Trial:
        self._pipe, write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._pipe)
            _answer(write, self.targets, self.timeout, self.namespace)
        os.close(write)
        return self

    def results(self) -> list[dict[str, Any]]:
        """For each target {outcome, detail}; one that could not be tried says why."""
        deadline = time.monotonic() + self.timeout + _SPARE_SECONDS
        answer = b""
        while select.select([self._pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            chunk = os.read(self._pipe, 65536)
            if not chunk:
                break
            answer += chunk
        os.close(self._pipe)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        try:
            found: list[dict[str, Any]] = json.loads(answer)
        except ValueError:
            return [{"outcome": UNTRIED, "detail": "the attempt did not end"} for _ in self.targets]
        return found


def attempt(target: Target, timeout: float) -> dict[str, Any]:
    """{outcome, detail} of trying every address of a target at the same time."""
    addresses, trouble = _addresses(target)
    with ThreadPoolExecutor(max(1, len(addresses))) as pool:
        outcomes = list(pool.map(lambda address: connect(address, target.port, timeout), addresses))
    words = [f"{address} {outcome}" for address, outcome in zip(addresses, outcomes, strict=True)]
    if trouble:
        words.insert(0, trouble)
        outcomes.append(UNRESOLVED)
    return {"outcome": min(outcomes, key=_STRENGTH.index), "detail": ", ".join(words)}


def connect(address: str, port: int, timeout: float) -> str:
    try:
        socket.create_connection((address, port), timeout).close()
    except TimeoutError:
        return TIMED_OUT
    except OSError as exc:
        if exc.errno == errno.ECONNREFUSED:
            return REFUSED
        return TIMED_OUT if exc.errno == errno.ETIMEDOUT else NO_ROUTE
    return CONNECTED


def _addresses(target: Target) -> tuple[list[str], str]:
    """Addresses to try, and what is wrong with the name."""
    given = [target.address] if target.address else []
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError:
        return given, f"{target.host} is unknown there"
    return list(dict.fromkeys([*given, *(str(entry[4][0]) for entry in found)])), ""


def _answer(pipe: int, targets: Sequence[Target], timeout: float, namespace: Namespace | None) -> None:
    """The child's life. It ends here, whatever happens, and runs none of its parent's clean-up."""
    try:
        os.environ["RES_OPTIONS"] = _RESOLVER
        trouble = _enter(namespace) if namespace else ""
        if trouble:
            found = [{"outcome": UNTRIED, "detail": trouble} for _ in targets]
        else:
            with ThreadPoolExecutor(max(1, len(targets))) as pool:
                found = list(pool.map(lambda target: attempt(target, timeout), targets))
        os.write(pipe, json.dumps(found).encode())
    finally:
        os._exit(0)


def _enter(namespace: Namespace) -> str:
    """Go where the container is; what kept us from it, or nothing."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(what: str, result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")

    try:
        with open(f"/proc/{namespace.pid}/ns/net", "rb") as there:  # noqa: PTH123 - no path of ours
            call("setns", libc.setns(there.fileno(), _CLONE_NEWNET))
        call("unshare", libc.unshare(_CLONE_NEWNS))
        call("mount", libc.mount(None, b"/", None, _MS_PRIVATE_EVERYWHERE, None))
        for source, place in ((namespace.resolv, b"/etc/resolv.conf"), (namespace.hosts, b"/etc/hosts")):
            if source:
                call(source, libc.mount(os.fsencode(source), place, None, _MS_BIND, None))
    except OSError as exc:
        return f"the container's network could not be entered ({exc.strerror or exc})"
    return ""
