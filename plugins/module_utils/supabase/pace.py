# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large the batches of a backfill are, and how long traffic has the database between two, by how long they take. Pure.

Whoever wants a row of a batch waits until its end, and others compete with it for processors and disks meanwhile: a
commit waits until the disk has what the batch wrote before it. So what a batch may take is a time, and how many rows that are is
learned from the batches before; and most of the time there is no batch at all.

Part of that time does not depend on the rows: the notes about them, and the commit. Where these take long, for a disk or a
processor is busy, smaller batches would keep nobody waiting less, and would not come to their end. So there the rows may take
half as long as the rest does.

A batch that waits for its turn at a processor takes nothing from others meanwhile. So how much there is to make up for is known
by the quickest of the last batches, not by one that was kept waiting: where ten others want the processor each batch takes ten
times as long, and a backfill that rested ten times as long, too, would not come to its end.
"""

from __future__ import annotations

from dataclasses import dataclass

# As long as a common transaction or two take.
BATCH_SECONDS = 0.005
# Its rows have what notes and commit leave of that, or so much of what these take.
ROWS_OF_THE_REST = 0.5
# Of these a batch never has fewer, so that it does not take longer to write down how far it has come than to come there.
LEAST_ROWS = 100
# A batch that met one slow moment says little about the next one.
MOST_GROWTH, MOST_SHRINKAGE = 2.0, 0.25
# For each second that a batch would take by the quickest of the last ones, and never more than so many seconds.
REST_FACTOR, REST_SECONDS = 12.0, 2.0
LAST_BATCHES = 8


@dataclass(frozen=True)
class Took:
    """What a batch took, in seconds: each of its rows, and notes and commit."""

    row: float
    besides: float


@dataclass(frozen=True)
class Pace:
    """``most``: what the file says of the rows in a batch. ``rows``: what the next batch has; ``rest``: in seconds, before it;
    ``last``: what the last LAST_BATCHES took.
    """

    most: int
    rows: int
    rest: float = 0.0
    last: tuple[Took, ...] = ()

    @classmethod
    def first(cls, most: int) -> Pace:
        """Nobody knows yet how long a row takes."""
        return cls(most, min(most, LEAST_ROWS))

    def after(self, rows: float, all_of_it: float) -> Pace:
        """So many seconds the batch has taken, and its rows of them. Traffic has the database REST_FACTOR times as long as it
        takes by the quickest of the last ones, and no longer than REST_SECONDS.
        """
        besides = all_of_it - rows
        may = max(BATCH_SECONDS - besides, besides * ROWS_OF_THE_REST)
        factor = min(max(may / max(rows, 1e-6), MOST_SHRINKAGE), MOST_GROWTH)
        wanted = max(int(self.rows * factor), LEAST_ROWS)
        last = (*self.last, Took(rows / self.rows, besides))[-LAST_BATCHES:]
        quickest = min(took.row for took in last) * self.rows + min(took.besides for took in last)
        return Pace(self.most, min(wanted, self.most), min(quickest * REST_FACTOR, REST_SECONDS), last)
