# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The costs of an environment as one page of HTML, without anything from elsewhere: a chart of its days, and tables. Pure."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.costs import DIMENSIONS
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.costs_table import (
    cap_row,
    environment_row,
    money,
    supabase_row,
)

# One colour for each of so many endpoints; the others share the last one.
_COLOURS = 5
_WIDTH, _HEIGHT, _LEFT, _TOP = 1000, 260, 70, 16
# What the number of a day and a name of the legend need.
_DAY_WIDTH, _NAME_WIDTH = 26, 180
# Of a column whose cells are all so.
_NUMBERS = frozenset("0123456789.")
_STYLE = """
:root{color-scheme:light dark;--ink:#1a1f29;--soft:#5b6472;--line:#d9dde3;--paper:#fff;--wash:#f5f6f8;--bad:#b3261e;
--c0:#275da8;--c1:#9a5b00;--c2:#1d6b3a;--c3:#6b4fa0;--c4:#7a8699}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa4b2;--line:#343b46;--paper:#14171c;--wash:#1c2027;--bad:#ff8a80;
--c0:#8ab4f8;--c1:#f2b45c;--c2:#7fd6a0;--c3:#c5aef5;--c4:#9aa4b2}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 32px 64px}
h1{font-size:28px;line-height:1.2;margin:0}h2{font-size:19px;margin:36px 0 8px}
.meta,.soft{color:var(--soft)}.bad{color:var(--bad)}
pre{background:var(--wash);border-left:5px solid var(--bad);padding:12px 16px;white-space:pre-wrap;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse;font-size:13.5px}
th{text-align:left;color:var(--soft);border-bottom:2px solid var(--line);padding:6px 14px 6px 0}
td{border-bottom:1px solid var(--line);padding:6px 14px 6px 0;vertical-align:top;overflow-wrap:anywhere}
.number{width:11em;text-align:right;padding-right:28px;font-variant-numeric:tabular-nums}
svg{width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:var(--ink)}svg .soft{fill:var(--soft)}
svg line{stroke:var(--line)}svg line.cap{stroke:var(--bad);stroke-dasharray:6 4}
svg text.cap{fill:var(--bad);paint-order:stroke;stroke:var(--paper);stroke-width:4px}
.c0{fill:var(--c0)}.c1{fill:var(--c1)}.c2{fill:var(--c2)}.c3{fill:var(--c3)}.c4{fill:var(--c4)}
"""
_USED = ("requests", "money")


def html(report: Mapping[str, Any]) -> str:
    title = f"Costs of {report['environment']} in {report['month']}"
    ml, supabase = report["ml"], report["supabase"]
    about = f"{report['at']} · in {report['currency']} · {money(report['own']['forecast'])} at the end of the month"
    caps = [cap_row(cap) for cap in ml["caps"]] if ml else []
    days = [(one["day"], *_amounts(one)) for one in ml["days"]] if ml else []
    items = [supabase_row(one) for one in supabase["items"]]
    environments = [environment_row(one) for one in (report["own"], *report["others"])] if report.get("others") else []
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
        f'<h1>{escape(title)}</h1><p class="meta">{escape(about)}</p>',
        *([f"<pre>{escape(report['problem'])}</pre>"] if report["problem"] else []),
        *(_chart(ml) if ml and days else []),
        *_section("Caps", ("cap", "used", "of", "share", "forecast"), caps),
        *(part for dimension in DIMENSIONS for part in _by(dimension, ml)),
        *_section("Days", ("day", *_USED), days),
        *_section("Supabase", ("name", "kind", "hours", "price an hour", "money", "at the end of the month"), items),
        *_section("Environments", ("environment", "requests", "ML", "Supabase", "forecast", "read"), environments),
        '<p class="soft">Written by playbooks/costs.yml of morpheus.deploy. Days and months are those of UTC.</p>',
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _amounts(one: Mapping[str, Any]) -> tuple[str, str]:
    return str(one["requests"]), money(one["money"])


def _by(dimension: str, ml: Mapping[str, Any] | None) -> list[str]:
    rows = [(one["name"], *_amounts(one)) for one in ml["by"][dimension]] if ml else []
    return _section(f"This month by {dimension}", (dimension, *_USED), rows)


