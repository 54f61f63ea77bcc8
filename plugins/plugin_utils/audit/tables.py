# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of an audit's report, whatever they are written in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEVELS = ("high", "medium", "low", "accepted", "passed")
LISTED = 8
_TRIED = (
    "Each connection was tried over TCP, by name and by address. One that fails proves something only where what must be "
    "reached was reached from the same place."
)
FINDINGS = (12, 24, 24, 18, 22)
PASSED = (14, 36, 30, 20)
BENCHMARK = (14, 86)
_BENCHMARK = "cis-"
# Heads of columns -> the rules that count.
_COUNTED = {
    "Logins": "account-login",
    "Keys": "account-key",
    "Rules of sudo": "account-sudo",
    "Programs with other rights": "file-setuid",
    "Files that root obeys": "file-autostart",
}


@dataclass(frozen=True)
class Mark:
    """A word that stands for a level and is coloured as it."""

    text: str
    level: str


@dataclass(frozen=True)
class Code:
    text: str


Cell = str | Mark | Code | Sequence["str | Code"]


@dataclass(frozen=True)
class Table:
    """``tight``: numbers of the columns that stay on one line."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    tight: Sequence[int] = (0,)
    level: int = 2
    # Of the columns, in per cent; as the content asks for when there are none.
    widths: Sequence[int] = ()


def proof(report: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether it is proved that nothing forbidden is reached, and a sentence that says it."""
    name = report["environment"]
    closed = [one for one in report["proofs"] if one["must"] == "fail"]
    reached = sorted({one["target"] for one in closed if one["result"] == "reached"})
    if reached:
        return False, f"{name} reaches what it must not: {', '.join(reached)}."
    targets = {one["address"] for one in closed}
    places = {(one["host"], one["from"]) for one in closed}
    if not closed:
        return False, f"Nothing shows that {name} cannot touch another environment: no connection was tried."
    silent = [one["host"] for one in report["hosts"] if not one["audited"]]
    if silent:
        return False, f"It is not proved that {name} cannot touch what it must not: {', '.join(silent)} could not be asked."
    if any(one["result"] == "void" for one in report["proofs"]) or any(one["id"] == "proof-void" for one in _bad(report)):
        return False, f"It is not proved that {name} cannot touch what it must not: not every attempt says something."
    tried = f"{len(targets)} targets were" if len(targets) > 1 else "1 target was"
    return True, (
        f"{name} cannot touch what it must not: {tried} tried from {len(places)} places (hosts, and inside their containers), "
        "and no connection was opened. What it must reach was reached from each of them."
    )


def tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """Proofs first, then findings by level, then what was seen."""
    yield from _proofs(report)
    yield Table("Findings", (), (), _findings_note(report))
    for level in ("high", "medium", "low", "accepted"):
        found = [one for one in report["findings"] if one["level"] == level]
        if found:
            rows: list[Sequence[Cell]] = [
                (Code(one["id"]), _list(one["where"]), one["seen"], one["required"], one["mend"]) for one in found
            ]
            yield Table(
                level.capitalize(), ("Finding", "Where", "Seen", "Required", "What to do"), rows, level=3, widths=FINDINGS
            )
    yield Table("Passed", ("Check", "Required", "Looked at", "Where"), _passed(report), level=3, widths=PASSED)
    benchmark = [one for one in report["findings"] if one["level"] == "passed" and one["id"].startswith(_BENCHMARK)]
    rows = [(Code(one["id"]), one["required"]) for one in benchmark]
    note = f"Items that nothing was found against; {benchmark[0]['seen']}." if benchmark else ""
    yield Table("Passed of the CIS Docker Benchmark", ("Item", "Required"), rows, note, level=3, widths=BENCHMARK)
    yield from _seen(report)


