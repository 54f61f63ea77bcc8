# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps containers of this host away from what is not theirs: the rules in the kernel, and the files that they are made of.

``base.json`` is from provisioning, ``stacks/<stack>.json`` from rollouts. ``rules.v4`` and ``rules.v6`` are made of both; a unit
of systemd loads them before the engine starts.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EGRESS, DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EGRESS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.rules import (
    CHAIN,
    Admitted,
    Base,
    hooked,
    loaded,
    render,
    restorable,
)

SIX = Path("/proc/net/if_inet6")
# Loads the rules at boot.
UNIT = "container-egress.service"
_ENABLED = Path("/etc/systemd/system/multi-user.target.wants") / UNIT
_SECONDS = 20
_COMMANDS = {4: "iptables", 6: "ip6tables"}
_WITHOUT = (
    "Without it containers of this host reach SSH of the hosts and the metadata of the cloud. Mend that (a kernel with the table "
    "raw and the matches tcp and addrtype, the package iptables, root), or let this host go without: egress_filter: false"
)

# (command, what it reads) -> what it prints; DeployError when it fails.
Run = Callable[[Sequence[str], str], str]


def run(command: Sequence[str], text: str = "") -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise DeployError(f"the packet filter of this host cannot be used: {command[0]}: {exc}. {_WITHOUT}") from exc
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())
        raise DeployError(f"the packet filter of this host cannot be used: {' '.join(command)}: {words}. {_WITHOUT}")
    return done.stdout


class EgressFilter:
    def __init__(self, root: Path = EGRESS_ROOT, run: Run = run, six: Path = SIX, enabled: Path = _ENABLED) -> None:
        self._root = root
        self._run = run
        self._versions = (4, 6) if six.exists() else (4,)
        self._enabled = enabled

    def base(self) -> Base | None:
        """What provisioning has said; None before it has."""
        path = self._root / "base.json"
        try:
            return Base.of(EGRESS.load(path))
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError) as exc:
            raise EGRESS.damaged(path, f"it lacks or mistakes {exc}") from exc

    def text(self, base: Base | None = None) -> str:
        """The rules as they are in the files, or as they will be with ``base``."""
        if base is None:
            return "".join(_read(self._rules(version)) or "" for version in self._versions)
        return "".join(restorable(self._render(base, version)) for version in self._versions)

    def differences(self, base: Base) -> list[str]:
        """What ``apply`` would change, in words."""
        wanted = _text(base.as_dict())
        found = [] if _read(self._root / "base.json") == wanted else ["base.json"]
        if found and not (self._root / "base.json").exists():
            # There may be no iptables yet.
            return ["base.json", *(f"{self._rules(version).name}, loaded" for version in self._versions)]
        return found + [f"{self._rules(version).name}, loaded" for version in self._versions if self._wrong(base, version)]

    def apply(self, base: Base) -> list[str]:
        with self._alone():
            changed = self.differences(base)
            if changed:
                # Last what says that it is done, so that a run which ends in between is finished by the next one.
                self._load(base)
                write_atomically(self._root / "base.json", _text(base.as_dict()), mode=0o644)
        return changed

    def admits(self, stack: str, kinds: Collection[str], subnets: Collection[str]) -> bool:
        """Whether a stack is let through to ``kinds`` and to nothing else, by what is written here."""
        return _read(self._stack(stack)) == _wanted(kinds, subnets)

    def admit(self, stack: str, kinds: Collection[str], subnets: Collection[str]) -> None:
        """Let a stack through to ``kinds``, and to nothing else."""
        if self.admits(stack, kinds, subnets):
            return
        with self._alone():
            wanted, path = _wanted(kinds, subnets), self._stack(stack)
            if wanted is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(exist_ok=True)
                write_atomically(path, wanted, mode=0o644)
            base = self.base()
            if base is not None:
                self._load(base)

    def admitted_to(self, stack: str) -> Sequence[str]:
        """What a stack is let through to; nothing when that cannot be read, for it is about to be written again."""
        try:
            return Admitted.of(EGRESS.load(self._stack(stack))).kinds
        except (FileNotFoundError, DamagedError, KeyError, TypeError, ValueError):
            return ()

    def admitted(self) -> dict[str, Admitted]:
        """Stack -> what it is let through to."""
        found = {}
        for path in sorted((self._root / "stacks").glob("*.json")):
            try:
                found[path.stem] = Admitted.of(EGRESS.load(path))
            except (KeyError, TypeError, ValueError) as exc:
                raise EGRESS.damaged(path, str(exc)) from exc
        return found

    def problems(self) -> list[str]:
        """What is not as it should be, in the kernel and for the next boot, a sentence each."""
        try:
            base = self.base()
            if base is None:
                return ["nothing keeps containers of this host from SSH of the hosts and from the metadata of the cloud"]
            found = [
                f"rules that keep containers away are not in the kernel as they should be ({_COMMANDS[version]} -t raw -S)"
                for version in self._versions
                if not self._is_loaded(base, version)
            ]
            found += [
                f"{self._rules(version)}, which is loaded at boot, is not as it should be"
                for version in self._versions
                if not self._is_written(base, version)
            ]
        except DeployError as exc:
            return [str(exc)]
        return found if self._enabled.exists() else [*found, f"{UNIT} is not enabled, so the rules are gone after a reboot"]

    def _wrong(self, base: Base, version: int) -> bool:
        return not (self._is_written(base, version) and self._is_loaded(base, version))

    def _is_written(self, base: Base, version: int) -> bool:
        return _read(self._rules(version)) == restorable(self._render(base, version))

    def _is_loaded(self, base: Base, version: int) -> bool:
        listed = self._listed(version)
        return hooked(listed) == (1, True) and loaded(listed) == self._render(base, version)

    def _render(self, base: Base, version: int) -> list[str]:
        return render(base, self.admitted().values(), version)

    def _load(self, base: Base) -> None:
        for version in self._versions:
            text = restorable(self._render(base, version))
            self._run([f"{_COMMANDS[version]}-restore", "-w", "--noflush"], text)
            self._hook(version)
            # What a unit loads at boot has been accepted once.
            write_atomically(self._rules(version), text, mode=0o644)

    def _hook(self, version: int) -> None:
        """Packets come by once, and before any other rule. The first of them is there before others go."""
        count, is_first = hooked(self._listed(version))
        command = [_COMMANDS[version], "-w", "-t", "raw"]
        if not is_first:
            self._run([*command, "-I", "PREROUTING", "-j", CHAIN], "")
            count += 1
        # By number, for by its words the first one would go.
        hooks = [line for line in self._listed(version).splitlines() if line.startswith("-A PREROUTING ")] if count > 1 else []
        for number in range(len(hooks), 1, -1):
            if hooks[number - 1] == f"-A PREROUTING -j {CHAIN}":
                self._run([*command, "-D", "PREROUTING", str(number)], "")

    def _rules(self, version: int) -> Path:
        return self._root / f"rules.v{version}"

    def _stack(self, stack: str) -> Path:
        return self._root / "stacks" / f"{stack}.json"

    def _listed(self, version: int) -> str:
        return self._run([_COMMANDS[version], "-w", "-t", "raw", "-S"], "")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._root.mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(self._root / "lock", "a", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _wanted(kinds: Collection[str], subnets: Collection[str]) -> str | None:
    return _text({"kinds": sorted(kinds), "subnets": sorted(subnets)}) if kinds else None


def _text(found: Mapping[str, Any]) -> str:
    return json.dumps(EGRESS.numbered(found), indent=2) + "\n"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
