# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of an environment, and its drift from another one, for machines and for people (120 columns). Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.drift import Drift, say
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.entries import Configuration, Entry

WIDTH = 120
_LONGEST_KEY = 36
_SHORTEST_VALUE = 24
_TOLERANCE = 12
# Of the Compose files people are shown what differs between environments; machines get everything.
_OF_COMPOSE = ("image", "profiles", "env_file", "replicas", "resources", "update_config")


def data(mine: Configuration, drift: Drift | None, other: str) -> dict[str, Any]:
    """One JSON document."""
    vault = {"path": mine.vault.path, "opened": mine.vault.names is not None}
    return {
        "environment": mine.environment,
        "inventory": mine.inventory,
        "groups": {name: list(members) for name, members in mine.groups.items()},
        "vault": vault if mine.vault.path else None,
        "values": {entry.key: _cell(entry) | {"path": list(entry.path), "scope": entry.scope} for entry in mine.entries},
        "problems": list(mine.problems),
        "with_values": mine.with_values,
        "drift": _drift(drift, other) if drift else None,
    }


def _cell(entry: Entry) -> dict[str, Any]:
    shown = {"secret": entry.hidden} if entry.hidden else {"value": entry.value}
    return shown | {"origin": entry.origin}


def _drift(drift: Drift, other: str) -> dict[str, Any]:
    different = {
        ".".join(path): {"path": list(path), "here": _cell(here), "there": _cell(there)} for path, here, there in drift.different
    }
    return {
        "with": other,
        "broken": drift.broken,
        "only_here": drift.only_here,
        "only_there": drift.only_there,
        "different": different,
        "secrets": drift.secrets,
    }


def lines(report: Mapping[str, Any]) -> list[str]:
    """For people: the comparison when there is one, else the whole configuration."""
    found = _comparison(report) if report["drift"] else _whole(report)
    for title, sentences in (("PROBLEMS", report["problems"]), ("BROKEN RULES", (report["drift"] or {}).get("broken"))):
        if sentences:
            found += ["", title, *(line for one in sentences for line in _wrapped(f"  {one}", "    "))]
    return [*found, "", _conclusion(report)]


def _conclusion(report: Mapping[str, Any]) -> str:
    parts = []
    if report["problems"]:
        parts.append(_count(len(report["problems"]), "problem"))
    if report["drift"]:
        broken = len(report["drift"]["broken"])
        parts.append(f"{_count(broken, 'rule')} broken" if broken else "No rule is broken")
    unseen = "" if report["with_values"] else ", as far as it shows without the values of secrets, which a deploy checks"
    return f"{', '.join(parts)}." if parts else f"No problem{unseen}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _whole(report: Mapping[str, Any]) -> list[str]:
    found = [f"CONFIGURATION of {report['environment'] or 'an environment without a name'}", ""]
    found.append(f"inventory  {report['inventory']}")
    if report["vault"]:
        found.append(f"vault      {report['vault']['path']} ({_vault_state(report)})")
    hosts = "; ".join(f"{name}: {' '.join(members)}" for name, members in report["groups"].items())
    found += _wrapped(f"hosts      {hosts}", " " * 11)
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for cell in report["values"].values():
        if _is_shown(cell):
            title, key = _place(cell["path"], cell["scope"])
            groups.setdefault(title, []).append((key, _text(cell), cell["origin"]))
    rows = [row for group in groups.values() for row in group]
    keys, values, origins = (max((len(row[column]) for row in rows), default=0) for column in range(3))
    keys = min(keys, _LONGEST_KEY)
    values = min(values, max(_SHORTEST_VALUE, WIDTH - keys - origins - 6))
    for title, group in groups.items():
        found += ["", title, *(line for row in group for line in _row(*row, keys, values))]
    return found


def _vault_state(report: Mapping[str, Any]) -> str:
    if report["vault"]["opened"]:
        return "opened for the names in it"
    refused = any(problem.startswith("stack_vault") for problem in report["problems"])
    return "not opened" if refused else "not opened: no password, or a wrong one"


def _is_shown(cell: Mapping[str, Any]) -> bool:
    path = cell["path"]
    if path[0] == "compose":
        return any(part in _OF_COMPOSE for part in path[3:])
    # The name of an item stands in the path of all that it has.
    return len(path) < 2 or path[-1] != "name" or cell.get("value") != path[-2]


def _place(path: Sequence[str], scope: str) -> tuple[str, str]:
    """(title of the group, what remains of the key)."""
    if path[0] == "compose" or path[:2] in (["stack", "services"], ["stack", "env"]):
        return ".".join(path[:3]), ".".join(path[3:])
    if path[0] in ("stack", "stack_secrets", "stack_secret_variables", "stack_secret_files") and len(path) > 1:
        return path[0], ".".join(path[1:])
    if path[0].startswith(("stack_", "preflight_")):
        return "environment", ".".join(path)
    return f"roles on {scope}" if scope else "roles", ".".join(path)


def _text(cell: Mapping[str, Any]) -> str:
    return str(cell["secret"]) if "secret" in cell else say(cell["value"])


def _row(key: str, value: str, origin: str, keys: int, values: int) -> list[str]:
    # A line that is a little too long is better whole than aligned: people copy it.
    whole = f"  {key:<{keys}}  {value:<{values}}  {origin}"
    if len(whole) <= WIDTH + _TOLERANCE:
        return [whole]
    first, start = ([f"  {key}"], "") if len(key) > keys else ([], key)
    one, *more = textwrap.wrap(value, values, break_on_hyphens=False) or [""]
    return [*first, f"  {start:<{keys}}  {one:<{values}}  {origin}", *(f"  {'':<{keys}}  {part}" for part in more)]


def _comparison(report: Mapping[str, Any]) -> list[str]:
    drift, mine = report["drift"], report["environment"]
    other = drift["with"]
    found = [f"DRIFT between {mine} and {other}"]
    for name, only in ((mine, drift["only_here"]), (other, drift["only_there"])):
        if only:
            found += ["", f"only in {name}", *(f"  {key}" for key in only)]
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for cells in drift["different"].values():
        title, key = _place(cells["path"], "")
        groups.setdefault(title, []).append((key, _text(cells["here"]), _text(cells["there"])))
    rows = [row for group in groups.values() for row in group]
    keys = min(max((len(row[0]) for row in rows), default=0), _LONGEST_KEY)
    left = min(max(len(text) for text in (mine, *(row[1] for row in rows))), (WIDTH - keys - 6) // 2)
    if rows:
        found += ["", f"{'different':<{keys + 2}}  {mine:<{left}}  {other}"]
    for title, group in groups.items():
        found += ["", title, *(line for row in group for line in _pair(*row, keys, left))]
    return [*found, "", *_wrapped(f"secrets  {drift['secrets']}", "         ")]


def _pair(key: str, mine: str, theirs: str, keys: int, left: int) -> list[str]:
    first = [f"  {key}"] if len(key) > keys else []
    columns = [textwrap.wrap(mine, left, break_on_hyphens=False), textwrap.wrap(theirs, WIDTH - keys - left - 6)]
    pairs = list(zip_longest(*columns, fillvalue="")) or [("", "")]
    starts = ["" if first else key, *[""] * (len(pairs) - 1)]
    return first + [f"  {start:<{keys}}  {one:<{left}}  {two}".rstrip() for start, (one, two) in zip(starts, pairs, strict=True)]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
