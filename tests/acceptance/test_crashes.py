"""A rollout killed at any line of its journal, under load: the same command again leads to one release, and nobody notices."""

from __future__ import annotations

import os
import signal
import subprocess
from itertools import cycle

import pytest

from tests.acceptance.world import ROLLOUT_PROCESSES, STACK, Environment, says
from tests.hangs import HANGS_AFTER_SECONDS

JOURNAL = f"{STACK}/journal.jsonl"
# Lines of the journal after which the kill comes. CRASH_LINES=all goes on until a rollout ends before its line, for 35 minutes.
LINES = {"module": [8], "controller": [22]}
LAST = 80

# Follows the journal and acts as soon as the line is there, mostly before it has reached the disk.
_WATCH = """
import os, select, signal, sys, time
path, wanted, kill = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "module"
stream = open(path)
stream.seek(0, 2)
print("ready", flush=True)
deadline = time.monotonic() + 90
while wanted and time.monotonic() < deadline:
    line = stream.readline()
    wanted -= bool(line)
    # Its input ends when nobody waits for it any more: whatever is at work later is not its victim.
    if not line and select.select([sys.stdin], [], [], 0.0005)[0]:
        sys.exit()
if wanted:
    sys.exit("the journal did not come to this line")
for process in rollout_processes() if kill else ():
    os.kill(process, signal.SIGKILL)
print(line, flush=True)
"""


def crash(environment: Environment, release: str, line: int, victim: str) -> str:
    """The line of the journal at which a deploy was killed; empty when it ended before it came there."""
    host = environment.hosts[0]
    watch = ["docker", "exec", "-i", host, "python3", "-c", ROLLOUT_PROCESSES + _WATCH, JOURNAL, str(line), victim]
    with subprocess.Popen(watch, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdin
        assert watcher.stdout
        assert watcher.stdout.readline() == "ready\n"
        with environment.begun(release) as run:
            if victim == "controller":
                seen = watcher.stdout.readline()
                os.kill(run.pid, signal.SIGKILL)
            run.communicate(timeout=HANGS_AFTER_SECONDS)
        if victim == "module":
            if run.returncode == 0:
                watcher.stdin.close()
            seen = watcher.stdout.readline()
    return seen.strip()


@pytest.mark.deep
@pytest.mark.parametrize("victim", ["module", "controller"])
def test_a_rollout_killed_at_any_line_of_its_journal_is_finished_by_the_next_run(staging: Environment, victim: str) -> None:
    lines = range(1, LAST) if os.environ.get("CRASH_LINES") == "all" else LINES[victim]
    killed = []
    runs_before = len(staging.history())
    with staging.load() as load:
        for line, release in zip(lines, cycle(["1.1.0", "1.0.0"]), strict=False):
            seen = crash(staging, release, line, victim)
            run = staging.deployed(release)
            says(run, [f"staging-app-1 runs {release}"])
            load.wait_for_release(release, seconds=20)
            counts = [len(staging.containers("staging-app-1", service)) for service in ("api", "ml", "web")]
            assert counts == [2, 1, 1], (line, seen)
            assert staging.health()[1]["version"] == release
            if not seen:
                break
            killed.append(f"{line}: {seen}")
    print("", *killed, f"{victim} killed {len(killed)} times: {load.report.failed} failed of {load.report.sent}", sep="\n")
    assert killed
    assert load.report.is_clean, load.report.failures
    # Of a run that was killed the keeper of its lease tells.
    verdicts = [line["verdict"] for line in staging.history()[runs_before:]]
    assert verdicts.count("interrupted") == (len(killed) if victim == "controller" else 0)
    assert load.report.is_clean, load.report.failures
