# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What an audit requires of secrets across environments: no value is shared, and none is older than it may be. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils import fingerprints
from ansible_collections.morpheus.deploy.plugins.module_utils.audit_rules import HIGH, LOW, MEDIUM, Check, Finding

# Enough to see whether two are the same, and not enough to search for a value.
SHOWN_DIGITS = 8
SOON_DAYS = 14
IDS = ("secret-shared", "secret-unrecorded", "secret-old")


@dataclass(frozen=True)
class Recorded:
    """The fingerprints in the repository. ``trouble``: why a file of them cannot be used; ``allowed``: may be shared."""

    own: fingerprints.Fingerprints | None
    others: Sequence[fingerprints.Fingerprints] = ()
    trouble: Sequence[str] = ()
    allowed: Collection[str] = ()


@dataclass(frozen=True)
class MaximumAge:
    days: int = 180
    by_name: Mapping[str, int] = field(default_factory=dict)

    def of(self, name: str) -> int:
        return self.by_name.get(name, self.days)


def names(secrets: Mapping[str, Sequence[str]]) -> list[str]:
    """Names as fingerprints have them, from names by file: ``api.env`` holds variables, any other file is a secret by itself."""
    found = []
    for file, variables in secrets.items():
        stem = file.removesuffix(".env")
        found += [f"{stem}.{variable}" for variable in variables] if stem != file else [f"files.{file}"]
    return sorted(set(found))


def check(known: Sequence[str], recorded: Recorded, maximum: MaximumAge, today: date) -> Check:
    """``known``: names of all secrets of the environment."""
    mend = "run playbooks/fingerprint.yml for the environment and commit the file"
    found = [Finding("secret-unrecorded", MEDIUM, "", "fingerprints", text, mend) for text in recorded.trouble]
    if recorded.own is None:
        return Check([], "", found)
    entries = recorded.own["secrets"]
    found += [
        Finding(
            "secret-unrecorded", MEDIUM, "", name, "has no fingerprint, so nothing tells whether another environment has it", mend
        )
        for name in known
        if name not in entries
    ]
    for sentence in fingerprints.shared(recorded.own, recorded.others, recorded.allowed):
        seen, _, remedy = sentence.partition("; ")
        found.append(Finding("secret-shared", HIGH, "", seen.partition(" ")[0], seen, remedy))
    found += [finding for name, entry in entries.items() for finding in _age(name, entry, maximum, today)]
    others = ", ".join(other["environment"] for other in recorded.others) or "no other environment"
    return Check(IDS if recorded.others else IDS[1:], f"{len(entries)} secrets, compared with {others}", found)


def table(known: Sequence[str], recorded: Recorded, maximum: MaximumAge, today: date) -> list[dict[str, Any]]:
    entries = recorded.own["secrets"] if recorded.own else {}
    rows = []
    for name in sorted({*known, *entries}):
        entry = entries.get(name)
        shared = [
            f"{theirs} of {other['environment']}"
            for other in recorded.others
            for theirs, their in sorted(other["secrets"].items())
            if entry and entry["fingerprint"] and entry["fingerprint"] == their["fingerprint"]
        ]
        rows.append(
            {
                "name": name,
                "fingerprint": entry["fingerprint"][:SHOWN_DIGITS] if entry else "",
                "since": entry["since"] if entry else "",
                "age_days": _days(entry, today) if entry else None,
                "maximum_days": maximum.of(name),
                "shared_with": shared,
            }
        )
    return rows


def _age(name: str, entry: fingerprints.Secret, maximum: MaximumAge, today: date) -> list[Finding]:
    age, limit = _days(entry, today), maximum.of(name)
    if age <= limit - SOON_DAYS:
        return []
    mend = f"ansible-playbook playbooks/rotate_secrets.yml -e secret={name}"
    if name.startswith("rotation."):
        # What a rotation administers with is renewed by a person.
        mend = "renew it at its provider, write it into the vault, run playbooks/fingerprint.yml and commit both files"
    return [
        Finding("secret-old", MEDIUM if age > limit else LOW, "", name, f"is {age} days old, of {limit} that it may be", mend)
    ]


def _days(entry: fingerprints.Secret, today: date) -> int:
    return (today - date.fromisoformat(entry["since"])).days
