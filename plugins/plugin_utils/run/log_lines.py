# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of all hosts as one, for people: merged by time, lines of JSON in words. Pure.

``report``: what the filter logs_report makes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.words.plain_text import plain
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.status_table import wrapped

# What stands in a line's own columns, or is the same for all.
_COLUMNS = ("time", "source", "service", "environment", "host", "replica", "release", "level", "message", "logger")
# What is said by itself: a value that a person knows without its name.
_OPEN = ("method", "site", "path", "status")


def report(
    answers: Mapping[str, Mapping[str, Any]],
    environment: str,
    services: Iterable[str] = (),
    since: str = "10m",
    request: str = "",
) -> dict[str, Any]:
    """``answers``: of stack_logs, by host."""
    read = {name: one for name, one in answers.items() if "lines" in one and not one.get("failed")}
    known = sorted({service for one in read.values() for service in one["services"]})
    wanted = list(services)
    lines = [{**line, "host": name} for name, one in read.items() for line in one["lines"]]
    return {
        "environment": environment,
        "since": since,
        "request": request,
        "services": wanted,
        "known": known,
        "strange": [one for one in wanted if read and one not in {service.rpartition(".")[2] for service in known}],
        "unread": {name: _why(one) for name, one in answers.items() if name not in read},
        "notes": [f"{name}: {note}" for name, one in sorted(read.items()) for note in one["unread"]],
        "left_out": {name: one["left_out"] for name, one in read.items() if one["left_out"]},
        # Lines of one host that have one time stay in their order.
        "lines": sorted(lines, key=lambda line: line["time"]),
    }


def table(found: Mapping[str, Any]) -> list[str]:
    about = [*found["services"], *([f"request {found['request']}"] if found["request"] else [])]
    head = f"LOGS of {found['environment']}, {found['since']}"
    lines = [f"{head}, {', '.join(about)}" if about else head, ""]
    lines += [_line(one) for one in found["lines"]]
    if not found["lines"]:
        lines.append("Nothing was logged, as far as the hosts that answered know.")
    for host, count in sorted(found["left_out"].items()):
        lines += wrapped(
            f"{host} has {count} older lines: ask for fewer services or a shorter time, or for more -e logs_lines", "  "
        )
    for note in found["notes"]:
        lines += wrapped(note, "  ")
    for host, why in sorted(found["unread"].items()):
        lines += wrapped(f"{host} {why}: its lines are missing here", "  ")
    return lines


def _line(one: Mapping[str, Any]) -> str:
    return f"{one['time'][:23]}Z {one['host']} {one['replica']} {in_words(one['text'])}".rstrip()


def in_words(text: str) -> str:
    """A line of JSON as a person reads it; any other as it is."""
    found = None
    if text.startswith("{"):
        try:
            found = others_json.loads(text)
        except ValueError:
            return text
    if not isinstance(found, dict):
        return text
    said = [str(found[name]) for name in ("level", "message") if found.get(name) not in (None, "", "request")]
    said += [str(found[name]) for name in _OPEN if found.get(name) not in (None, "")]
    rest = {name: one for name, one in found.items() if name not in (*_COLUMNS, *_OPEN) and one not in (None, "")}
    said += [f"{name}={one if isinstance(one, str | int | float) else json.dumps(one)}" for name, one in rest.items()]
    # An application's JSON may hold what its line did not: what acts on a terminal, and line ends.
    return plain(" ".join(said)).replace("\n", "\\n")


def _why(answer: Mapping[str, Any]) -> str:
    return "could not be reached" if answer.get("unreachable") else str(answer.get("msg") or "gave no answer")
