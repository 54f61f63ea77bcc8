# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database has of the live release's migrations, for the status of an environment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import standing
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.shipped import Shipped
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.schema import LIVE, SEEN, Schema


def told(ledgers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """``ledgers``: host -> what stack_ledger said; empty where the live release has no ledger to be asked."""
    answers = {name: found for name, found in ledgers.items() if "releases" in found}
    schema = Schema.of(answers, [])
    evidence = schema.evidence
    if not evidence.is_asked:
        return {}
    live = str(answers[evidence.host].get("live") or "")
    files = [Shipped.of(one) for one in (schema.releases.get(live) or {}).get("migrations") or []]
    found = standing(evidence.rows, files, evidence.ledger.preset)
    known = {"pending": [one.path for one in found.pending], "failed": list(found.failed), "unknown": schema.unknown(live)}
    return {**evidence.as_dict(), "ledger": str(evidence.ledger), **(known if evidence.is_known else {})}


def sentences(schema: Mapping[str, Any]) -> list[str]:
    """``schema``: as ``told`` gives it."""
    if not schema:
        return []
    at = f"at {schema['head'] or 'no migration'}, " if schema["source"] in (LIVE, SEEN) else ""
    by = {LIVE: f"{schema['ledger']} read from {schema['host']}", SEEN: f"as {schema['host']} saw it at {schema['at']}"}
    found = [at + by.get(schema["source"], "unknown")]
    found += [f"the database was not asked: {schema['why']}"] if schema["source"] != LIVE else []
    for key, words in (
        ("pending", "the live release has migrations that are not applied"),
        ("failed", "broke off, and nobody has said what is to become of it"),
        ("unknown", "applied, and no retained release has a file of it"),
    ):
        found += [f"{words}: {', '.join(schema[key])}"] if schema.get(key) else []
    return found
