# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit requires of who may get in and become root: what the baseline says, and nobody else. Pure.

``facts["access"]`` is what the host is now, ``facts["baseline"]`` what it was when somebody recorded it (facts/baseline.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import BASELINE_FILE
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import access, baseline
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.finding import HIGH, LOW, MEDIUM, Check, Finding, Settings

# Kind of entry -> what it is, and what to do about a new one.
_WORDS: Mapping[str, tuple[str, str]] = {
    access.ROOT_ACCOUNT: ("account with the uid 0", "userdel {first}"),
    access.LOGIN: ("account that can log in", "userdel {first}"),
    access.GROUP: ("member of a group that is as good as root", "gpasswd --delete {first} {last}"),
    access.KEY: ("key that opens an account", "take its line out of {last}"),
    access.SUDO: ("rule of sudo", "take the line out of {first}"),
    access.SSHD: ("setting of sshd", "take the line out of {first}, and systemctl reload ssh"),
    access.SETUID: ("program that gives the rights of another user", "chmod ug-s {first}, or remove it"),
    access.AUTOSTART: ("file that root obeys", "look at it, and remove it: {first}"),
    access.OPEN: ("file or directory of root's that others may change", "chown root:root {first}; chmod go-w {first}"),
}
# What follows the account or file that an entry begins with.
_AFTER_FIRST = {access.GROUP: " in ", access.SETUID: ", ", access.OPEN: ", ", access.AUTOSTART: " -> "}
_MEANT = "; when it is meant: {renew}"


def check(host: str, facts: Mapping[str, Any], settings: Settings) -> list[Check]:
    return [_sockets(host, facts), *_baseline(host, facts, settings)]


def _sockets(host: str, facts: Mapping[str, Any]) -> Check:
    found = []
    groups = facts["accounts"]["groups"]
    for one in facts["engine_sockets"]:
        path, mode, group = one["path"], one["mode"], groups.get(str(one["gid"]), str(one["gid"]))
        seen = []
        if mode & 0o006:
            seen.append("open to everybody")
        if one["uid"]:
            seen.append(f"of {facts['accounts']['users'].get(str(one['uid']), one['uid'])}")
        if one["gid"] and group != "docker" and mode & 0o060:
            seen.append(f"open to group {group}")
        if seen:
            words = f"mode {mode:04o}, {', '.join(seen)}: who may write to it is root"
            mend = f"chown root:docker {path}; chmod 0660 {path}; see what its unit says: systemctl cat docker.socket"
            found.append(Finding("engine-socket", HIGH, host, path, words, mend))
    paths = ", ".join(one["path"] for one in facts["engine_sockets"])
    return Check(["engine-socket"] if paths else [], paths, found)


def _baseline(host: str, facts: Mapping[str, Any], settings: Settings) -> list[Check]:
    record, renew = (text.format(environment=settings.environment) for text in (baseline.RECORD, baseline.RENEW))
    before, known = facts["baseline"], settings.baselines.get(host)
    if before is None:
        seen, level = "nobody has said what this host is when it is as it should be", MEDIUM
        if known:
            seen, level = f"the baseline that was recorded on {known['recorded']} is gone from this host", HIGH
            record = f"find out who removed it; then {renew}"
        return [Check([], "", [Finding("baseline-missing", level, host, "", seen, record), *_by_itself(host, facts)])]
    guard = _guard(host, before, known, settings, record, renew)
    found = baseline.differences(before["entries"], facts["access"])
    upgraded = facts["upgraded"]
    bad = [_finding(host, one, renew) for one in found if not (one.word == baseline.CHANGED and one.entry in upgraded)]
    unknown = [kind for kind in access.KINDS if kind not in before["entries"]]
    if unknown:
        seen = f"was recorded before this was looked at: {', '.join(unknown)}"
        guard.append(Finding("baseline-missing", LOW, host, str(BASELINE_FILE), seen, renew))
    counted = sum(len(entries) for entries in before["entries"].values())
    seen = f"{counted} entries of the baseline of {before['recorded']}"
    return [
        Check(["baseline-missing", "baseline-changed"], f"recorded on {before['recorded']}", guard),
        Check([kind for kind in access.KINDS if kind not in unknown], seen, bad),
    ]


def _guard(
    host: str, before: Mapping[str, Any], known: Mapping[str, str] | None, settings: Settings, record: str, renew: str
) -> list[Finding]:
    """Whether the baseline is the one that was recorded: who is root here can write another one."""
    path = str(BASELINE_FILE)
    look = f"find out who changed it, and look at all that the host is; then {renew}"
    found = []
    if before["trouble"]:
        found.append(Finding("baseline-changed", HIGH, host, path, before["trouble"], look))
    if before["environment"] != settings.environment:
        seen = f"was recorded for {before['environment']}"
        found.append(Finding("baseline-changed", HIGH, host, path, seen, renew))
    if known and known["digest"] != before["digest"]:
        seen = f"is not the one that was recorded on {known['recorded']}: its SHA-256 begins with {before['digest'][:8]}"
        seen += f", and the repository says {known['digest'][:8]}"
        found.append(Finding("baseline-changed", HIGH, host, path, seen, look))
    if not known:
        seen = "nothing outside of this host knows its fingerprint, so who is root here could have written another one"
        found.append(Finding("baseline-changed", LOW, host, path, seen, f"{record}, and commit the file that it writes"))
    return found


def _by_itself(host: str, facts: Mapping[str, Any]) -> list[Finding]:
    """What is wrong whatever a baseline may say."""
    found = [
        Finding(access.ROOT_ACCOUNT, HIGH, host, name, "has the uid 0, beside root", f"userdel {name}")
        for name in facts["access"].get(access.ROOT_ACCOUNT, {})
        if name != "root"
    ]
    names = [entry.partition(":")[0] for entry in facts["access"].get(access.LOGIN, {}) if entry.endswith("password empty")]
    return found + [Finding(access.LOGIN, HIGH, host, name, "has an empty password", f"passwd --lock {name}") for name in names]


def _finding(host: str, one: baseline.Difference, renew: str) -> Finding:
    what, mend = _WORDS[one.kind]
    meant = _MEANT.format(renew=renew)
    if one.word == baseline.GONE:
        return Finding(one.kind, LOW, host, one.entry, f"{what} that the baseline has and the host has not", renew)
    if one.word == baseline.CHANGED:
        seen = f"{what} whose content is neither what it was nor what its package says"
        return Finding(one.kind, HIGH, host, one.entry, seen, f"find out who changed it; reinstall its package{meant}")
    comment = f" ({one.beside})" if one.beside and one.kind not in baseline.CONTENTS else ""
    return Finding(
        one.kind, HIGH, host, one.entry, f"{what} that the baseline has not{comment}", mend.format(**_parts(one)) + meant
    )


def _parts(one: baseline.Difference) -> dict[str, str]:
    """What the mend names: the account or file that an entry begins with, and what it ends with."""
    separator = _AFTER_FIRST.get(one.kind, ": ")
    first = one.entry.partition(separator)[0] if separator != ", " else one.entry.rpartition(", ")[0]
    return {"first": first, "last": one.entry.rpartition(" in ")[2]}


def rows(host: str, facts: Mapping[str, Any], settings: Settings) -> list[dict[str, Any]]:
    """For the report: what each host's baseline is worth."""
    before, known = facts["baseline"], settings.baselines.get(host)
    guarded = bool(before and known and before["digest"] == known["digest"])
    counts = {kind: len(facts["access"].get(kind, {})) for kind in access.KINDS}
    return [{"host": host, "recorded": before["recorded"] if before else "", "guarded": guarded, "counts": counts}]
