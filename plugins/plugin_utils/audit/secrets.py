# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit requires of secrets: across environments no value is shared, none is older than it may be, and no host has a copy
of one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import fingerprints
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.finding import HIGH, LOW, MEDIUM, Check, Finding, counted
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.rules import readers

# Enough to see whether two are the same, and not enough to search for a value.
SHOWN_DIGITS = 8
SOON_DAYS = 14
# Names of secrets that a finding lists.
_NAMED = 3
_NO_SECRETS = "this host has no secrets of its own, so no file was searched for their values; leftovers of runs were looked for"
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


def copies(host: str, facts: Mapping[str, Any]) -> Check:
    """Copies of secrets, and what killed runs have left of them."""
    searched, accounts = facts["searched"], facts["accounts"]
    found = [
        Finding(
            "secret-leftover",
            MEDIUM,
            host,
            path,
            "secrets that a run left which was killed",
            f"rm -r {path}; a deploy does it, too",
        )
        for path in facts["abandoned"]
    ]
    for file in searched["copies"]:
        names = ", ".join(file["secrets"][:_NAMED]) + (f" and {more} more" if (more := len(file["secrets"]) - _NAMED) > 0 else "")
        who = ", ".join(readers(file, accounts)) if file["open"] else "root alone"
        seen = f"holds the value of {names}; mode {file['mode']:04o}, open to {who}"
        mend = f"rm {file['path']}" + ("; and rotate what it holds: playbooks/rotate_secrets.yml" if file["open"] else "")
        found.append(Finding("secret-leftover", HIGH if file["open"] else MEDIUM, host, file["path"], seen, mend))
    if searched["more"]:
        seen = f"{searched['more']} more files hold values of secrets"
        found.append(Finding("secret-leftover", HIGH, host, "", seen, "remove those that are named, and repeat the audit"))
    mend = "search them by hand, or move them off the host"
    found += [Finding("secret-unsearched", LOW, host, "", f"not read: {text}", mend) for text in searched["unread"]]
    if not searched["values"]:
        # Nothing was searched for: a host without secrets, such as a balancer.
        return Check(["secret-leftover"] if not facts["secrets"] else [], _NO_SECRETS, found)
    seen = f"{searched['files']} files, searched for the values of {counted(searched['values'], 'secret')}"
    if searched["short"]:
        seen += f", but not of those too short to be told from other words ({', '.join(searched['short'])})"
    if searched["left_out"]:
        seen += f"; not searched: {', '.join(searched['left_out'])}"
    return Check(["secret-leftover", "secret-unsearched"], seen, found)


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
    if name.startswith(("rotation.", "notifications.", "supabase_project.")):
        # What a rotation administers with, what people are told with, and what opens a project is renewed by a person.
        mend = "renew it at its provider, write it into the vault, run playbooks/fingerprint.yml and commit both files"
    return [
        Finding("secret-old", MEDIUM if age > limit else LOW, "", name, f"is {age} days old, of {limit} that it may be", mend)
    ]


def _days(entry: fingerprints.Secret, today: date) -> int:
    return (today - date.fromisoformat(entry["since"])).days
