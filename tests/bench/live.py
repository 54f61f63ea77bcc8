"""What the live output costs: deploys with it and with Ansible's own, in turns, so that what else the machine does is in both.

python -m tests.bench.live --runs 5
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from statistics import median

from tests.acceptance.world import STAGING
from tests.bench.cpu import spent
from tests.bench.figures import WALL, Sample
from tests.bench.rollouts import RELEASES, STANDARD

OUTPUTS = {"live": "morpheus.deploy.live", "Ansible's": "ansible.builtin.default"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.live")
    parser.add_argument("--runs", type=int, default=5, choices=range(1, 101), metavar="N", help="with each output (default: 5)")
    runs = parser.parse_args().runs
    found: dict[tuple[str, str], list[Sample]] = {}
    STAGING.deployed(STANDARD)
    for number in range(runs):
        for kind, release in (("deploy", RELEASES[number % 2]), ("deploy of what runs already", RELEASES[number % 2])):
            # Each goes first as often as the other.
            for output in list(OUTPUTS)[:: 1 if number % 2 else -1]:
                if kind == "deploy":
                    _away_from(release)
                found.setdefault((kind, output), []).append(_sample(output, release))
                print(f"{kind}, {output}: {number + 1} of {runs}", file=sys.stderr)
    STAGING.deployed(STANDARD)
    print("| | | live, median (min..max) | Ansible's, median (min..max) | difference of the medians |\n|---|---|--:|--:|--:|")
    for kind in dict.fromkeys(kind for kind, _ in found):
        for label in found[kind, "live"][0]:
            ours, theirs = ([sample[label] for sample in found[kind, output]] for output in OUTPUTS)
            print(f"| {kind} | {label} | {_words(ours)} | {_words(theirs)} | {median(ours) - median(theirs):+.2f} |")
    print(f"\n`python -m tests.bench.live --runs {runs}` on {os.cpu_count()} cores, {date.today()}.")
    return 0


def _away_from(release: str) -> None:
    (other,) = set(RELEASES) - {release}
    STAGING.deployed(other)


def _sample(output: str, release: str) -> Sample:
    with _with(OUTPUTS[output]), spent() as cpu:
        run = STAGING.deployed(release)
    return {WALL: run.seconds, **cpu}


@contextmanager
def _with(callback: str) -> Iterator[None]:
    os.environ["ANSIBLE_STDOUT_CALLBACK"] = callback
    try:
        yield
    finally:
        del os.environ["ANSIBLE_STDOUT_CALLBACK"]


def _words(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


if __name__ == "__main__":
    sys.exit(main())
