# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run as one page of HTML, without anything from elsewhere: its word, where the time went, gates, changes. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import utc
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import traffic_chart

# Kinds of steps in the order in which a rollout takes them; what lead back comes after them.
_STEPS = (
    "pin",
    "sweep",
    "run",
    "start",
    "gate",
    "admit",
    "route",
    "drain",
    "watch",
    "await",
    "stop",
    "remove",
    "unroute",
    "pause",
    "check",
)
# One colour for each part of a rollout.
_COLOURS = {
    **dict.fromkeys(("start", "run", "pin", "sweep"), "begin"),
    **dict.fromkeys(("gate", "check"), "gate"),
    **dict.fromkeys(("admit", "route", "drain", "unroute"), "turn"),
    **dict.fromkeys(("watch", "pause"), "watch"),
    **dict.fromkeys(("await", "stop", "remove"), "end"),
}
_LEGEND = {
    "begin": "start candidates",
    "gate": "gate",
    "turn": "lead users over",
    "watch": "watch, pause",
    "end": "end the old ones",
    "back": "lead back; failed",
}
_WIDTH, _ROW, _LEFT = 1000, 26, 220
_STYLE = """
:root{color-scheme:light dark;--ink:#1a1f29;--soft:#5b6472;--line:#d9dde3;--paper:#fff;--wash:#f5f6f8;
--good:#1d6b3a;--bad:#b3261e;--begin:#7a8699;--gate:#275da8;--turn:#9a5b00;--watch:#6b4fa0;--end:#1d6b3a;--back:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa4b2;--line:#343b46;--paper:#14171c;--wash:#1c2027;
--good:#7fd6a0;--bad:#ff8a80;--begin:#9aa4b2;--gate:#8ab4f8;--turn:#f2b45c;--watch:#c5aef5;--end:#7fd6a0;--back:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 32px 64px}
h1{font-size:28px;line-height:1.2;margin:0}h2{font-size:19px;margin:36px 0 8px}
.meta,.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}
pre{background:var(--wash);border-left:5px solid var(--line);padding:12px 16px;white-space:pre-wrap;overflow-wrap:anywhere}
pre.why{border-color:var(--bad)}
pre,code,td.code{font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
table{width:100%;border-collapse:collapse;font-size:13.5px}
th{text-align:left;color:var(--soft);border-bottom:2px solid var(--line);padding:6px 14px 6px 0}
td{border-bottom:1px solid var(--line);padding:6px 14px 6px 0;vertical-align:top;overflow-wrap:anywhere}
svg{width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:var(--ink)}svg .soft{fill:var(--soft)}
.begin{fill:var(--begin)}.gate{fill:var(--gate)}.turn{fill:var(--turn)}.watch{fill:var(--watch)}.end{fill:var(--end)}
.back{fill:var(--back)}
.rate{fill:var(--gate);opacity:.35}.bad5{fill:var(--bad)}.time{fill:none;stroke:var(--turn);stroke-width:1.5}
.mark{stroke:var(--soft);stroke-dasharray:2 3}.axis{stroke:var(--line)}
"""


def html(verdict: Mapping[str, Any]) -> str:
    """``verdict``: of a run that deploys, masked."""
    word, hosts = str(verdict["verdict"]), verdict.get("hosts") or {}
    lease = verdict.get("lease") or {}
    title = f"{verdict['environment'] or 'A run'}: {word} {verdict.get('release') or ''}".rstrip()
    was = f", was {verdict['previous']}" if verdict.get("previous") not in (None, "", verdict.get("release")) else ""
    about = [f"{verdict.get('playbook') or 'a playbook'}{was}", utc(float(verdict["started"])), f"{verdict['seconds']:g} s"]
    about += [str(lease["owner"])] if lease.get("owner") else []
    why = "\n".join([*verdict["messages"], *(verdict.get("mend") or [])])
    told = "\n".join([*(verdict.get("notes") or []), *(verdict.get("notices") or [])])
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
        f'<h1 class="{"bad" if verdict["failed"] else "good"}">{escape(title)}</h1>',
        f'<p class="meta">{escape(" · ".join(about))}</p>',
        *([f'<pre class="why">{escape(why)}</pre>'] if why else []),
        *([f"<pre>{escape(told)}</pre>"] if told else []),
        *_section("Stacks", ("stack", "verdict", "release"), _stacks(verdict.get("stacks") or {})),
        *_section("Hosts", ("host", "runs", "drained", "cut", "answered with 5xx", "interrupted"), _hosts(hosts)),
        *_timeline(hosts),
        *traffic_chart.charts(hosts),
        *_section("Seconds by kind of step", ("host", *_kinds(hosts)), _seconds(hosts)),
        *_section("Gates", ("host", "replica", "step", "passed", "attempts", "failed", "seconds", "last answer"), _gates(hosts)),
        *_section("Steps", ("host", "step"), _steps(hosts)),
        '<p class="soft">Written by morpheus.deploy; verdict.json beside this directory has all of the last run.</p>',
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def file_name(verdict: Mapping[str, Any]) -> str:
    """By its beginning, so that files are in the order of time."""
    return time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(float(verdict["started"]))) + f"-{verdict['verdict']}.html"