def _section(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    # The first column names what the others are of.
    kinds = ["", *(' class="number"' if all({*row[one]} <= _NUMBERS for row in rows) else "" for one in range(1, len(heads)))]
    body = [
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    ]
    head = "".join(f"<th{kind}>{escape(one)}</th>" for kind, one in zip(kinds, heads, strict=True))
    return [f"<h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead><tbody>", *body, "</tbody></table>"] if body else []


def _chart(ml: Mapping[str, Any]) -> list[str]:
    """A bar for each day, of what each endpoint cost, and the cap of a day across them."""
    days = _without_gaps([one["day"] for one in ml["days"]])
    endpoints = [one["name"] for one in _whole(ml["calls"])]
    cap = next((one["limit"] for one in ml["caps"] if one["cap"] == "money_per_day"), 0.0)
    top = max([one["money"] for one in ml["days"]] + [cap]) or 1.0
    step, scale = (_WIDTH - _LEFT) / len(days), _HEIGHT / top
    drawn = []
    for share in (0.0, 0.5, 1.0):
        y = _TOP + _HEIGHT * (1 - share)
        drawn.append(f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text class="soft" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{money(top * share)}</text>')
    for number, day in enumerate(days):
        x, y = _LEFT + number * step + step * 0.15, float(_TOP + _HEIGHT)
        for endpoint in endpoints:
            spent = sum(call["money"] for call in ml["calls"] if (call["day"], call["endpoint"]) == (day, endpoint))
            if spent:
                y -= spent * scale
                said = escape(f"{day} {endpoint}: {money(spent)}")
                where = f'x="{x:.1f}" y="{y:.1f}" width="{step * 0.7:.1f}" height="{max(spent * scale, 1.0):.1f}"'
                drawn.append(f'<rect class="{_colour(endpoints, endpoint)}" {where}><title>{said}</title></rect>')
    drawn += _below(days, step)
    if cap:
        y = _TOP + _HEIGHT - cap * scale
        drawn.append(f'<line class="cap" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text class="cap" x="{_WIDTH}" y="{y - 6:.1f}" text-anchor="end">money_per_day {money(cap)}</text>')
    bottom = _TOP + _HEIGHT + 46
    shown = [*endpoints[: _COLOURS - 1], *(["others"] if len(endpoints) > _COLOURS else endpoints[_COLOURS - 1 : _COLOURS])]
    for number, name in enumerate(shown):
        x = _LEFT + _NAME_WIDTH * number
        drawn.append(f'<rect class="c{number}" x="{x}" y="{bottom}" width="12" height="12"/>')
        drawn.append(f'<text x="{x + 18}" y="{bottom + 11}">{escape(name)}</text>')
    picture = f'<svg viewBox="0 0 {_WIDTH} {bottom + 20}" role="img" aria-label="Money by day and endpoint">'
    return ["<h2>Money by day</h2>", picture, *drawn, "</svg>"]


def _without_gaps(days: Sequence[str]) -> list[str]:
    """A day without a call has its place, too, so that equal times are equally wide."""
    first, last = (datetime.date.fromisoformat(day) for day in (days[0], days[-1]))
    return [(first + datetime.timedelta(number)).isoformat() for number in range((last - first).days + 1)]


def _below(days: Sequence[str], step: float) -> Iterator[str]:
    """The numbers of as many days as have room, and each month under its first one."""
    every = math.ceil(_DAY_WIDTH / step)
    said = ""
    for number, day in list(enumerate(days))[::every]:
        x, y = _LEFT + (number + 0.5) * step, _TOP + _HEIGHT + 16
        yield f'<text class="soft" x="{x:.1f}" y="{y}" text-anchor="middle">{escape(day[8:])}</text>'
        if day[:7] != said:
            said = day[:7]
            yield f'<text class="soft" x="{x - 8:.1f}" y="{y + 16}">{escape(said)}</text>'


def _whole(calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Endpoints of all days, what cost most first, so that each keeps its colour."""
    names = {str(call["endpoint"]) for call in calls}
    found = [{"name": name, "money": sum(call["money"] for call in calls if call["endpoint"] == name)} for name in names]
    return sorted(found, key=lambda one: (-one["money"], one["name"]))


def _colour(endpoints: Sequence[str], endpoint: str) -> str:
    return f"c{min(endpoints.index(endpoint), _COLOURS - 1)}"
