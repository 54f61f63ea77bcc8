# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory's ``costs`` declares beside the ML endpoints: every problem in it, and what it costs by the hour. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

KINDS = ("project", "branch")


class Costs:
    """``problems`` is empty exactly when ``currency`` and ``supabase`` can be used."""

    def __init__(self, raw: Any, options: Mapping[str, Any]) -> None:
        shape: list[str] = []
        given = schema.typed({"costs": _texts(raw)}, {"costs": options["costs"]}, "", shape)["costs"] or {}
        self.currency: str = given.get("currency") or "USD"
        self.supabase: Sequence[Mapping[str, Any]] = given.get("supabase") or []
        found = [
            f"costs.supabase[{number}].{problem}"
            for number, item in enumerate(self.supabase)
            for problem in self._of_item(number, item)
        ]
        self.problems = schema.causes(shape, found) if raw is not None else []

    def _of_item(self, number: int, item: Mapping[str, Any]) -> Iterator[str]:
        earlier = [before for before, other in enumerate(self.supabase[:number]) if other["name"] == item["name"]]
        if item["name"] and earlier:
            yield f'name: "{item["name"]}" is already used by costs.supabase[{earlier[0]}]'
        if item["kind"] not in KINDS:
            yield f'kind: "{item["kind"]}" is not one of {", ".join(KINDS)}'
        for name in ("since", "until"):
            if item[name] and seconds_of(item[name]) is None:
                yield f'{name}: "{item[name]}" is no time; give a day or a time by UTC, "2026-10-01" or "2026-10-01T08:30:00Z"'
        since, until = (seconds_of(item[name] or "") for name in ("since", "until"))
        if since is not None and until is not None and until < since:
            yield f"until: {item['until']} is before since ({item['since']})"


def seconds_of(text: str) -> float | None:
    """Since 1970, of a day or a time by UTC."""
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.UTC).timestamp()
        except ValueError:
            continue
    return None


def _texts(raw: Any) -> Any:
    """YAML makes a date of a day without quotes."""
    if isinstance(raw, Mapping):
        return {key: _texts(value) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [_texts(value) for value in raw]
    if isinstance(raw, datetime.datetime):
        there = raw if raw.tzinfo else raw.replace(tzinfo=datetime.UTC)
        return there.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return raw.isoformat() if isinstance(raw, datetime.date) else raw
