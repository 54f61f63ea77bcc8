"""Marked secrets, and a controller or a module that is killed in every phase of a rollout at -vvvv: nothing of them stays behind.

Each phase: a deploy is killed in it, everything is searched, the same command finishes, everything is searched again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import pytest

from tests.acceptance import sentinel
from tests.acceptance.world import (
    MODULE_PROCESSES,
    ROOT,
    STACK,
    Environment,
    Run,
    activated,
    by_command,
    edit_vault,
    edited_stack,
    eventually,
    on,
)

HOST = "staging-app-1"
LOUD = ("-vvvv", "--diff")
# What holds secrets on a host: the stack's own files, and the engine's description of containers, both closed to others.
ALLOWED = (f"{STACK}/secrets/", "/var/lib/docker/containers/", "/run/containerd/", "/run/docker/")
# While a release is prepared, in memory and closed to others; what a kill leaves there goes with the next run.
PREPARING = "/run/morpheus.deploy."
KEY = f"key-{sentinel.MARK}"

# Where a kill comes: while secrets are on their way to the host, in the migration that is given one, and at each kind of step.
STEPS = ("start", "gate", "admit", "drain", "watch", "await", "stop", "remove")
PHASES = ("prepare", "migrate", *STEPS)
VICTIMS = ("controller", "module")
HANDFUL = [("module", "prepare"), ("controller", "gate")]

# Waits for a phase and says so; kills the module in it.
_WATCH = (
    MODULE_PROCESSES
    + """
import glob, json, os, select, signal, subprocess, sys, time
phase, journal, kill = sys.argv[1], sys.argv[2], sys.argv[3] == "module"
# A journal that has grown long is moved away when the next rollout begins.
streams = [open(journal)]
streams[0].seek(0, 2)
def is_there():
    if phase == "prepare":
        return bool(glob.glob("/run/morpheus.deploy.held-*"))
    if phase == "migrate":
        one_offs = ["docker", "ps", "--quiet", "--filter", "label=com.docker.compose.oneoff=True"]
        return bool(subprocess.run(one_offs, capture_output=True).stdout.strip())
    if not os.path.samestat(os.fstat(streams[-1].fileno()), os.stat(journal)):
        streams.append(open(journal))
    lines = [line for stream in streams for line in stream]
    return any(f'"action": "{phase}"' in line and '"event": "intent"' in line for line in lines)
print("ready", flush=True)
while not is_there():
    # Its input ends when nobody waits for it any more: whatever is at work later is not its victim.
    if select.select([sys.stdin], [], [], 0.0005)[0]:
        sys.exit("the deploy did not come to this phase")
victims = list(modules()) if kill else []
for process in victims:
    os.kill(process, signal.SIGKILL)
