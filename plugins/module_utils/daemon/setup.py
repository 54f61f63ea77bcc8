# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing daemon.json and the engine of a host to what is wanted, without stopping what runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import DAEMON_FILE as PATH
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.config import (
    LIVE_RESTORE,
    Change,
    DaemonConfigError,
    Engine,
    RestartError,
    change,
    merged,
    obstacle,
    read,
    text,
)

# What the engine has not taken over yet of what was written; beside daemon.json, so that it is not forgotten without it.
PENDING = ".daemon.json.pending"
SOCKET = "unix:///var/run/docker.sock"
RELOAD_SECONDS = 60.0
ANSWER_SECONDS = 60.0
POLL_SECONDS = 0.2
# For a command of the engine or of systemd.
PATIENCE_SECONDS = 180.0


class Dockerd(Protocol):
    """The engine of this host as a service."""

    def look(self) -> Engine | None:
        """None while it does not answer, or is not installed."""

    def running(self) -> set[str]:
        """Ids of the containers that run."""

    def rejects(self, path: Path) -> str:
        """Why the engine would not start with the configuration at ``path``; empty when it would, or nobody can say."""

    def reload(self) -> None: ...

    def restart(self) -> str:
        """Why it did not come back; empty when it did."""


@dataclass(frozen=True)
class Outcome:
    """``change``: what was, or in check mode would be, taken over by an engine that runs."""

    before: str
    after: str
    written: bool
    change: Change
    backup: str = ""


class EngineSetup:
    def __init__(self, dockerd: Dockerd, clock: Clock, path: Path = PATH, backup: Callable[[str], str] | None = None) -> None:
        self._dockerd = dockerd
        self._clock = clock
        self._path = path
        self._pending = path.parent / PENDING
        self._backup = backup or (lambda _: "")

    def apply(self, wanted: Mapping[str, Any], *, allow_interruption: bool, check_mode: bool) -> Outcome:
        before = self._path.read_text() if self._path.exists() else ""
        there = read(before, str(self._path))
        config = merged(there, wanted)
        after = before if config == there and before else text(config)
        engine, waiting = self._dockerd.look(), self._waiting()
        # One that does not run reads all of it when it starts.
        due = change(there, config, waiting) if engine else Change()
        problem = obstacle(config, due, engine, allow_interruption=allow_interruption) if engine else ""
        if problem:
            raise DaemonConfigError(problem)
        if check_mode:
            return Outcome(before, after, after != before, due)
        if after != before:
            self._validate(after)
        self._note([*waiting, *due.restart, *due.reload])
        backup = self._backup(str(self._path)) if before and after != before else ""
        if after != before:
            write_atomically(self._path, after, mode=0o644)
        dies = due.restart and engine and config.get(LIVE_RESTORE) and not engine.live_restore
        if due.reload or dies:
            self._reload(before, waiting, config, due)
        if due.restart:
            self._restart(before, config, due)
        self._note([])
        return Outcome(before, after, after != before, due, backup)

    def _waiting(self) -> list[str]:
        with suppress(FileNotFoundError, ValueError):
            return [str(key) for key in json.loads(self._pending.read_text())]
        return []

    def _note(self, keys: Sequence[str]) -> None:
        if keys:
            write_atomically(self._pending, json.dumps(sorted(set(keys))) + "\n", mode=0o644)
        else:
            self._pending.unlink(missing_ok=True)

    def _validate(self, after: str) -> None:
        candidate = self._path.parent / ".daemon.json.candidate"
        write_atomically(candidate, after, mode=0o644)
        try:
            problem = self._dockerd.rejects(candidate)
        finally:
            candidate.unlink(missing_ok=True)
        if problem:
            raise DaemonConfigError(f"the engine rejects the new {self._path}, and nothing was changed: {problem}")

    def _reload(self, before: str, waiting: Sequence[str], config: Mapping[str, Any], due: Change) -> None:
        self._dockerd.reload()
        if not config.get(LIVE_RESTORE) or self._comes(RELOAD_SECONDS, lambda now: now.live_restore):
            return
        self._put_back(before)
        self._dockerd.reload()
        self._note(waiting)
        restart = f" It was not restarted for {', '.join(due.restart)}." if due.restart else ""
        raise DaemonConfigError(
            f"the engine was told to let containers live on without it ({LIVE_RESTORE}) and does not; a member of a swarm cannot."
            f"{restart} {self._path} is as it was"
        )

    def _restart(self, before: str, config: Mapping[str, Any], due: Change) -> None:
        running, keys = self._dockerd.running(), ", ".join(due.restart)
        problem = self._dockerd.restart()
        if problem:
            self._put_back(before)
            again = self._dockerd.restart()
            self._note([])
            end = f"and it does not start with that either: {again}" if again else "and the engine runs with it"
            raise RestartError(
                f"the engine did not start with the new {self._path}: {problem}\nThe file from before is back, {end}"
            )
        if not self._comes(ANSWER_SECONDS):
            raise RestartError(f"the engine was restarted for {keys} and gives no answer")
        lost = running - self._dockerd.running()
        if lost and config.get(LIVE_RESTORE):
            names = ", ".join(sorted(identity[:12] for identity in lost))
            raise RestartError(f"the engine was restarted for {keys}, and these containers ended: {names}")

    def _comes(self, seconds: float, is_so: Callable[[Engine], bool] = lambda now: True) -> bool:
        return comes(self._dockerd, self._clock, seconds, is_so)

    def _put_back(self, before: str) -> None:
        if before:
            write_atomically(self._path, before, mode=0o644)
        else:
            self._path.unlink(missing_ok=True)


