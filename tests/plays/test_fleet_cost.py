"""What a deploy costs the controller grows with the number of hosts, not with its square: by counts that no machine changes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench import fleet
from tests.hangs import HANGS_AFTER_SECONDS

HERE = Path(__file__).parent
# More than keep the lease, of whom more is asked.
FLEETS = (6, 8, 10)
RELEASE_KB = 300


@dataclass(frozen=True)
class Done:
    """``variables``: how often a host's variables were put together; ``sent``: bytes of what workers told of each task;
    ``packed``: the modules that were packed with what they import.
    """

    output: str
    variables: int
    sent: list[int]
    packed: list[str]


def deploy(directory: Path, hosts: int, home: Path | None = None) -> Done:
    """``home``: of Ansible, when it is not the one of the user."""
    directory.mkdir()
    fleet.write(directory, hosts, at_once=1, release_kb=RELEASE_KB)
    command, environment = fleet.command(directory)
    operations = directory / "operations"
    environment |= {
        "OPERATIONS": str(operations),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "counting"),
        "ANSIBLE_CALLBACKS_ENABLED": "morpheus.deploy.verdict,operations",
    }
    environment |= {"ANSIBLE_HOME": str(home)} if home else {}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=False
    )
    lines = operations.read_text().splitlines()
    sent = [int(line.split()[1]) for line in lines if line.startswith("sent")]
    packed = [line.split()[1].removeprefix("morpheus.deploy.") for line in lines if line.startswith("packed")]
    return Done(done.stdout + done.stderr, lines.count("variables"), sent, packed)


def deployed(directory: Path, fleets: Sequence[int]) -> dict[int, Done]:
    """By the number of hosts, one after the other in batches of one."""
    with ThreadPoolExecutor(len(fleets)) as pool:
        found = dict(zip(fleets, pool.map(lambda hosts: deploy(directory / str(hosts), hosts), fleets), strict=True))
    for hosts, done in found.items():
        # What ends early costs little.
        assert "VERDICT deployed: staging 1.1.0 (was 1.0.0)" in done.output, done.output[-3000:]
        assert done.output.count("runs 1.1.0, 6 requests drained") == hosts
    return found


@pytest.mark.deep
def test_each_further_host_costs_what_the_one_before_it_cost(tmp_path: Path) -> None:
    found = deployed(tmp_path, FLEETS)
    tasks = [len(found[hosts].sent) for hosts in FLEETS]
    variables = [found[hosts].variables for hosts in FLEETS]
    assert tasks[2] - tasks[1] == tasks[1] - tasks[0]
    # A filter over hostvars that every host asks for would add the square of their number here.
    assert variables[2] - variables[1] == variables[1] - variables[0]


@pytest.mark.deep
def test_a_worker_does_not_send_the_release_back_that_it_was_given(tmp_path: Path) -> None:
    [done] = deployed(tmp_path, FLEETS[:1]).values()
    # The configuration itself, read once, has all of it.
    assert len([size for size in done.sent if size > RELEASE_KB * 100]) == 1


@pytest.mark.deep
def test_a_module_is_packed_by_the_first_run_that_needs_it(tmp_path: Path) -> None:
    first, second = (deploy(tmp_path / name, 2, tmp_path / "home") for name in ("first", "second"))
    assert sorted(first.packed) == sorted({*first.packed}) != []
    assert {"lease", "stack_release", "stack_rollout"} <= {*first.packed}
    assert second.packed == []
    assert "VERDICT deployed" in second.output
