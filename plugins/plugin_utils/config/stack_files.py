# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a stack names, as they are below its source: what a release ships, and what changes under it."""

from __future__ import annotations

import base64
import datetime
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import is_executable
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import file_mounts
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words as flags
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.variables import GROUP
from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags import files as flag_files

# What a release's directory holds beside its own files.
RESERVED = ("env", "secrets")
RESERVED_FILES = (".env", "override.json", "by-hand.json", "inline.yml", ".release-files.json")
MAXIMUM_BYTES = 5_000_000


class StackFiles:
    """``files``, ``live_files``: path -> base64; ``executable``: those of both that can be run. ``problems``: what
    cannot be shipped, and why.
    """

    def __init__(self, stands_for: Path | None = None) -> None:
        """``stands_for``: the directory to which stack_source leads by links, as a first look lays them."""
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.files: dict[str, str] = {}
        self.live_files: dict[str, str] = {}
        self.executable: list[str] = []
        self.config: dict[str, Any] = {}
        self._source = Path()
        self._stands_for = stands_for
        # Files that Compose files name by extends and include.
        self.brought: set[str] = set()
        self._flags: Mapping[str, Any] = {}

    def _with_flags(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the stack. With a file of flags their directory is one of its live files."""
        config: dict[str, Any] = given["stack"] or {}
        self._flags = given["stack_flags"] or {}
        live = config.get("live_files")
        return {**config, "live_files": [*live, flags.DIRECTORY]} if self._flags and isinstance(live, list) else config

    def _read_files(self) -> None:
        for option in ("compose_files", "files"):
            for number, name in enumerate(self.config[option] or []):
                self._read(f"stack.{option}[{number}]", str(name))
        for name, values in self._env.items():
            if isinstance(values, Mapping) and not dotenv.problems(values):
                self.files[f"env/{name}.env"] = base64.b64encode(dotenv.render(values).encode()).decode()
        self._read_live_files()
        if sum(len(content) for content in (*self.files.values(), *self.live_files.values())) > MAXIMUM_BYTES:
            self._say(f"stack.files: more than {MAXIMUM_BYTES // 1_000_000} MB in all; large data belongs into an image")

    def _read(self, option: str, name: str) -> None:
        path = self._source / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            self._say(f'{option}: "{name}" must lie below stack_source')
        elif path.is_dir():
            for found in sorted(item for item in path.rglob("*") if item.is_file()):
                self._keep(option, str(found.relative_to(self._source)), found)
        elif path.is_file():
            self._keep(option, name, path)
        else:
            self._say(f'{option}: "{path}" does not exist')

    def _keep(self, option: str, name: str, path: Path) -> None:
        if Path(name).parts[0] in RESERVED or name in RESERVED_FILES:
            problem = "is written by the deploy itself (from stack.env and the secrets); give it another name"
            self._say(f'{option}: "{name}" {problem}')
            return
        self._take(option, self.files, name, path)

    def _take(self, option: str, files: dict[str, str], name: str, path: Path) -> None:
        if problem := self._link_problem(path):
            self._say(f'{option}: "{name}" {problem}')
            return
        files[name] = base64.b64encode(path.read_bytes()).decode()
        if is_executable(path) and name not in self.executable:
            self.executable.append(name)

    def _link_problem(self, path: Path) -> str:
        """Hosts and containers would read what the controller alone has: a key, the password of a vault."""
        own = (self._source, self._stands_for or self._source)
        if any(path.resolve().is_relative_to(one.resolve()) for one in own):
            return ""
        return "is, or lies behind, a link that leads out of stack_source; put a copy in its place, or widen stack_source"

    def _read_live_files(self) -> None:
        given = [str(name) for name in self.config["live_files"] or []]
        if self._flags:
            given.pop()
            self._read_flags(given)
        for number, name in enumerate(given):
            problem = self._live_problem(name, given[:number])
            if problem:
                self._say(f"stack.live_files[{number}]: {problem}")
                continue
            for path in sorted(item for item in (self._source / name).rglob("*") if item.is_file()):
                self._take(f"stack.live_files[{number}]", self.live_files, str(path.relative_to(self._source)), path)

    def _read_flags(self, live: list[str]) -> None:
        taken = [str(name) for key in ("compose_files", "files") for name in self.config[key] or []] + live
        if any(_overlap(flags.DIRECTORY, name) for name in taken):
            self._say(f"stack_flags: services find them in ./{flags.DIRECTORY}, where other files of the stack lie; move those")
        found = flag_files.read(self._flags, self._source, datetime.date.today())
        self.problems += found.problems
        self.notes += found.notes
        self.live_files[flags.NAME] = base64.b64encode(found.text.encode()).decode()

    def _live_problem(self, name: str, before: list[str]) -> str:
        path, here = self._source / name, posixpath.normpath(name)
        if Path(name).is_absolute() or ".." in Path(name).parts or here == ".":
            return f'"{name}" must be a directory below stack_source'
        if Path(here).parts[0] in RESERVED:
            return f'"{name}" is written by the deploy itself (from stack.env and the secrets); give it another name'
        if not path.is_dir():
            return f'"{path}" is a file; name its directory' if path.exists() else f'"{path}" does not exist'
        others = [
            f'"{other}" of stack.{key}'
            for key in ("compose_files", "files")
            for other in self.config[key] or []
            if _overlap(here, other)
        ]
        others += [f'"{other}" of stack.live_files' for other in before if _overlap(here, other)]
        return f'"{name}" overlaps {others[0]}; a file either changes with the release or under it' if others else ""

    def _own_env(self) -> str:
        """The .env of the project, which no deploy reads."""
        path = self._source / ".env"
        return path.read_text(errors="replace") if path.is_file() else ""

    @property
    def _env(self) -> dict[str, Any]:
        """Plain env files by name, with the one of the variables for Compose."""
        plain = self.config["variables"]
        return {**(self.config["env"] or {}), **({GROUP: plain} if plain else {})}

    def _bring(self, name: str) -> tuple[str | None, str]:
        """The content of a file that a Compose file names, which a release then ships; or why there is none."""
        path = self._source / name
        if not path.is_file():
            return None, "does not exist below stack_source"
        if Path(name).parts[0] in RESERVED or name in RESERVED_FILES:
            return None, "is written by the deploy itself; give it another name"
        if problem := self._link_problem(path):
            return None, problem
        if name not in self.files:
            self._take("stack.compose_files", self.files, name, path)
        self.brought.add(name)
        return path.read_bytes().decode("utf-8", "replace"), ""

    def _say(self, problem: str) -> None:
        self.problems.append(problem)


def _overlap(one: str, other: Any) -> bool:
    two = posixpath.normpath(str(other))
    return file_mounts.below(one, [two]) or file_mounts.below(two, [one])
