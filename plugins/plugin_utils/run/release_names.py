# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What releases are called in a run: by their names, and by their ids where two of them have one name. Pure.

A release that is deployed again with another configuration has its name and another id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class ReleaseNames:
    """``known``: (name, id) of each release that people may read of; an id that nobody has told is empty."""

    def __init__(self, known: Iterable[tuple[str, str]]) -> None:
        ids: dict[str, set[str]] = {}
        for name, identity in known:
            ids.setdefault(name, set()).add(identity)
        self._ambiguous = {name for name, found in ids.items() if len(found - {""}) > 1}

    def of(self, name: str, identity: str) -> str:
        return identity if identity and name in self._ambiguous else name


def names_in(verdict: Mapping[str, Any]) -> ReleaseNames:
    """What to call the releases of a verdict."""
    hosts = [*verdict["hosts"].values(), *verdict["left_out"].values()]
    known = [(one["release"], one.get("release_id", "")) for one in [verdict, *hosts]]
    return ReleaseNames([*known, (verdict["previous"], verdict["previous_id"])])


def are_one(releases: Iterable[tuple[str, str]]) -> bool:
    """Whether all of these (name, id) are one release. A host of which no id was told counts by its name."""
    found = set(releases)
    ids = {identity for _, identity in found} - {""}
    return len({name for name, _ in found}) < 2 and len(ids) < 2
