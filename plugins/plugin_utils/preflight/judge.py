# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the facts of hosts say against a deploy. Pure."""

from __future__ import annotations

import calendar
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import certificate
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight import pending, pools
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight.finding import (
    ERROR,
    WARNING,
    Finding,
    Limits,
    accepted,
    numbers,
)

Facts = Mapping[str, Mapping[str, Any]]
_MB = 1_000_000
# The certificate of an ACME authority, which a deploy renews.
_ISSUED = "acme"
# Part -> how people call it, and what to do about it.
_PARTS = {
    "engine": ("Docker Engine", "ansible-playbook playbooks/engine_upgrade.yml upgrades it"),
    "compose": ("Docker Compose", "ansible-playbook playbooks/engine_upgrade.yml upgrades it"),
    "edge": ("HAProxy", "ansible-playbook playbooks/edge_upgrade.yml upgrades it"),
}


def findings(
    facts: Facts, limits: Limits, now: float, backup_hours: float = 0.0, of_database: Iterable[Finding] = ()
) -> list[Finding]:
    """``facts``: host -> what preflight_info said there; ``now``: the controller's time after the last answer.

    ``backup_hours``: how old the inventory lets the last backup be without making more than a warning of it; 0 asks for none.
    ``of_database``: see database_findings.
    """
    found = [one for host, said in facts.items() for one in _of_host(host, said, limits, now)]
    answers = [said for said in facts.values() if _answered(said)]
    found += _differing(facts)
    found += _backup(answers, limits, now, backup_hours)
    found += [one for host, said in facts.items() if _answered(said) for one in _alerts(host, said, limits)]
    return accepted([*found, *of_database], limits.accept)


def database_findings(
    config: Mapping[str, Any], said: Mapping[str, Any], hosts: Collection[str], at_once: Sequence[int]
) -> list[Finding]:
    """``config``: the checked configuration; ``said``: what the database said when it was asked whose it is; ``hosts``: all of
    the environment; ``at_once``: sizes of batches.
    """
    room, declared = said.get("connections") or {}, int((config.get("owner") or {}).get("connections") or 0)
    found = [*pools.findings(config.get("pools") or [], hosts, max(at_once, default=1), room, declared)]
    if config["stack"].get("migration") and not config.get("supabase"):
        found += pending.due(config, said.get("ledger") or []).findings()
    return found


def _answered(said: Mapping[str, Any]) -> bool:
    return "versions" in said and not said.get("failed")


def _of_host(host: str, said: Mapping[str, Any], limits: Limits, now: float) -> Iterator[Finding]:
    if not _answered(said):
        why = "could not be reached" if said.get("unreachable") else str(said.get("msg") or "gave no answer")
        mend = "Mend it, or leave the host out with --limit" if said.get("unreachable") else ""
        yield Finding(ERROR, "host", host, why, mend=mend)
        return
    yield from _clock(host, said, limits, now)
    yield from _memory(host, said, limits)
    for disk in said.get("disks") or []:
        yield from _disk(host, disk, limits)
    for name, pem in (said.get("certificates") or {}).items():
        yield from _certificate(host, name, pem, limits, now)
    for part, (called, mend) in _PARTS.items():
        yield from _version(host, called, said["versions"].get(part) or "", limits.versions.get(part) or "", mend)
    for name, why in (said.get("trouble") or {}).items():
        if name in _PARTS:
            yield Finding(ERROR, name, host, f"{_PARTS[name][0]} gave no answer: {why}", "an answer")
        else:
            yield Finding(WARNING, name, host, f"could not be read: {why}")


def _clock(host: str, said: Mapping[str, Any], limits: Limits, now: float) -> Iterator[Finding]:
    """The host answered between ``asked`` and ``now`` of the controller: what lies outside is wrong for certain."""
    there, asked = said.get("time"), float(said.get("asked") or 0)
    mend = "Have it synchronised on the host and on this machine: timedatectl set-ntp true"
    if there is not None and asked:
        behind, ahead = asked - there, there - now
        off = max(behind, ahead)
        if off > limits.clock_seconds:
            word = "behind" if behind > ahead else "ahead of"
            most = f"at most {limits.clock_seconds:g} s (preflight_clock_seconds)"
            yield Finding(ERROR, "clock", host, f"is at least {off:.1f} s {word} the controller's", most, mend)
    if said.get("synchronised") is False:
        yield Finding(WARNING, "clock", host, "the kernel says that nothing synchronises it", "a clock that is kept right", mend)


def _memory(host: str, said: Mapping[str, Any], limits: Limits) -> Iterator[Finding]:
    memory = said.get("memory") or {}
    if memory and memory["available"] < limits.memory_free_mb * _MB:
        seen = f"{_mb(memory['available'])} of {_mb(memory['total'])} are available"
        least = f"{limits.memory_free_mb:,} MB or more (preflight_memory_free_mb)"
        yield Finding(WARNING, "memory", host, seen, least, "See who uses it with: docker stats --no-stream")


