# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line of a log as it leaves a host: what it says, and what this host knows of it, as syslog and Loki want it. Pure."""

from __future__ import annotations

import calendar
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.logs.sources import Source

# Facility local0; severities of RFC 5424.
_FACILITY = 16
_SEVERITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
# A name of its own for what this collection says beside a message, under the number that RFC 5612 keeps for examples.
_SD_ID = "deploy@32473"
# Loki's own limit of a line is 256 KB.
_LONGEST = 200_000


@dataclass(frozen=True)
class Entry:
    time: str
    source: Source
    text: str

    @property
    def nanoseconds(self) -> int:
        whole = calendar.timegm(time.strptime(self.time[:19], "%Y-%m-%dT%H:%M:%S"))
        return whole * 10**9 + int(self.time[20:29])

    @property
    def said(self) -> Mapping[str, Any]:
        """What its JSON says; nothing of any other line."""
        if not self.text.startswith("{"):
            return {}
        try:
            found = others_json.loads(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def syslog(entry: Entry, about: Mapping[str, str]) -> bytes:
    """RFC 5424, with its length before it as RFC 6587 wants it. ``about``: environment, host, and what else is said of all."""
    said = entry.said
    priority = _FACILITY * 8 + _SEVERITIES.get(str(said.get("level")), 6)
    known = {
        **about,
        "stack": entry.source.stack,
        "release": entry.source.release,
        "request_id": str(said.get("request_id") or ""),
    }
    data = "".join(f' {name}="{_escaped(value)}"' for name, value in known.items() if value)
    names = " ".join(
        _name(one, size) for one, size in ((about["host"], 255), (entry.source.service, 48), (entry.source.replica, 128))
    )
    # A frame may hold line ends, but whoever stores lines would make two of it.
    text = entry.text[:_LONGEST].replace("\n", "\\n")
    frame = f"<{priority}>1 {entry.time[:26]}Z {names} - [{_SD_ID}{data}] {text}".encode("utf-8", "replace")
    return b"%d %s" % (len(frame), frame)


def loki(entries: Iterable[Entry], about: Mapping[str, str]) -> bytes:
    """The body of a push. Labels are few and have few values, so replica, release and request stand beside each line."""
    streams: dict[tuple[str, str], list[Any]] = {}
    for entry in entries:
        beside = {"replica": entry.source.replica, "release": entry.source.release}
        beside |= {name: str(entry.said[name]) for name in ("request_id", "level") if entry.said.get(name)}
        value = [str(entry.nanoseconds), entry.text[:_LONGEST], {name: one for name, one in beside.items() if one}]
        streams.setdefault((entry.source.stack, entry.source.service), []).append(value)
    found: list[dict[str, Any]] = [
        {"stream": dict(about) | {"stack": stack, "service": service}, "values": values}
        for (stack, service), values in streams.items()
    ]
    return json.dumps({"streams": found}).encode("utf-8", "replace")


def _name(text: str, size: int) -> str:
    return "".join(one if "!" <= one <= "~" else "_" for one in text)[:size] or "-"


def _escaped(value: str) -> str:
    return "".join(f"\\{one}" if one in '"\\]' else one for one in value).replace("\n", " ")
