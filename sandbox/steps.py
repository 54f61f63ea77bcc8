"""Run steps in the order of their dependencies, independent ones side by side, one progress line each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter

# Steps wait for the network and for dpkg more than they compute: twice the two cores of a small machine.
_WORKERS = 4


@dataclass(frozen=True)
class Step:
    """One idempotent piece of work; `act` returns what it did in a few words ("reused", "built")."""

    name: str
    title: str
    act: Callable[[], str]
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Timed:
    step: Step
    outcome: str
    seconds: float


def run_steps(steps: Sequence[Step]) -> None:
    """Run every step after those it names; on the first failure no further step begins, and the failure is raised."""
    by_name = {step.name: step for step in steps}
    order = TopologicalSorter({step.name: step.after for step in steps})
    order.prepare()
    pool = ThreadPoolExecutor(_WORKERS)
    under_way: set[Future[_Timed]] = set()
    finished = 0
    try:
        while order.is_active():
            under_way |= {pool.submit(_run, by_name[name]) for name in order.get_ready()}
            ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in ended:
                done = future.result()
                finished += 1
                print(f"[{finished}/{len(steps)}] {done.step.title} … {done.outcome}  {done.seconds:.1f} s", flush=True)
                order.done(done.step.name)
    finally:
        pool.shutdown(cancel_futures=True)


def _run(step: Step) -> _Timed:
    started = time.monotonic()
    outcome = step.act()
    return _Timed(step, outcome, time.monotonic() - started)
