# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume or directory of a running replica."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mounted:
    """A mount of a running container of the project. ``source``: the name of a volume, or a path of the host."""

    container: str
    service: str
    kind: str
    source: str
    target: str
    writable: bool = True
