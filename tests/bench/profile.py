"""Where the time of a deploy goes, and of one of what runs already: the controller's tasks as profile_tasks has them, the steps
of the rollout, and the host's CPU by who took it.

    python -m tests.bench.profile --runs 3
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from statistics import median

from tests.acceptance.world import STAGING
from tests.bench.cpu import ON_CONTROLLER, ON_HOST, spent
from tests.bench.figures import Sample
from tests.bench.inside import parts
from tests.bench.rollouts import RELEASES, STANDARD

# A task that takes less is counted among the others.
LEAST_SECONDS = 0.25
OTHERS, AROUND = "the other tasks: {number}", "Ansible's start and end"
SHOWN = {
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
    "ANSIBLE_CALLBACKS_ENABLED": "morpheus.deploy.verdict,ansible.posix.profile_tasks",
    "PROFILE_TASKS_TASK_OUTPUT_LIMIT": "all",
}
_TASK = re.compile(r"^(?P<name>\S.*?) -+ (?P<seconds>\d+\.\d+)s$", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profile")
    parser.add_argument("--runs", type=int, default=3, choices=range(1, 101), metavar="N", help="of each kind (default: 3)")
    runs = parser.parse_args().runs
    STAGING.deployed(STANDARD)
    kinds: dict[str, Callable[[int], str]] = {
        "deploy": lambda number: RELEASES[number % 2],
        "what runs already": lambda _: STANDARD,
    }
    for kind, release in kinds.items():
        STAGING.deployed(STANDARD)
        found = []
        for number in range(runs):
            print(f"{kind}: {number + 1} of {runs}", file=sys.stderr)
            found.append(_sample(release(number)))
        _print(kind, found)
    STAGING.deployed(STANDARD)
    print(f"\n`python -m tests.bench.profile --runs {runs}` on {os.cpu_count()} cores, {date.today()}.")
    return 0


def _sample(release: str) -> dict[str, Sample]:
    """Of a run: its tasks, the steps of the rollout and the CPU, each in seconds."""
    with _shown(), parts() as who, spent() as cpu:
        run = STAGING.deployed(release)
    tasks = [(match["name"], float(match["seconds"])) for match in _TASK.finditer(run.output.rpartition("\n=====")[2])]
    assert tasks, f"profile_tasks says nothing:\n{run.output}"
    short = [seconds for _, seconds in tasks if seconds < LEAST_SECONDS]
    time = {name.removeprefix("morpheus.deploy."): seconds for name, seconds in tasks if seconds >= LEAST_SECONDS}
    time |= {OTHERS.format(number=len(short)): sum(short), AROUND: run.seconds - sum(seconds for _, seconds in tasks)}
    steps = dict(next(iter(STAGING.verdict()["hosts"].values()))["seconds"])
    rest = cpu[ON_HOST] - sum(who.values())
    return {
        "time, s": {"all of it": run.seconds, **time},
        "steps of the rollout, s": steps,
        "CPU, s": {
            "the controller": cpu[ON_CONTROLLER],
            "the host": cpu[ON_HOST],
            **{f"— {name}": one for name, one in who.items()},
            "— not seen": rest,
        },
    }


@contextmanager
def _shown() -> Iterator[None]:
    os.environ.update(SHOWN)
    try:
        yield
    finally:
        for name in SHOWN:
            del os.environ[name]


def _print(kind: str, samples: list[dict[str, Sample]]) -> None:
    print(f"\n| {kind} | | median | min..max |\n|---|---|--:|--:|")
    for section in samples[0]:
        for label in dict.fromkeys(label for sample in samples for label in sample[section]):
            values = [sample[section].get(label, 0.0) for sample in samples]
            print(f"| {section} | {label} | {median(values):.1f} | {min(values):.1f}..{max(values):.1f} |")


if __name__ == "__main__":
    sys.exit(main())
