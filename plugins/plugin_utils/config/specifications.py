# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles of this collection take, as their argument specifications say it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_ROLES = Path(__file__).parents[3] / "roles"
_FILE = Path("meta", "argument_specs.yml")
# The one of libyaml is ten times as fast, and not everywhere.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def options(role: str) -> Mapping[str, Any]:
    """Variable -> its specification, of the role's main entry point. Empty for a role without variables."""
    document = yaml.load((_ROLES / role / _FILE).read_text(), Loader=_LOADER)
    found: Mapping[str, Any] = document["argument_specs"]["main"].get("options") or {}
    return found


def of_all_roles() -> dict[str, Mapping[str, Any]]:
    """Role -> its ``options``."""
    return {path.parents[1].name: options(path.parents[1].name) for path in sorted(_ROLES.glob(f"*/{_FILE}"))}
