# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caps of ML endpoints that are nearly used up: each is told of once in its day or month, as far as this controller remembers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import run_file

# Cap -> the day or month in which it was told of.
_FILE = "caps.json"


def untold(environment: str, caps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """``caps``: as the module ``ml_mode`` returns them. Those that are near and that nobody was told of."""
    before = run_file.read(environment, _FILE)
    return [one for one in caps if one["near"] and before.get(one["cap"]) != one["period"]]


def tell(environment: str, caps: Sequence[Mapping[str, Any]]) -> None:
    """Remember which are near."""
    near = {str(one["cap"]): str(one["period"]) for one in caps if one["near"]}
    with suppress(OSError):
        if near != run_file.read(environment, _FILE):
            run_file.keep(run_file.DIRECTORY / (environment or run_file.UNKNOWN) / _FILE, json.dumps(near, sort_keys=True) + "\n")


def words(cap: Mapping[str, Any]) -> dict[str, str]:
    share = 100 * float(cap["used"]) / float(cap["limit"])
    return {"cap": str(cap["cap"]), "used": str(cap["used"]), "limit": str(cap["limit"]), "share": f"{share:.0f}"}
