# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is pending of a stack's migrations, by the files of its release and the rows of its ledger. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import Row, Standing, standing
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.shipped import Shipped
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import Ledger
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight.finding import ERROR, Finding

# What a person does about a migration that broke off.
_RESOLVE = {
    "prisma": (
        "Look at what it has done, and say what is to become of it: npx prisma migrate resolve --rolled-back <name>, or "
        "--applied <name>"
    ),
    "flyway": "Look at what it has done, undo it, and forget the attempt: flyway repair",
}


@dataclass(frozen=True)
class Due:
    """``is_known``: whether the files are known at all; ``is_whole``: whether the tool applies nothing but those."""

    at: Standing
    preset: str
    is_known: bool
    is_whole: bool

    @property
    def paths(self) -> list[str]:
        return [one.path for one in self.at.pending]

    @property
    def runs(self) -> bool:
        """Whether the tool is to run: it may find something to do."""
        return bool(self.at.pending) or not (self.is_known and self.is_whole)

    def findings(self) -> Iterator[Finding]:
        """The tool would stop at what broke off."""
        for version in self.at.failed:
            seen = f"{version} broke off, and {self.preset} applies nothing until somebody has said what is to become of it"
            yield Finding(ERROR, "migrations", "", seen, "", _RESOLVE.get(self.preset, ""))


def due(config: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Due:
    """``config``: the checked configuration; ``rows``: what was read of the ledger that it names."""
    migration = config["stack"].get("migration") or {}
    ledger = Ledger.of(migration.get("ledger") or "")
    files = [Shipped.of(one) for one in config.get("migrations") or []]
    found = standing(map(Row.of, rows), files, ledger.preset)
    return Due(found, ledger.preset, bool(files and ledger.table), ledger.tool.whole)
