# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against a deploy, and which limits an inventory sets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

# An error refuses a deploy, a warning is only told.
ERROR, WARNING = "error", "warning"
# Of the limits in the inventory: what comes before each name.
PREFIX = "preflight_"
# Kinds whose errors may be accepted. Whatever else is an error, a deploy could not go on with.
ACCEPTABLE = ("alerts", "backup", "certificate", "clock", "connections", "disk")


@dataclass(frozen=True)
class Finding:
    """``check``: the kind; ``host``: empty where it is of the environment. ``accepted``: an error that the inventory accepts."""

    level: str
    check: str
    host: str
    seen: str
    expected: str = ""
    mend: str = ""
    accepted: bool = False

    @property
    def text(self) -> str:
        where = f"{self.host}: " if self.host else ""
        expected = f"; expected {self.expected}" if self.expected else ""
        mend = f". {self.mend}" if self.mend else ""
        return f"{where}{self.check}: {self.seen}{expected}{mend}"

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "text": self.text}


@dataclass(frozen=True)
class Limits:
    """As the role preflight documents them."""

    clock_seconds: float = 5.0
    memory_free_mb: int = 256
    disk_free_mb: int = 500
    inodes_free: int = 10000
    certificate_days: float = 14.0
    backup_hours: float = 0.0
    alertmanager_url: str = ""
    alert_severities: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    accept: Sequence[str] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Limits:
        return cls(**{name: value for name, value in given.items() if value is not None})


def limits(raw: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """By their names without PREFIX, typed and with defaults, and what is wrong with their meaning.

    ``options``: specifications of the role preflight, by which their shape is checked with everything else's.
    """
    ours = {name: option for name, option in options.items() if name.removeprefix(PREFIX) in Limits.__dataclass_fields__}
    shape: list[str] = []
    given = schema.typed({name: raw[name] for name in ours if raw.get(name) is not None}, ours, "", shape)
    found = {name.removeprefix(PREFIX): value for name, value in given.items()}
    return found, schema.causes(shape, _problems(found))[len(shape) :]


def _problems(found: Mapping[str, Any]) -> Iterable[str]:
    for number, check in enumerate(found["accept"] or []):
        if check not in ACCEPTABLE:
            yield f'{PREFIX}accept[{number}]: "{check}" is not one of {", ".join(ACCEPTABLE)}'
    for name, version in (found["versions"] or {}).items():
        if version and not numbers(version):
            yield f'{PREFIX}versions.{name}: "{version}" is no version; give numbers with dots, for example "26.1"'
    url = found["alertmanager_url"] or ""
    if url and (not url.startswith(("http://", "https://")) or "@" in url):
        yield f"{PREFIX}alertmanager_url: must be an http or https URL without a login"


def numbers(version: str) -> tuple[int, ...]:
    """The version's leading numbers; empty when it has none."""
    head = version.removeprefix("v")
    digits = "".join(one if one.isdigit() or one == "." else " " for one in head).split(" ", maxsplit=1)[0]
    return tuple(int(part) for part in digits.split(".") if part)


def accepted(findings: Iterable[Finding], kinds: Sequence[str]) -> list[Finding]:
    """Errors of these kinds are only told."""
    return [replace(one, level=WARNING, accepted=True) if one.level == ERROR and one.check in kinds else one for one in findings]
