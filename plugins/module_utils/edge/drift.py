# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the edge without which HAProxy would not start again: it runs from memory, so nobody else would notice."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_BASE, DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maintenance import MAP as MAINTENANCE_MAP
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maintenance import entry
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.networks import HOME_LIST
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.waiting import published

_PROVISION = "run playbooks/provision.yml for this inventory, which restores it"
# Whatever its configuration reads: maps, pages, authorities.
_NAMED = re.compile(rf"{HAPROXY_DIRECTORY}/([\w-]+\.\w+)(?![\w./-])")
_NO_START = "and HAProxy would not start again"


def problems(paths: EdgePaths) -> list[str]:
    """What is missing of them, or cannot be read. What they say is provision.yml's to compare."""
    main, listed = paths.conf / "haproxy.cfg", paths.conf / "certificates.list"
    found = [_problem(main), _problem(paths.root / "compose.json", published)]
    if listed.exists() or listed.name in _text(main):
        found.append(_problem(listed))
    if HOME_LIST in _text(main):
        found.append(_problem(paths.conf / HOME_LIST, _subnets, "so nobody gets the edge's metrics"))
    found += [_problem(paths.conf / name, empty=True) for name in sorted({*_NAMED.findall(_text(main))})]
    for path in certificates(paths):
        found.append(_problem(path) if path.exists() else f"{listed} names {path}, which is missing: {_PROVISION}")
    found.append(_maintenance(paths.conf / MAINTENANCE_MAP))
    return [*dict.fromkeys(one for one in found if one)]


def _problem(path: Path, read: Callable[[str], Any] = str, without: str = _NO_START, *, empty: bool = False) -> str:
    """``empty``: HAProxy starts with one that says nothing, and with one that holds anything."""
    try:
        text = EDGE_BASE.text(path, "replace" if empty else "strict")
        read(text)
    except FileNotFoundError:
        return f"{path} is missing, {_NO_START}: {_PROVISION}"
    except DamagedError as exc:
        return str(exc)
    except ValueError:
        return f"{path} cannot be read: {_PROVISION}"
    return "" if text.strip() or empty else f"{path} is empty, {without}: {_PROVISION}"


def _subnets(text: str) -> None:
    for line in text.split():
        ipaddress.ip_network(line, strict=False)


def _text(path: Path) -> str:
    """Empty where it cannot be read."""
    try:
        return EDGE_BASE.text(path)
    except (FileNotFoundError, DamagedError):
        return ""


def _maintenance(path: Path) -> str:
    """An edge of an older version has none, and HAProxy does without it."""
    try:
        known = not path.exists() or entry(f"file {EDGE_BASE.commented(path)}") in ("on", "off")
    except DamagedError as exc:
        return str(exc)
    mend = "run playbooks/maintenance.yml -e state=off (or on)"
    return "" if known else f"{path} does not say whether maintenance is on or off: {mend}"


def certificates(paths: EdgePaths) -> list[Path]:
    """The certificates that certificates.list names, by whatever path HAProxy sees them."""
    listed = paths.conf / "certificates.list"
    words = [line.split()[0] for line in _text(listed).splitlines() if line.split() and not line.startswith("#")]
    return [listed.parent / "certs" / PurePosixPath(name).name for name in words if "\0" not in name]
