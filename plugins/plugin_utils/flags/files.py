# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment's file of flags and what the application asks for, read on the controller."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.schema import kind
from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags.checked import TYPES, FlagSet


@dataclass(frozen=True)
class Read:
    """Each problem and note has its path. ``text``: of the file, as it stands."""

    text: str = ""
    flags: Mapping[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(given: Mapping[str, Any], source: Path, today: datetime.date) -> Read:
    """``given``: the variable stack_flags."""
    path = str(given.get("file") or "")
    if not path:
        # Of what is missing the argument specification speaks.
        return Read()
    text, problem = _text(Path(path))
    known, problems = _known(str(given.get("known") or ""), source)
    if problem:
        return Read(problems=[f'stack_flags.file: "{path}" {problem}', *problems])
    return checked(text, known, Path(path).name, today, problems)


def checked(text: str, known: Mapping[str, str] | None, name: str, today: datetime.date, problems: list[str]) -> Read:
    """``name``: of the file, as people call it."""
    found = FlagSet(text, known, today)
    told = [f"stack_flags: {name}: {one}" for one in found.problems]
    return Read(text, found.flags, [*problems, *told], [f"stack_flags: {name}: {one}" for one in found.notes])


def _text(path: Path) -> tuple[str, str]:
    try:
        return path.read_text(encoding="utf-8"), ""
    except FileNotFoundError:
        return "", "does not exist"
    except UnicodeDecodeError:
        return "", "is no text in UTF-8"
    except OSError as exc:
        return "", f"cannot be read: {exc.strerror}"


def _known(name: str, source: Path) -> tuple[Mapping[str, str] | None, list[str]]:
    """What the application asks for; none where it does not say so, or where that is wrong."""
    if not name:
        return None, []
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None, [f'stack_flags.known: "{name}" must lie below stack_source']
    text, problem = _text(source / name)
    if problem:
        return None, [f'stack_flags.known: "{source / name}" {problem}']
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        return None, [f"stack_flags.known: {name} is no YAML{f', line {mark.line + 1}' if mark else ''}"]
    if not isinstance(found, Mapping):
        return None, [f"stack_flags.known: {name} must be a mapping of flags to their types, not {kind(found)}"]
    wrong = [
        f'stack_flags.known: {name}: {flag}: "{type_of}" is not one of {", ".join(TYPES)}'
        for flag, type_of in found.items()
        if type_of not in TYPES
    ]
    return (None if wrong else {str(flag): str(type_of) for flag, type_of in found.items()}), wrong
