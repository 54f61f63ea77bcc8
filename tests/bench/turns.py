"""Two ways to deploy, in turns, so that what else the machine does is in both: what the live output costs beside Ansible's own,
and what a change of the collection has made of the time.

    python -m tests.bench.turns live --runs 5
    python -m tests.bench.turns before HEAD~1 --runs 5
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from statistics import median

from tests.acceptance.versions import checked_out, play
from tests.acceptance.world import ROOT, STAGING, Run
from tests.bench.cpu import spent
from tests.bench.figures import WALL, Sample
from tests.bench.rollouts import RELEASES, STANDARD

# A release is deployed.
Way = Callable[[str], Run]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.turns")
    parser.add_argument("what", choices=["live", "before"], help="with the live output and Ansible's own, or now and before")
    parser.add_argument("commit", nargs="?", default="HEAD~1", help="before what is checked out here (default: HEAD~1)")
    parser.add_argument("--runs", type=int, default=5, choices=range(1, 101), metavar="N", help="of each (default: 5)")
    options = parser.parse_args()
    try:
        if options.what == "live":
            _compare(_outputs(), options.runs)
        else:
            with tempfile.TemporaryDirectory() as directory:
                before = checked_out(options.commit, Path(directory) / "before")
                _compare({options.commit: _of(before), "now": _of(ROOT)}, options.runs)
    finally:
        STAGING.deployed(STANDARD)
    command = shlex.join(["python", "-m", "tests.bench.turns", *sys.argv[1:]])
    print(f"\n`{command}` on {os.cpu_count()} cores, {date.today()}; runs of each: {options.runs}.")
    return 0


def _compare(ways: Mapping[str, Way], runs: int) -> None:
    found: dict[tuple[str, str], list[Sample]] = {}
    for number in range(runs):
        release, other = RELEASES[:: 1 if number % 2 else -1]
        # Each goes first as often as the other.
        for name in list(ways)[:: 1 if number % 2 else -1]:
            print(f"{name}: {number + 1} of {runs}", file=sys.stderr)
            _sample(ways[name], other)
            found.setdefault(("deploy", name), []).append(_sample(ways[name], release))
            found.setdefault(("deploy of what runs already", name), []).append(_sample(ways[name], release))
    one, two = ways
    print(f"| | | {one}, median (min..max) | {two}, median (min..max) | difference of the medians |\n|---|---|--:|--:|--:|")
    for kind in dict.fromkeys(kind for kind, _ in found):
        for label in found[kind, one][0]:
            first, second = ([sample[label] for sample in found[kind, name]] for name in ways)
            print(f"| {kind} | {label} | {_words(first)} | {_words(second)} | {median(second) - median(first):+.2f} |")


def _sample(way: Way, release: str) -> Sample:
    with spent() as cpu:
        run = way(release)
    assert run.code == 0, run.output
    return {WALL: run.seconds, **cpu}


def _outputs() -> dict[str, Way]:
    def way(callback: str) -> Way:
        def deploy(release: str) -> Run:
            with _shown_by(callback):
                return STAGING.deploy(release)

        return deploy

    return {"live": way("morpheus.deploy.live"), "Ansible's own": way("ansible.builtin.default")}


def _of(tree: Path) -> Way:
    return lambda release: play(tree, STAGING, "deploy.yml", "-e", f"stack_release={release}")


@contextmanager
def _shown_by(callback: str) -> Iterator[None]:
    os.environ["ANSIBLE_STDOUT_CALLBACK"] = callback
    try:
        yield
    finally:
        del os.environ["ANSIBLE_STDOUT_CALLBACK"]


def _words(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


if __name__ == "__main__":
    sys.exit(main())