def _section(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    return [f"<h2>{title}</h2><table><thead><tr>{head}</tr></thead><tbody>", *body, "</tbody></table>"] if body else []


def _stacks(stacks: Mapping[str, Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    yield from ((name, str(one["verdict"]), str(one.get("release") or "")) for name, one in stacks.items())


def _hosts(hosts: Mapping[str, Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    for name, host in sorted(hosts.items()):
        runs = "more than one release" if host["mixed"] else "unknown" if host["lost"] else str(host["release"] or "-")
        interrupted = ", ".join(f"{service} ({why})" for service, why in sorted(host["interrupted"].items()))
        yield (name, runs, str(host["drained"]), str(host["cut"]), str(host["errors"]), interrupted or "-")


def _gates(hosts: Mapping[str, Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    for name, host in sorted(hosts.items()):
        for gate in host["gates"]:
            passed = "yes" if gate.get("healthy") else "cut short" if gate.get("cut_short") else "no"
            last = str(gate.get("violation") or gate.get("last") or "")
            counts = (str(gate.get(key, "-")) for key in ("attempts", "failures", "seconds"))
            yield (name, str(gate.get("name") or gate["service"]), _kind(gate), passed, *counts, last)


def _kind(gate: Mapping[str, Any]) -> str:
    """Of the step that asked."""
    return str(gate.get("step") or "gate")


def _kinds(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Of steps, as rollouts take them, what lead back last."""
    return [kind for kind, _ in sorted({kind: 0.0 for host in hosts.values() for kind in host["seconds"]}.items(), key=_order)]


def _seconds(hosts: Mapping[str, Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    for name, host in sorted(hosts.items()):
        if host["seconds"]:
            yield (name, *(f"{host['seconds'][kind]:g}" if kind in host["seconds"] else "-" for kind in _kinds(hosts)))


def _steps(hosts: Mapping[str, Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    yield from ((name, str(step)) for name, host in sorted(hosts.items()) for step in host["plan"])


def _timeline(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A bar for each host, of what its rollout spent on each kind of step, and below it one for the gate of each replica, another
    for its watch, and one for the check through the edge.
    """
    rows = [(name, host) for name, host in sorted(hosts.items()) if host["seconds"]]
    longest = max((sum(host["seconds"].values()) for _, host in rows), default=0.0)
    if not longest:
        return []
    scale, y, drawn = (_WIDTH - _LEFT) / longest, 0, []
    for name, host in rows:
        spent = host["seconds"]
        drawn.append(f'<text x="0" y="{y + 16}">{escape(name)} <tspan class="soft">{sum(spent.values()):.1f} s</tspan></text>')
        x = float(_LEFT)
        for kind, seconds in sorted(spent.items(), key=_order):
            drawn.append(_bar(x, y, seconds * scale, _colour(kind), f"{name}: {kind} {seconds:g} s"))
            x += seconds * scale
        y += _ROW
        for gate in host["gates"]:
            kind = _kind(gate)
            # With its kind of step in the bar above.
            begun = _LEFT + scale * sum(of for one, of in spent.items() if _order((one, of)) < _order((kind, 0.0)))
            replica, seconds = str(gate.get("name") or gate["service"]), float(gate.get("seconds") or 0.0)
            said = f"{replica}: {kind}, {gate.get('attempts', 0)} attempts in {seconds:g} s"
            drawn.append(f'<text class="soft" x="16" y="{y + 16}">{escape(f"{replica} {kind}")}</text>')
            colour = _colour(kind) if gate.get("healthy") else "back"
            drawn.append(_bar(begun, y + 5, min(seconds * scale, _WIDTH - begun), colour, said, height=8))
            y += _ROW - 4
        y += 6
    legend = "".join(
        f'<rect class="{colour}" x="{_LEFT + 130 * number}" y="{y + 4}" width="12" height="12"/>'
        f'<text x="{_LEFT + 130 * number + 18}" y="{y + 15}">{words}</text>'
        for number, (colour, words) in enumerate(_LEGEND.items())
    )
    note = "Seconds by kind of step; of services side by side the longest counts. Below each host the gates of its replicas."
    picture = f'<svg viewBox="0 0 {_WIDTH} {y + 24}" role="img" aria-label="Where the time went">'
    return [f'<h2>Where the time went</h2><p class="soft">{note}</p>', picture, *drawn, legend, "</svg>"]


def _bar(x: float, y: float, width: float, colour: str, said: str, height: int = 18) -> str:
    where = f'x="{x:.1f}" y="{y + 2:g}" width="{max(width, 1.0):.1f}" height="{height}"'
    return f'<rect class="{colour}" {where}><title>{escape(said)}</title></rect>'


def _colour(kind: str) -> str:
    return "back" if kind.startswith("back ") else _COLOURS.get(kind, "begin")


def _order(one: tuple[str, float]) -> tuple[bool, int]:
    kind = one[0].removeprefix("back ")
    return one[0].startswith("back "), _STEPS.index(kind) if kind in _STEPS else len(_STEPS)
