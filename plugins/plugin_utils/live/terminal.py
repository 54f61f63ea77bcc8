# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a terminal that is drawn again and again, and the box around a verdict. The only place that needs ``rich``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.view import Row, View, folded
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_STATES = {
    "done": "green",
    "failed": "bold red",
    "at work": "bold",
    "gate": "yellow",
    "draining": "cyan",
    "stopping": "dim",
    "waiting": "dim",
}
_VERDICTS = {"deployed": "green", "unchanged": "green", "done": "green", "checked": "green", "rolled_back": "yellow"}


def console(*, colours: bool, **more: Any) -> Console:
    # None: as the terminal and NO_COLOR say.
    return Console(no_color=None if colours else True, highlight=False, markup=False, emoji=False, **more)


def drawing(heads: Sequence[tuple[str, str]], rows: Sequence[Row]) -> Group:
    """Of a View."""
    lines: list[Any] = []
    for number, (left, right) in enumerate(heads):
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_row(Text(left, style="bold" if number < 2 else ""), Text(right, style="dim"))
        lines.append(grid)
    if rows:
        lines.append(_table(rows))
    return Group(*lines)


def _table(rows: Sequence[Row]) -> Table:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", min_width=12, max_width=34)
    table.add_column(no_wrap=True, min_width=8)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        table.add_row(Text(row.name), Text(row.state, style=_STATES.get(row.state, "")), Text(row.detail))
    return table


def boxed(lines: Sequence[str], width: int) -> tuple[Panel, list[str]]:
    """The verdict in a box, and what stands below it as it is, because a command that is wrapped cannot be copied."""
    shown = folded(lines)
    fits = next((number for number, line in enumerate(shown) if number and len(line) > width - 4), len(shown))
    word = shown[0].partition(":")[0].split()[-1] if shown else ""
    inside = Text("\n".join(shown[:fits]))
    inside.stylize("bold", 0, len(shown[0]) if shown else 0)
    return Panel(inside, border_style=_VERDICTS.get(word.lower(), "red")), shown[fits:]


class Region:
    """Everything else that is printed meanwhile comes above it."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._live: Live | None = None
        self._drawn: Any = None

    def draw(self, view: View, now: float) -> None:
        what = view.heads(now), view.rows(now)
        if self._live and what == self._drawn:
            return
        self._drawn = what
        if not self._live:
            self._live = Live(console=self._screen, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(drawing(*what), refresh=True)

    def stop(self) -> None:
        """Nothing of it stays. It may be drawn again."""
        live, self._live = self._live, None
        if live:
            live.stop()

    def verdict(self, lines: Sequence[str]) -> None:
        self.stop()
        box, below = boxed(lines, self._screen.width)
        self._screen.print(box)
        for line in below:
            self._screen.print(Text(line), soft_wrap=True)