print(json.dumps(victims), flush=True)
"""
)


@dataclass(frozen=True)
class Marked:
    """An environment whose secrets are marked, and what was seen of them so far."""

    environment: Environment
    traces: sentinel.Traces
    leaks: list[str]

    def search(self, run: Run, what: str, *, running: bool) -> None:
        """``running``: what was killed may have left its work half done."""
        if sentinel.holds(run.output.encode()):
            line = next(line for line in run.output.splitlines() if sentinel.holds(line.encode()))
            self.leaks.append(f"{what}: output: ...{line[:60]}")
        self.leaks.extend(f"{what}: on the controller: {path}" for path in self.traces.left())
        found = sentinel.on_host(HOST)
        # The search itself can see: the files where the secrets belong hold them.
        assert any(path.startswith(f"{STACK}/secrets/") for path, _, _ in found)
        allowed = (*ALLOWED, PREPARING) if running else ALLOWED
        wrong = [(path, mode) for path, mode, is_open in found if is_open or not path.startswith(allowed)]
        self.leaks.extend(f"{what}: on the host: {path} ({mode})" for path, mode in wrong)
        if sentinel.holds(on(HOST, "journalctl", "--no-pager", "--output", "cat").encode()):
            self.leaks.append(f"{what}: in the host's journal")
        if not running:
            strangers = set(sentinel.in_containers(HOST)) - self.environment.containers(HOST).keys()
            self.leaks.extend(f"{what}: in the container {name}" for name in sorted(strangers))


@pytest.fixture
def marked(staging: Environment, inventories: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Marked]:
    traces = sentinel.Traces(tmp_path / "controller")
    for name, value in traces.environment.items():
        monkeypatch.setenv(name, value)
    shutil.rmtree(inventories / "production")
    inventory = inventories / "staging"
    # One that services read from a file, and one that is in their environment.
    edit_vault(inventory, vault_session_secret=sentinel.VALUE, vault_ml_api_key=KEY)
    with edited_stack(inventories) as stack:
        by_command(stack, at_every_release=True)
    changed = replace(staging, inventories=str(inventories))
    assert changed.play("playbooks/fingerprint.yml").code == 0
    yield Marked(changed, traces, [])
    staging.deployed("1.0.0")


@contextmanager
def waiting(victim: str, phase: str) -> Iterator[subprocess.Popen[str]]:
    command = ["docker", "exec", "-i", HOST, "python3", "-c", _WATCH, phase, f"{STACK}/journal.jsonl", victim]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdin
        assert watcher.stdout
        assert watcher.stdout.readline() == "ready\n"
        try:
            yield watcher
        finally:
            watcher.stdin.close()


def killed(marked: Marked, release: str, victim: str, phase: str, output: Path) -> Run:
    """A deploy that is killed in a phase, which it must have come to."""
    command = marked.environment.command("deploy.yml", "-e", f"stack_release={release}", *LOUD)
    with waiting(victim, phase) as watcher, output.open("w") as stream:
        assert watcher.stdout
        run = subprocess.Popen(command, cwd=ROOT, env=activated(), stdout=stream, stderr=stream, start_new_session=True)
        try:
            if victim == "module":
                run.wait(300)
                assert watcher.stdin
                watcher.stdin.close()
            seen = watcher.stdout.readline()
        finally:
            run.kill()
            run.wait(60)
    assert seen, f"the deploy did not come to {phase}:\n{output.read_text()[-3000:]}"
    if victim == "module":
        assert json.loads(seen), f"no module was at work in {phase}"
        assert run.returncode != 0
    return Run(run.returncode, output.read_text(), 0)


def nothing_stays(marked: Marked, tmp_path: Path, phases: list[tuple[str, str]]) -> None:
    with marked.traces.watched():
        first = marked.environment.deploy("1.0.0", *LOUD)
        assert first.code == 0, first.output[-3000:]
        for (victim, phase), release in zip(phases, cycle(["1.1.0", "1.0.0"]), strict=False):
            what = f"{victim} killed in {phase}"
            dead = killed(marked, release, victim, phase, tmp_path / "output")
            marked.search(dead, what, running=True)
            again = marked.environment.deploy(release, *LOUD)
            assert again.code == 0, f"{what}:\n{again.output[-3000:]}"
            # The ghost of a killed run has come to its end by now, and what it says goes nowhere.
            eventually(lambda: not marked.environment.lease(), "the lease was given back")
            marked.search(again, f"{what}, and finished", running=False)
            print("", f"{what}:", *(marked.leaks or ["nothing was found"]), sep="\n  ", flush=True)
    assert [*marked.leaks, *marked.traces.found] == []


@pytest.mark.deep
def test_marked_secrets_stay_where_they_belong_when_a_rollout_is_killed(marked: Marked, tmp_path: Path) -> None:
    nothing_stays(marked, tmp_path, HANDFUL)


@pytest.mark.deep
@pytest.mark.parametrize("victim", VICTIMS)
def test_marked_secrets_stay_where_they_belong_in_whatever_phase_a_rollout_is_killed(
    marked: Marked, tmp_path: Path, victim: str
) -> None:
    nothing_stays(marked, tmp_path, [(victim, phase) for phase in PHASES])
