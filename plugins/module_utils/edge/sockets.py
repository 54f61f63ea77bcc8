# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's sockets: of one worker, and of the master, which knows its workers. Little, because many modules take it to hosts."""

from __future__ import annotations

import re
import socket
import time

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError

# The master takes no connection while it loads a configuration, perhaps for another stack. What has answered this process before
# and has ended restarts, on a busy machine for many seconds; what never has is away for good, and somebody waits to hear of it.
PATIENCE_SECONDS = 5.0
RESTART_SECONDS = 30.0
POLL_SECONDS = 0.05
_ONCE = ("reload", "add map ")
_SAID_WHAT_IT_DID = re.compile(
    r"(no need to )?changed? (its FQDN|the F[QD]{2}N|the addr|from)|(IP|port) changed|nothing changed|no need to change"
)

# Paths of the sockets that were answered on last time.
_answered: set[str] = set()


class _BrokenOffError(ConnectionError):
    """HAProxy ended after it had been asked."""


class Socket:
    """HAProxy's runtime socket: one command a connection, as it is meant to be used."""

    def __init__(self, path: str, timeout: float = 30.0, prefix: str = "", patience: float | None = None) -> None:
        """``prefix``: what the master's socket needs before a command for one of its workers. ``patience``: seconds; without it
        RESTART_SECONDS after an answer, and PATIENCE_SECONDS otherwise.
        """
        self._path = path
        self._timeout = timeout
        self._prefix = prefix
        self._patience = patience

    def ask(self, command: str) -> str:
        """The whole answer. While the master loads a configuration, or HAProxy is restarted, it is waited for."""
        usual = RESTART_SECONDS if self._path in _answered else PATIENCE_SECONDS
        deadline = time.monotonic() + (usual if self._patience is None else self._patience)
        while True:
            try:
                answer = self._ask(command)
                _answered.add(self._path)
                return answer
            except (ConnectionError, FileNotFoundError, BlockingIOError) as exc:
                # What may have been done is not done twice: a reload, and an entry that is added.
                if isinstance(exc, _BrokenOffError) and command.startswith(_ONCE):
                    raise self._no_answer(exc) from exc
                if time.monotonic() >= deadline:
                    _answered.discard(self._path)
                    raise self._no_answer(exc) from exc
            except OSError as exc:
                raise self._no_answer(exc) from exc
            time.sleep(POLL_SECONDS)

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._timeout)
            connection.connect(self._path)
            chunks = []
            try:
                connection.sendall(f"{self._prefix}{command}\n".encode())
                # The master keeps a connection open for more commands until its client has nothing more to say.
                connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65536):
                    chunks.append(chunk)
            except ConnectionError as exc:
                raise _BrokenOffError(str(exc)) from exc
        answer = b"".join(chunks)
        # Every answer ends with a line, if only an empty one. A part of a table must never pass for all of it.
        if not answer.endswith(b"\n"):
            raise _BrokenOffError("the answer was broken off")
        return answer.decode("utf-8", "replace").strip()

    def _no_answer(self, exc: OSError) -> EdgeError:
        return EdgeError(
            f"HAProxy does not answer on {self._path}: {exc}. If the edge does not run (docker ps --all --filter name=edge), "
            "playbooks/provision.yml --tags edge for this inventory brings it back"
        )

    def tell(self, *commands: str) -> None:
        """Run commands that answer nothing when they succeed."""
        for command in commands:
            answer = self.ask(command)
            # As when HAProxy was restarted meanwhile: it has read the file, which has no such route any more.
            if command.startswith("del map ") and answer == "Key not found.":
                continue
            # "set server" for a name or an address alone says what it did ("FDQN" is HAProxy's spelling).
            if answer and not _SAID_WHAT_IT_DID.search(answer):
                raise EdgeError(f"HAProxy refused {command!r}: {answer} (see its log with: docker logs --tail 30 edge-haproxy-1)")


def current_workers(table: str) -> list[int]:
    """Process ids below ``# workers`` in the master's ``show proc``."""
    pids = []
    heading = ""
    for line in table.splitlines():
        if line.startswith("#"):
            heading = line
        elif heading == "# workers" and line.split():
            pids.append(int(line.split()[0]))
    return pids


def parse_old_workers(table: str) -> list[int]:
    """Process ids of workers that an earlier reload left behind with connections, from the master's ``show proc``."""
    pids = []
    old = False
    for line in table.splitlines():
        if line.startswith("#"):
            old = line.startswith("# old workers")
        elif old and line.split():
            pids.append(int(line.split()[0]))
    return pids
