# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look has found, as lines of a table. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Row

_ORDER = ("yours", "exempted", "changed", "given", "accepted")


def table(rows: Iterable[Row]) -> list[str]:
    """For the screen: what a person must do first."""
    found = sorted(rows, key=lambda row: _ORDER.index(row.how))
    width = max(len(row.place) for row in found)
    return [f"{row.how:<8}  {row.place:<{width}}  {row.said}" for row in found]
