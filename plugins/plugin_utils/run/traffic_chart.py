# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users asked at the edge of each host while it rolled, as a chart with every switch marked: part of a run's page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

# Steps that lead users from one replica to another, and what ends the old ones.
_SWITCHES = ("admit", "route", "drain", "stop", "unroute")
_WIDTH, _LEFT, _TOP, _HEIGHT = 1000, 60, 46, 110
# Words of marks that stand close together are written below each other.
_LINES, _LINE, _WORD = 3, 13, 110
NOTE = (
    "Answers of the stack to users in each second, those with 5xx in red. The line is the mean time to an answer of the slowest "
    "service over its last 1,024. Marks are steps at their end."
)


def charts(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """``hosts``: of a verdict."""
    drawn = [line for name, host in sorted(hosts.items()) for one in host.get("traffic") or [] for line in _chart(name, one)]
    return ["<h2>What users asked meanwhile</h2>", f'<p class="soft">{NOTE}</p>', *drawn] if drawn else []


def _chart(host: str, traffic: Mapping[str, Any]) -> list[str]:
    samples = [(0.0, 0, 0, 0), *((float(at), *rest) for at, *rest in traffic.get("samples") or [])]
    rates = [
        (begin[0], end[0], end[1] / (end[0] - begin[0]), end[2] / (end[0] - begin[0]), end[3])
        for begin, end in pairwise(samples)
        if end[0] > begin[0]
    ]
    if not any(answers for _, _, answers, _, _ in rates):
        return []
    x_scale = (_WIDTH - _LEFT) / rates[-1][1]
    most, slowest = max(rate[2] for rate in rates), max(rate[4] for rate in rates)
    y_scale, bottom = _HEIGHT / most, _TOP + _HEIGHT
    about = f"{sum(sample[1] for sample in samples):,} answers, {sum(sample[2] for sample in samples):,} with 5xx"
    parts = [
        f'<p><b>{escape(host)}</b> <span class="soft">{about}</span></p>',
        f'<svg viewBox="0 0 {_WIDTH} {bottom + 24}" role="img" aria-label="Answers to users by second on {escape(host)}">',
        f'<line class="axis" x1="{_LEFT}" y1="{bottom}" x2="{_WIDTH}" y2="{bottom}"/>',
        f'<text class="soft" x="0" y="{_TOP + 10}">{most:.0f}/s</text><text class="soft" x="0" y="{bottom}">0</text>',
        f'<text class="soft" x="0" y="{_TOP + 26}">{slowest} ms</text>',
        f'<text class="soft" x="{_LEFT}" y="{bottom + 18}">0 s</text>',
        f'<text class="soft" x="{_WIDTH}" y="{bottom + 18}" text-anchor="end">{rates[-1][1]:.0f} s</text>',
    ]
    for begin, end, answers, bad, milliseconds in rates:
        said = f"{begin:.0f} to {end:.0f} s: {answers:.0f}/s, {bad:.1f}/s with 5xx, {milliseconds} ms"
        where = (_LEFT + begin * x_scale, (end - begin) * x_scale)
        parts += [_bar("rate", *where, answers * y_scale, bottom, said)]
        parts += [_bar("bad5", *where, max(bad * y_scale, 2), bottom, said)] if bad else []
    line = " ".join(
        f"{_LEFT + (begin + end) / 2 * x_scale:.1f},{bottom - milliseconds * _HEIGHT / max(slowest, 1):.1f}"
        for begin, end, _, _, milliseconds in rates
    )
    return [*parts, f'<polyline class="time" points="{line}"/>', *_marks(traffic.get("steps") or [], x_scale), "</svg>"]


def _marks(steps: Sequence[Sequence[Any]], x_scale: float) -> Iterator[str]:
    free = [float("-inf")] * _LINES
    for at, step in steps:
        words = str(step)
        if words.partition(": ")[2].split(" ")[0] not in _SWITCHES and not words.endswith(" failed"):
            continue
        x = _LEFT + float(at) * x_scale
        place = f'x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{_TOP + _HEIGHT}"'
        yield f'<line class="mark" {place}><title>{escape(words)}</title></line>'
        number = next((number for number, end in enumerate(free) if end <= x), None)
        if number is not None:
            free[number] = x + _WORD
            end = ' text-anchor="end"' if x > _WIDTH - _WORD else ""
            yield f'<text class="soft" x="{x:.1f}" y="{(number + 1) * _LINE}"{end}>{escape(words)}</text>'


def _bar(colour: str, x: float, width: float, height: float, bottom: float, said: str) -> str:
    place = f'x="{x:.1f}" y="{bottom - height:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}"'
    return f'<rect class="{colour}" {place}><title>{escape(said)}</title></rect>'