def comes(dockerd: Dockerd, clock: Clock, seconds: float, is_so: Callable[[Engine], bool] = lambda now: True) -> bool:
    """Whether the engine answers in time, and as it should."""
    deadline = clock.now() + seconds
    while True:
        now = dockerd.look()
        if now is not None and is_so(now):
            return True
        if clock.now() >= deadline:
            return False
        clock.sleep(POLL_SECONDS)


class SystemDockerd:
    """dockerd as systemd's unit docker.service. Needs no Python library, because the host may be a bare one."""

    def look(self) -> Engine | None:
        code, output = command("docker", "-H", SOCKET, "info", "--format", "{{json .}}")
        try:
            found = json.loads(output)
        except ValueError:
            return None
        if code != 0 or not found.get("ServerVersion"):
            return None
        return Engine(int(found["ContainersRunning"]), bool(found["LiveRestoreEnabled"]))

    def running(self) -> set[str]:
        return set(command("docker", "-H", SOCKET, "ps", "--quiet", "--no-trunc")[1].split())

    def rejects(self, path: Path) -> str:
        code, output = command("dockerd", "--validate", "--config-file", str(path), errors=True)
        # Not installed yet, or too old to say.
        return "" if code in (0, 127) or "unknown flag" in output else output.strip()

    def reload(self) -> None:
        code, output = command("systemctl", "reload", "docker", errors=True)
        if code != 0:
            raise DaemonConfigError(f"the engine could not be told to read its configuration again: {output.strip()}")

    def restart(self) -> str:
        return restart_unit("docker")


def restart_unit(unit: str) -> str:
    """Why the unit did not come back; empty when it did."""
    code, output = command("systemctl", "restart", unit, errors=True)
    if code == 0:
        return ""
    log = command("journalctl", "--unit", unit, "--lines", "5", "--no-pager", "--output", "cat")[1]
    # After several failures systemd would refuse to start it again at once.
    command("systemctl", "reset-failed", unit)
    return "\n".join(filter(None, (log.strip(), output.strip())))


def command(*words: str, errors: bool = False) -> tuple[int, str]:
    """Exit status and output; 127 when there is no such program, 124 when it did not end."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return 127, ""
    except subprocess.TimeoutExpired:
        return 124, f"{' '.join(words)} did not end within {PATIENCE_SECONDS:g} s" if errors else ""
    return done.returncode, done.stdout + (done.stderr if errors else "")
