# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit's report as one page of HTML, without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.pages import LIMITS, meta, verdict
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.tables import LEVELS, Cell, Code, Mark, Table, proof, tables

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


def html(report: Mapping[str, Any]) -> str:
    title = f"Audit of {report['environment']}"
    level = "high" if report["verdict"] == "failed" else "passed"
    counts = "".join(f'<li class="{one}"><b>{report["counts"][one]}</b><span>{one}</span></li>' for one in LEVELS)
    proved, words = proof(report)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
        f'<h1>{escape(title)}</h1><p class="meta">{escape(meta(report))}</p>',
        f'<div class="verdict {level}"><strong>{escape(verdict(report))}</strong>',
        f'<p class="{"passed" if proved else "high"}">{escape(words)}</p></div>',
        f'<ul class="counts">{counts}</ul>',
        *(_html_table(table) for table in tables(report)),
        f"<footer><p>{escape(LIMITS)}</p><p>Written by playbooks/audit.yml of morpheus.deploy.</p></footer>",
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


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