def _passed(report: Mapping[str, Any]) -> list[Sequence[Cell]]:
    """A row for each check of ours: what it looked at, and on which hosts."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in report["findings"]:
        if one["level"] == "passed" and not one["id"].startswith(_BENCHMARK):
            found.setdefault((one["id"], one["required"]), []).append(one)
    return [
        (Code(identity), required, "; ".join(dict.fromkeys(one["seen"] for one in all_)), ", ".join(_hosts(all_)) or "everywhere")
        for (identity, required), all_ in found.items()
    ]


def _hosts(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(where for one in findings for where in one["where"]))


def _proofs(report: Mapping[str, Any]) -> Iterator[Table]:
    """A table for each host: targets down, places across."""
    yield Table("Can it touch another environment?", (), (), _TRIED if report["proofs"] else proof(report)[1])
    for host in dict.fromkeys(one["host"] for one in report["proofs"]):
        here = [one for one in report["proofs"] if one["host"] == host]
        places = list(dict.fromkeys(one["from"] for one in here))
        rows = []
        for target, address, must in dict.fromkeys((one["target"], one["address"], one["must"]) for one in here):
            of = {one["from"]: one for one in here if (one["target"], one["address"], one["must"]) == (target, address, must)}
            cells = [_outcome(of[place]) if place in of else "-" for place in places]
            rows.append((target, Code(address), f"must {must}", *cells))
        yield Table(f"From {host}", ("Target", "Address", "Connection", *places), rows, tight=(2,), level=3)


def _outcome(one: Mapping[str, Any]) -> Mark:
    words = {"as required": ("✓", "passed"), "reached": ("✗ reached:", "high"), "void": ("✗ proves nothing:", "high")}
    sign, level = words[one["result"]]
    return Mark(f"{sign} {one['outcome']}", level)


def _findings_note(report: Mapping[str, Any]) -> str:
    return "" if _bad(report) else "Nothing was found."


def _bad(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in report["findings"] if one["level"] in ("high", "medium", "low")]


def _seen(report: Mapping[str, Any]) -> Iterator[Table]:
    origin = "the vault" if report["vault_opened"] else "the live release, because the vault was not opened"
    yield Table(
        "Secrets",
        ("Name", "Fingerprint", "Since", "Age in days", "May be", "Shared with"),
        [
            (
                Code(one["name"]),
                Code(one["fingerprint"] or "-"),
                one["since"] or "-",
                _number(one["age_days"]),
                str(one["maximum_days"]),
                Mark(", ".join(one["shared_with"]), "high")
                if one["shared_with"]
                else "nobody"
                if one["fingerprint"]
                else "unknown",
            )
            for one in report["secrets"]
        ],
        f"Names come from {origin}. Two environments that share a value have the same fingerprint.",
        (0, 1, 2),
    )
    yield Table(
        "Keys of each service",
        ("Service", "Key", "Source", "Replicas that run with it"),
        [(one["service"], Code(one["key"]), Code(one["source"]), one["replicas"]) for one in report["keys"]],
        "What the release gives a service, and how many of its running containers have it.",
    )
    yield Table(
        "Files",
        ("Host", "Path", "Holds", "Owner", "Mode", "Who can read"),
        [
            (one["host"], Code(one["path"]), one["kind"], one["owner"], Code(one["mode"]), ", ".join(one["readers"]))
            for one in report["files"]
        ],
        "Files that hold secrets, private keys or settings. Root, and whoever may become root (below), reads all of them.",
        (0, 3, 4),
    )
    yield Table(
        "Who can become root",
        ("Host", "Group docker", "sudo"),
        [(one["host"], ", ".join(one["docker"]) or "nobody", ", ".join(one["sudo"]) or "nobody") for one in report["accounts"]],
    )
    yield Table(
        "Baselines",
        ("Host", "Recorded", "Known to the repository", *_COUNTED),
        [
            (
                one["host"],
                one["recorded"] or Mark("never", "medium"),
                "yes" if one["guarded"] else Mark("no", "medium"),
                *(str(one["counts"][kind]) for kind in _COUNTED.values()),
            )
            for one in report["baselines"]
        ],
        "Who may get into each host and become root on it, as counted now; what is not as recorded is a finding.",
        (0, 1),
    )
    yield Table("Containers", *_containers(report), tight=(0, 1))
    yield Table(
        "Listening sockets",
        ("Host", "Port", "Address", "Who", "Allowed"),
        [
            (one["host"], Code(one["port"]), Code(one["address"]), one["who"], "yes" if one["allowed"] else Mark("no", "high"))
            for one in report["ports"]
        ],
    )
    yield Table(
        "Certificates",
        ("Host", "Site", "Subject", "Names", "Expires", "Protocols"),
        [
            (
                one["host"],
                one["site"],
                one["subject"],
                _list(one["names"], code=False),
                one["expires"],
                [f"{version} {answer}" for version, answer in one["protocols"].items()],
            )
            for one in report["certificates"]
        ],
        tight=(0, 4, 5),
    )
    yield Table(
        "Hosts",
        ("Host", "Audited", "Claimed for", "Since", "Live release", "Containers"),
        [
            (
                one["host"],
                "yes" if one["audited"] else Mark("no", "high"),
                one["claimed_for"] or "-",
                one["since"] or "-",
                one["release"] or "-",
                str(one["containers"]),
            )
            for one in report["hosts"]
        ],
        f"The inventory declares the database project {report['project']}." if report["project"] else "",
    )


def _containers(report: Mapping[str, Any]) -> tuple[Sequence[str], list[Sequence[Cell]]]:
    heads = ("Host", "Container", "State", "User", "Root file system", "Capabilities", "Networks", "Findings (CIS)", "Accepted")
    rows: list[Sequence[Cell]] = [
        (
            one["host"],
            Code(one["name"]),
            one["state"],
            one["user"],
            "read-only" if one["read_only"] else "writable",
            Mark("privileged", "high") if one["privileged"] else one["capabilities"],
            ", ".join(one["networks"]) or "-",
            ", ".join(one["items"]) or "none",
            ", ".join(one["accepted"]) or "-",
        )
        for one in report["containers"]
    ]
    return heads, rows


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _list(where: Sequence[str], *, code: bool = True) -> Sequence[str | Code]:
    shown: list[str | Code] = [Code(one) if code else one for one in where[:LISTED]]
    return [*shown, f"and {len(where) - LISTED} more"] if len(where) > LISTED else shown