def _disk(host: str, disk: Mapping[str, Any], limits: Limits) -> Iterator[Finding]:
    if disk["free"] < limits.disk_free_mb * _MB:
        seen = f"{disk['path']} has {_mb(disk['free'])} free of {_mb(disk['total'])}"
        least = f"{limits.disk_free_mb:,} MB or more (preflight_disk_free_mb)"
        yield Finding(
            ERROR, "disk", host, seen, least, f"See what takes the space with: docker system df; du -xsh {disk['path']}"
        )
    # Some file systems have no fixed number of them, and say 0.
    if disk["inodes"] and disk["inodes_free"] < limits.inodes_free:
        seen = f"{disk['path']} has {disk['inodes_free']:,} inodes free of {disk['inodes']:,}"
        least = f"{limits.inodes_free:,} or more (preflight_inodes_free)"
        yield Finding(
            ERROR, "disk", host, seen, least, f"See who has so many files with: du -x --inodes {disk['path']} | sort -n"
        )


def _certificate(host: str, name: str, pem: str, limits: Limits, now: float) -> Iterator[Finding]:
    try:
        ends = certificate.read(pem).expires
    except ValueError:
        yield Finding(WARNING, "certificate", host, f"{name}: cannot be read", "a certificate in PEM")
        return
    days = (ends - datetime.fromtimestamp(now, UTC)) / timedelta(days=1)
    if days >= limits.certificate_days:
        return
    seen = f"{name}: {'ended' if days <= 0 else 'ends'} on {ends:%Y-%m-%d}, " + (
        f"{-days:.0f} days ago" if days <= 0 else f"in {days:.1f} days"
    )
    renews = name == _ISSUED
    mend = "ansible-playbook playbooks/certificates.yml renews it" if renews else "Renew it, and run playbooks/provision.yml"
    least = f"{limits.certificate_days:g} days or more (preflight_certificate_days)"
    # What a deploy renews itself is no reason against one.
    yield Finding(ERROR if days <= 0 and not renews else WARNING, "certificate", host, seen, least, mend)


def _version(host: str, called: str, seen: str, least: str, mend: str) -> Iterator[Finding]:
    if not seen or not least:
        return
    if numbers(seen)[: len(numbers(least))] < numbers(least):
        part = {name: part for part, (name, _) in _PARTS.items()}[called]
        yield Finding(WARNING, part, host, f"{called} {seen}", f"{least} or newer (preflight_versions.{part})", mend)


def _differing(facts: Facts) -> Iterator[Finding]:
    """Hosts of one environment should have the same versions, or what one proves is not so on the others."""
    for part, (called, mend) in _PARTS.items():
        by_version: dict[str, list[str]] = {}
        for host, said in facts.items():
            version = str(said["versions"].get(part) or "") if _answered(said) else ""
            if version:
                by_version.setdefault(version, []).append(host)
        if len(by_version) > 1:
            seen = "; ".join(f"{version} on {', '.join(hosts)}" for version, hosts in sorted(by_version.items()))
            yield Finding(WARNING, part, "", f"{called} {seen}", "one version on all hosts", mend)


def _backup(answers: Sequence[Mapping[str, Any]], limits: Limits, now: float, hours: float) -> Iterator[Finding]:
    limit, level = (limits.backup_hours, ERROR) if limits.backup_hours else (hours, WARNING)
    if not limit or not answers:
        return
    known = [one for said in answers if (one := (said.get("backups") or {}).get("backup"))]
    youngest: Mapping[str, Any] = max(known, key=lambda one: str(one.get("at", "")), default={})
    at = str(youngest.get("at", ""))
    age = _hours(at, now)
    most = f"one of at most {limit:g} h ({'preflight_backup_hours' if level == ERROR else 'backup.max_age_hours'})"
    mend = "Make one: ansible-playbook playbooks/backup.yml"
    if age is None:
        yield Finding(level, "backup", "", "no host knows of a backup of the database", most, mend)
    elif age > limit:
        yield Finding(level, "backup", "", f"the last one is {age:.1f} h old ({youngest.get('name') or at})", most, mend)


def _hours(at: str, now: float) -> float | None:
    try:
        return max(0.0, now - calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ"))) / 3600
    except ValueError:
        return None


def _alerts(host: str, said: Mapping[str, Any], limits: Limits) -> Iterator[Finding]:
    for alert in said.get("alerts") or []:
        about = " ".join(filter(None, [alert["name"], f"on {alert['host']}" if alert.get("host") else ""]))
        summary = f": {alert['summary']}" if alert.get("summary") else ""
        refuses = alert["severity"] in limits.alert_severities
        mend = "Mend what it tells of, or silence it" + (
            ', or deploy with -e \'{"preflight_accept": ["alerts"]}\'' if refuses else ""
        )
        yield Finding(
            ERROR if refuses else WARNING, "alerts", host, f"{about} ({alert['severity']}) fires{summary}", "none", mend
        )


def _mb(size: float) -> str:
    return f"{size / _MB:,.0f} MB"
