# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``docker compose`` for one project, and what it says when it fails, without secrets."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import LOOK
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

# Also what begins with a quote and never ends: that is how Compose shows a line that it cannot parse.
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"?|\'(?:\\.|[^\'\\])*\'?')
# What the engine itself says was not read from env files, so the names of its own objects can be shown.
_DAEMON = "Error response from daemon: "
_TAKEN = re.compile(r":(?P<port>\d+)\b[^\n]*(?:address already in use|port is already allocated)")
_NAME = re.compile(r'"/?[\w.:/@-]{1,255}"\Z')
_NAMED = re.compile(r"(container( name)?|by container|network|volume|image|endpoint|service)( with name)?\s+\Z", re.IGNORECASE)


class Compose:
    """One Compose project. Runs with an environment of its own: a stray shell variable would beat the env files."""

    def __init__(
        self,
        project: str,
        directory: Path,
        files: Sequence[Path],
        env_files: Sequence[Path] = (),
        hold: Sequence[int] = (),
        profiles: Sequence[str] = (),
    ) -> None:
        """``env_files``: with the variables of the files, the last one wins. ``profiles``: those that are on.

        ``hold``: file descriptors that a command keeps open, so that a lock lasts until it ends even when we are killed."""
        self._hold = hold
        self.project = project
        self.directory = directory
        self._command = ["docker", "compose", "--progress", "quiet"]
        self._command += ["--project-name", project, "--project-directory", str(directory)]
        self._command += [part for path in env_files for part in ("--env-file", str(path))]
        self._command += [part for path in files for part in ("--file", str(path))]
        self._profiles = tuple(profiles)
        self._command += [part for name in profiles for part in ("--profile", name)]

    def model(self) -> dict[str, Any]:
        """The resolved project, services of inactive profiles included. Holds secret values: never print it."""
        return self._config("--format", "json")

    def written(self) -> dict[str, Any]:
        """The project with variables and env files unread: which env files a service reads, and what it is given beside them."""
        return self._config("--no-interpolate", "--format", "json")

    def _config(self, *options: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._run("--profile", "*", "config", *options))
            for service in (found.get("services") or {}).values():
                # A service whose profile is on is one like any other.
                if set(self._profiles).intersection(service.get("profiles") or ()):
                    del service["profiles"]
        except ValueError:
            # Not what it printed: it may hold values of secrets.
            raise EngineError(
                f"docker compose config printed no JSON for {self.project}. See what this host has with: docker compose version; "
                "playbooks/provision.yml for this inventory installs one that fits"
            ) from None
        return found

    def scale_up(self, service: str, total: int, *, started: bool = True) -> None:
        """Start replicas until there are ``total``, in the new configuration; the ones that run are left alone.

        Without ``started`` they and their networks are made, and start with the next call.
        """
        self._run(
            *("up", "--detach" if started else "--no-start"),
            *("--no-deps", "--no-recreate", "--no-build", "--pull", "never"),
            *("--scale", f"{service}={total}", service),
        )

    def create(self, *, anew: bool = False) -> None:
        """Create what is missing, recreate what changed or everything, and start nothing: only for what may be interrupted."""
        self._run("up", "--no-start", "--no-build", *(["--force-recreate"] if anew else []))

    def up(self) -> None:
        """Start what is there, make what is missing, recreate what changed: only for what may be interrupted."""
        self._run("up", "--detach", "--no-build", "--wait")

    def run_detached(self, service: str, labels: Mapping[str, str]) -> None:
        """Start a one-off container of ``service`` that ends by itself and stays until somebody removes it."""
        given = [part for name, value in labels.items() for part in ("--label", f"{name}={value}")]
        self._run("--profile", "*", "run", "--detach", "--no-deps", "-T", "--interactive=false", *given, service)

    def _run(self, *arguments: str, timeout: float = 300) -> str:
        environment = {key: os.environ[key] for key in ("PATH", "HOME", "DOCKER_HOST") if key in os.environ}
        command = [*self._command, *arguments]
        try:
            done = subprocess.run(
                command,
                # Nobody is there to answer a question of Compose; what a module reads from its own input must not.
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd="/",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
                pass_fds=self._hold,
            )
        except subprocess.TimeoutExpired:
            what = f"docker compose {_verb(arguments)} did not end within {timeout:g} s for {self.project}, in {self.directory}"
            raise EngineError(f"{what}. {LOOK}") from None
        except FileNotFoundError:
            raise EngineError("this host has no docker command: run playbooks/provision.yml for this inventory") from None
        except OSError as exc:
            raise EngineError(f"docker compose could not be started on this host: {exc}. {LOOK}") from exc
        if done.returncode:
            words = scrub(done.stderr or done.stdout) or f"it ended with {done.returncode} and said nothing. {LOOK}"
            raise EngineError(f"docker compose failed for {self.project}: {words}{_port_mend(words)}")
        return done.stdout


def _port_mend(words: str) -> str:
    """What to do where another program listens on a port that is wanted."""
    taken = _TAKEN.search(words)
    if not taken:
        return ""
    port = taken["port"]
    return f". Another program has port {port} of this host: see which with ss -ltnp 'sport = :{port}', and stop it"


def scrub(text: str) -> str:
    """Compose's own message without what it may quote from env files (it prints whole lines when it cannot parse them).

    What the engine answered to Compose keeps the names of containers, networks, volumes and images.
    """
    own, says, daemon = said.masked(text).strip().partition(_DAEMON)
    text = _QUOTED.sub('"…"', own) + says + _QUOTED.sub(lambda found: _shown(found, daemon), daemon)
    return " ".join(text.split())[-600:]


def _shown(found: re.Match[str], text: str) -> str:
    is_name = _NAME.match(found[0]) and _NAMED.search(text[: found.start()])
    return found[0] if is_name else '"…"'


def _verb(arguments: Sequence[str]) -> str:
    """What Compose was asked to do: the first argument that is neither an option nor the value of one."""
    before = ("", *arguments)
    return next(
        (one for last, one in zip(before, arguments, strict=False) if not one.startswith("-") and last != "--profile"), ""
    )
