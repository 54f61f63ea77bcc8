"""What is shown of a deploy while it happens, on a real host. With -s it prints how late each line was."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.acceptance.world import ROOT, STACK, Environment, activated, on

LIVE = {"ANSIBLE_STDOUT_CALLBACK": "morpheus.deploy.live"}


def printed(environment: Environment, release: str) -> Iterator[tuple[float, str]]:
    """Each line of a deploy with the time at which it came."""
    command = environment.command("deploy.yml", "-e", f"stack_release={release}")
    with subprocess.Popen(
        command, cwd=ROOT, env=activated() | LIVE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            yield time.time(), line.rstrip()


@pytest.mark.deep
def test_every_step_of_a_rollout_is_seen_while_it_is_done(staging: Environment) -> None:
    [host] = staging.hosts
    lines = list(printed(staging, "1.1.0"))
    assert staging.verdict()["verdict"] == "deployed", lines
    journal = on(host, "cat", f"{STACK}/journal.jsonl").rpartition('"event": "begin"')[2]
    begun = [json.loads(line) for line in journal.splitlines()[1:] if '"event": "intent"' in line]
    delays = {}
    for step in begun:
        seen = [when for when, line in lines if line.endswith(f" {host} {step['step']}")]
        assert len(seen) == 1, (step, lines)
        delays[step["step"]] = seen[0] - step["at"]
    for text, delay in delays.items():
        print(f"{delay:6.2f} s  {text}")
    said = "\n".join(line for _, line in lines)
    for words in ("api: started morpheus-api-", " passed its gate, ", "api: admitted morpheus-api-", "draining morpheus-api-"):
        assert words in said
    # Before the module has answered: what it found too late to be followed comes right before that.
    order = [line for _, line in lines]
    assert order.index(next(line for line in order if line.endswith(begun[0]["step"]))) < order.index(
        next(line for line in order if f"    {host} runs 1.1.0, " in line)
    )


@pytest.mark.deep
def test_a_bad_release_is_told_in_three_lines(staging: Environment) -> None:
    lines = [line[9:] for _, line in printed(staging, "1.9.2-lies")]
    at = lines.index("FAILED staging-app-1: Switch to the release")
    assert 'expected "1.9.2-lies"' in lines[at + 1]
    assert lines[at + 2].startswith("  Nothing was switched: this host runs what it ran before")
    assert staging.verdict()["verdict"] == "failed"
