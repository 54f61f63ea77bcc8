# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of an audit as an auditor files it: one page of HTML without scripts or other files, Markdown, and a summary for the
screen. Pure; knows the report's shape (report.py) and no host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.tables import LEVELS, Cell, Code, Mark, proof, tables

WORST = 10
LIMITS = (
    "TCP connections were tried, no UDP. The environment's credentials were not tried against another environment's "
    "database, which would have to be reachable first. What an application does with what it may reach is not looked at. No "
    "value of a secret stands in this report; of a fingerprint it shows the first 8 digits."
)


def markdown(report: Mapping[str, Any]) -> str:
    lines = [f"# Audit of {report['environment']}", "", meta(report), "", f"**{verdict(report)}**", "", proof(report)[1], ""]
    lines += [f"| {' | '.join(LEVELS)} |", f"|{'--:|' * len(LEVELS)}"]
    lines += [f"| {' | '.join(str(report['counts'][level]) for level in LEVELS)} |", ""]
    for table in tables(report):
        lines += [f"{'#' * table.level} {table.title}", ""]
        lines += [table.note, ""] if table.note else []
        if table.rows:
            lines += [f"| {' | '.join(table.heads)} |", f"|{'---|' * len(table.heads)}"]
            lines += [f"| {' | '.join(_markdown_cell(cell) for cell in row)} |" for row in table.rows]
            lines.append("")
    return "\n".join([*lines, LIMITS, ""])


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


def meta(report: Mapping[str, Any]) -> str:
    hosts = ", ".join(one["host"] for one in report["hosts"])
    return f"Stack {report['stack']} on {hosts}. {report['date'].replace('T', ' ').replace('Z', ' UTC')}."


def _few(where: Sequence[str], count: int) -> str:
    more = f" and {len(where) - count} more" if len(where) > count else ""
    return ", ".join(where[:count]) + more


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
