"""Releases that nobody would think of. EDGE_LAB_EXAMPLES says how many; a run of more than a few draws other ones each time."""

from __future__ import annotations

import os
import sys
from collections import Counter
from concurrent.futures import as_completed

from hypothesis import HealthCheck, Phase, given, settings

from tests.edge_lab.examples import Example, examples
from tests.edge_lab.lab import Result
from tests.edge_lab.pool import Pool

FEW = 2
EXAMPLES = int(os.environ.get("EDGE_LAB_EXAMPLES", FEW))
SHOWN = 20


def test_any_release_follows_any_other_unnoticed(pool: Pool) -> None:
    results: list[Result] = []
    for future in as_completed([pool.begin(example) for example in drawn()]):
        results.append(future.result())
        _tell(results)
    bad = [result for result in results if not result.good]
    print("\n" + _summary(results))
    assert not bad, "\n\n".join([_summary(results), *(str(result) for result in sorted(bad, key=_size)[:SHOWN])])


def drawn() -> list[Example]:
    """Not tried while they are drawn, and not shrunk: time has a part in each. One that fails can be tried again by its code."""
    found: list[Example] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=EXAMPLES <= FEW,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples())
    def draw(example: Example) -> None:
        found.append(example)

    draw()
    return list(dict.fromkeys(found))


def _tell(results: list[Result]) -> None:
    """A line for each that failed while a long run goes on, and a count at times."""
    last = results[-1]
    if EXAMPLES > FEW and (not last.good or len(results) % 25 == 0):
        words = last.problems[:1] or last.violations[:1] or ["good so far"]
        print(f"{_summary(results)}: {words[0][:200]}", file=sys.__stderr__, flush=True)


def _summary(results: list[Result]) -> str:
    bad = [result for result in results if not result.good]
    requests, violations = sum(one.requests for one in results), sum(len(one.violations) for one in results)
    seconds = sum(one.seconds for one in results)
    ends = Counter("failed" if any("live" not in words for words in one.outcomes) else "live" for one in results)
    return (
        f"{len(results)} examples ({ends['live']} went live throughout), {requests} requests, {violations} violations; "
        f"{len(bad)} examples were bad; {seconds / max(1, len(results)):.1f} s each"
    )


def _size(result: Result) -> int:
    """The simplest first."""
    return len(repr(result.example))
