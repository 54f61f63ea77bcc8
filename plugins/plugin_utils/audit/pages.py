# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The report of an audit as an auditor files it: one page of HTML without scripts or other files, Markdown, and a summary for the
screen. Pure; knows the report's shape (report.py) and no host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

LEVELS = ("high", "medium", "low", "accepted", "passed")
LISTED = 8
WORST = 10
_LIMITS = (
    "TCP connections were tried, no UDP. The environment's credentials were not tried against another environment's "
    "database, which would have to be reachable first. What an application does with what it may reach is not looked at. No "
    "value of a secret stands in this report; of a fingerprint it shows the first 8 digits."
)
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
}
# Longer words may break wherever they must.
_UNBROKEN = 32
_STYLE = """
:root{color-scheme:light dark;--ink:#1a1f29;--soft:#5b6472;--line:#d9dde3;--paper:#fff;--wash:#f5f6f8;
--high:#b3261e;--medium:#9a5b00;--low:#275da8;--accepted:#6b4fa0;--passed:#1d6b3a}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa4b2;--line:#343b46;--paper:#14171c;--wash:#1c2027;
--high:#ff8a80;--medium:#f2b45c;--low:#8ab4f8;--accepted:#c5aef5;--passed:#7fd6a0}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 32px 64px}
h1{font-size:30px;line-height:1.2;margin:0}
h2{font-size:20px;margin:44px 0 8px;padding-top:20px;border-top:1px solid var(--line)}
h3{font-size:16px;margin:24px 0 6px}
p{margin:6px 0;max-width:80ch}
.meta{color:var(--soft);margin:6px 0 24px}
.verdict{border-left:6px solid var(--mark);background:var(--wash);padding:14px 20px;margin:20px 0}
.verdict strong{font-size:19px;color:var(--mark)}
.counts{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0 0;padding:0;list-style:none}
.counts li{flex:1 1 120px;border:1px solid var(--line);border-top:4px solid var(--mark);padding:8px 14px}
.counts b{display:block;font-size:26px;line-height:1.2}
.counts span{color:var(--soft)}
table{width:100%;border-collapse:collapse;margin:10px 0 4px;font-size:13.5px}
th{text-align:left;color:var(--soft);font-weight:600;border-bottom:2px solid var(--line);padding:6px 14px 6px 0}
td{border-bottom:1px solid var(--line);padding:7px 14px 7px 0;vertical-align:top;overflow-wrap:anywhere}
td.tight,th.tight,span.tight{white-space:nowrap;overflow-wrap:normal}
code{font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
ul.plain{list-style:none;margin:0;padding:0}
.mark{color:var(--mark);font-weight:600;white-space:nowrap}
.soft{color:var(--soft)}
.high{--mark:var(--high)}.medium{--mark:var(--medium)}.low{--mark:var(--low)}
.accepted{--mark:var(--accepted)}.passed{--mark:var(--passed)}
footer{margin-top:48px;padding-top:14px;border-top:1px solid var(--line);color:var(--soft);font-size:13px}
@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;--wash:#f3f3f3;
--high:#a31515;--medium:#7a4800;--low:#1d4f96;--accepted:#57408a;--passed:#155a2f}
main{max-width:none;padding:0}body{font-size:11pt}table{font-size:9pt}tr,.verdict,.counts{break-inside:avoid}h2,h3{break-after:avoid}
@page{margin:16mm}}
"""


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


def html(report: Mapping[str, Any]) -> str:
    title = f"Audit of {report['environment']}"
    level = "high" if report["verdict"] == "failed" else "passed"
    counts = "".join(f'<li class="{one}"><b>{report["counts"][one]}</b><span>{one}</span></li>' for one in LEVELS)
    proved, words = proof(report)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
        f'<h1>{escape(title)}</h1><p class="meta">{escape(_meta(report))}</p>',
        f'<div class="verdict {level}"><strong>{escape(verdict(report))}</strong>',
        f'<p class="{"passed" if proved else "high"}">{escape(words)}</p></div>',
        f'<ul class="counts">{counts}</ul>',
        *(_html_table(table) for table in tables(report)),
        f"<footer><p>{escape(_LIMITS)}</p><p>Written by playbooks/audit.yml of morpheus.deploy.</p></footer>",
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def markdown(report: Mapping[str, Any]) -> str:
    lines = [f"# Audit of {report['environment']}", "", _meta(report), "", f"**{verdict(report)}**", "", proof(report)[1], ""]
    lines += [f"| {' | '.join(LEVELS)} |", f"|{'--:|' * len(LEVELS)}"]
    lines += [f"| {' | '.join(str(report['counts'][level]) for level in LEVELS)} |", ""]
    for table in tables(report):
        lines += [f"{'#' * table.level} {table.title}", ""]
        lines += [table.note, ""] if table.note else []
        if table.rows:
            lines += [f"| {' | '.join(table.heads)} |", f"|{'---|' * len(table.heads)}"]
            lines += [f"| {' | '.join(_markdown_cell(cell) for cell in row)} |" for row in table.rows]
            lines.append("")
    return "\n".join([*lines, _LIMITS, ""])


