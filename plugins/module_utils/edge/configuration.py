# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of HAProxy's configuration: written when HAProxy finds them good, reloaded, and put back when it does not."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import lock_file, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_BASE, EDGE_STACKS
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import told
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import addresses
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths, edge_settings, holds_users
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstreams import Everybody

# Runs ``haproxy -c`` over a configuration directory -> what it complained of, or ""
Validate = Callable[[Path], str]


class EdgeConfiguration:
    """The files of HAProxy: changed together, only when HAProxy accepts them, and put back when the reload fails."""

    def __init__(self, paths: EdgePaths, validate: Validate) -> None:
        self.paths = paths
        self._validate = validate

    def differences(self, files: Mapping[str, str]) -> list[str]:
        """Names, relative to the configuration directory, of files whose content is another."""
        return sorted(name for name, content in files.items() if self._read(name) != content)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While this lasts no other process writes these files, tells HAProxy anything or reloads it. Not to be nested.

        Stacks share the map of routes; and a reload by another one, between what is written and what is told, would start a
        worker that has read the old file and hears nothing of the change.
        """
        with lock_file(self.paths.root / "files.lock") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def write(self, files: Mapping[str, str]) -> None:
        """Put files in place that say what HAProxy is told at run time."""
        for name in self._sequence(files):
            self._put(name, files[name])

    def apply(self, files: Mapping[str, str]) -> list[str]:
        """Put ``files`` in place and make a running HAProxy use them; the names that changed. All or nothing."""
        changed = self.differences(files)
        if not changed:
            return []
        Everybody(self.paths).mend()
        self.check(files)
        sequence = self._sequence(files)
        before = {name: self._read(name) for name in reversed(sequence)}
        for name in sequence:
            self._put(name, files[name])
        try:
            self.reload()
        except EdgeError:
            for name, content in before.items():
                if content is None:
                    (self.paths.conf / name).unlink()
                else:
                    self._put(name, content)
            raise
        return changed

    def check(self, files: Mapping[str, str]) -> None:
        """Raise EdgeError with HAProxy's own words when it would reject the configuration with ``files`` in it."""
        # Of a run that was killed while HAProxy looked: private keys, and names of stacks that may be gone since.
        leftovers.sweep(self.paths.root, leftovers.CANDIDATE)
        with leftovers.directory(self.paths.root, leftovers.CANDIDATE) as candidate:
            with told(candidate):
                self._copy(files, candidate)
            complaint = self._validate(candidate)
        if complaint:
            raise EdgeError(f"HAProxy rejects the new edge configuration, so the running one was left as it is: {complaint}")

    def _copy(self, files: Mapping[str, str], candidate: Path) -> None:
        # Hidden are files that others are writing; HAProxy reads none of them.
        shutil.copytree(self.paths.conf, candidate, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
        candidate.chmod(0o755)
        for name, content in files.items():
            (candidate / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(candidate / name, content, mode=0o600 if holds_users(name) else 0o644)
        for path in candidate.rglob("*"):
            original = self.paths.conf / path.relative_to(candidate)
            with suppress(FileNotFoundError):
                shutil.chown(path, original.stat().st_uid, original.stat().st_gid)
            # Whose it is to be is said by a file that may be lost, and all others are as they were.
            if holds_users(path.name) and str(path.relative_to(candidate)) in files:
                shutil.chown(path, self._user)

    def _sequence(self, files: Mapping[str, str]) -> list[str]:
        """Files that change, in an order in which HAProxy could start at any moment: lists of users come before the rules that
        ask for them, and go after these. Backends come before a map that leads there; one that is new is there before it is read.
        """

        def place(name: str) -> tuple[int, str]:
            if not holds_users(name):
                before = self._read(name) if name.endswith(".map") else None
                return (1 if before is None or _leads(files[name]) <= _leads(before) else 3), name
            return (2 if _lists(self._read(name) or "") - _lists(files[name]) else 0), name

        return sorted(self.differences(files), key=place)

    def _put(self, name: str, content: str) -> None:
        secret = holds_users(name)
        mode, owner = (0o400, self._user) if secret else (0o644, None)
        write_atomically(self.paths.conf / name, content, mode=mode, owner=owner)

    @property
    def _user(self) -> int:
        """HAProxy's, inside its container."""
        return int(edge_settings(self.paths)["user"].partition(":")[0])

    def reload(self) -> None:
        """Hitless: the new worker takes over the listening sockets, the old one answers what it has begun.

        It reads files, and forgets what the old one was told: so these must say whom a balancer keeps off.
        """
        if not self.paths.master.exists():
            return
        Everybody(self.paths).mend()
        with self._known_addresses():
            answer = Socket(str(self.paths.master)).ask("reload")
        if not answer.startswith("Success=1"):
            raise EdgeError(
                f"HAProxy could not load the new edge configuration, and goes on with the one before: {_alerts(answer)}. "
                "See its log with: docker logs --tail 30 edge-haproxy-1"
            )

    @contextmanager
    def _known_addresses(self) -> Iterator[None]:
        """Whoever begins meanwhile has the addresses that HAProxy knows now. Not later: they may be another container's then. So
        this file is never there after a loss of power: nothing waits for the disk to have it.
        """
        path = self.paths.addresses
        try:
            with suppress(EdgeError, OSError):
                path.unlink(missing_ok=True)
                table = Socket(str(self.paths.socket)).ask("show servers state")
                known, down = addresses.of_names(table), addresses.of_hosts_down(table)
                texts = [one.read_text(errors="replace") for one in self.paths.conf.rglob("*.cfg") if not holds_users(one.name)]
                # "x": HAProxy's own user may write in this directory, and must not choose what is written to.
                with path.open("x") as stream:
                    os.fchmod(stream.fileno(), 0o644)
                    stream.write(addresses.server_state(known, down, texts))
            yield
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _read(self, name: str) -> str | None:
        try:
            kind = EDGE_STACKS if name.startswith(("stacks/", "routes")) else EDGE_BASE
            return kind.commented(self.paths.conf / name)
        except FileNotFoundError:
            return None


def _lists(text: str) -> set[str]:
    return {line for line in text.splitlines() if line.startswith("userlist ")}


def _leads(text: str) -> set[str]:
    """Where the lines of a map lead, without what else they say."""
    return {line.split(maxsplit=1)[-1].partition("|")[0] for line in text.splitlines() if line and not line.startswith("#")}


def _alerts(answer: str) -> str:
    alerts = [line.strip() for line in answer.splitlines() if "[ALERT]" in line]
    return " ".join(alerts) or answer.strip()