def summary(report: Mapping[str, Any], paths: Iterable[str]) -> list[str]:
    """What the screen shows: the verdict, the worst findings, and where all of it stands."""
    counts = ", ".join(f"{report['counts'][level]} {level}" for level in LEVELS)
    lines = [f"AUDIT of {report['environment']}: {verdict(report)}", f"  {counts}", f"  {proof(report)[1]}"]
    worst = [one for one in report["findings"] if one["level"] in ("high", "medium")]
    for one in worst[:WORST]:
        where = f" {_few(one['where'], 3)}:" if one["where"] else ""
        lines.append(f"  {one['level'].upper():6}  {one['id']}{where} {one['seen']}")
    if len(worst) > WORST:
        lines.append(f"          and {len(worst) - WORST} more of level high or medium")
    return [*lines, f"  {' '.join(paths)}"]


def verdict(report: Mapping[str, Any]) -> str:
    high = report["counts"]["high"]
    if high:
        return f"Failed: {high} finding{'s' if high != 1 else ''} of level high"
    return "Passed: no finding of level high"


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


def _meta(report: Mapping[str, Any]) -> str:
    hosts = ", ".join(one["host"] for one in report["hosts"])
    return f"Stack {report['stack']} on {hosts}. {report['date'].replace('T', ' ').replace('Z', ' UTC')}."


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _few(where: Sequence[str], count: int) -> str:
    more = f" and {len(where) - count} more" if len(where) > count else ""
    return ", ".join(where[:count]) + more


def _list(where: Sequence[str], *, code: bool = True) -> Sequence[str | Code]:
    shown: list[str | Code] = [Code(one) if code else one for one in where[:LISTED]]
    return [*shown, f"and {len(where) - LISTED} more"] if len(where) > LISTED else shown


def _html_table(table: Table) -> str:
    tight = dict.fromkeys(table.tight, ' class="tight"')
    heads = "".join(f"<th{tight.get(number, '')}>{escape(head)}</th>" for number, head in enumerate(table.heads))
    body = "\n".join(
        "<tr>" + "".join(f"<td{tight.get(number, '')}>{_html_cell(cell)}</td>" for number, cell in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    levels = [level for level in LEVELS if level == table.title.lower()]
    title = f'<span class="mark {levels[0]}">{escape(table.title)}</span>' if levels else escape(table.title)
    columns = "".join(f'<col style="width:{width}%">' for width in table.widths)
    head = f"<h{table.level}>{title}</h{table.level}>" + (f"<p>{escape(table.note)}</p>" if table.note else "")
    return head + (f"<table>{columns}<thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table>" if table.rows else "")


def _html_cell(cell: Cell) -> str:
    if isinstance(cell, Mark):
        return f'<span class="mark {cell.level}">{escape(cell.text)}</span>'
    if isinstance(cell, Code):
        return f"<code>{_whole_words(cell.text)}</code>"
    if isinstance(cell, str):
        return _whole_words(cell)
    return '<ul class="plain">' + "".join(f"<li>{_html_cell(one)}</li>" for one in cell) + "</ul>"


def _whole_words(text: str) -> str:
    """Names of hosts and containers are not broken at their hyphens."""
    return " ".join(
        f'<span class="tight">{escape(word)}</span>' if "-" in word and len(word) <= _UNBROKEN else escape(word)
        for word in text.split(" ")
    )


def _markdown_cell(cell: Cell) -> str:
    if isinstance(cell, Mark):
        return f"**{_plain(cell.text)}**"
    if isinstance(cell, Code):
        # A code span shows no escapes, and a bar would still end the cell.
        return f"`{cell.text.replace('`', ' ').replace('|', ' ')}`" if cell.text else ""
    if isinstance(cell, str):
        return _plain(cell)
    return "<br>".join(_markdown_cell(one) for one in cell)


def _plain(text: str) -> str:
    for sign in "\\|<>*_`[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
