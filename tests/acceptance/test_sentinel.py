"""A marked secret is deployed in every way that a run can take, and then searched for wherever it must not be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.acceptance import sentinel
from tests.acceptance.world import STACK, STAGING, edit_vault, on

HOST = "staging-app-1"
LOUD = ("-vvvv", "--diff")
# A value that is no string is printed by Ansible's own validation when a specification meets it.
WRONG = '{"stack_secret_files": {"session_secret": {"content": ["{{ vault_session_secret }}"]}}}'
RUNS = {
    "fingerprint": ("playbooks/fingerprint.yml",),
    "check": ("deploy.yml", "--check", "-e", "stack_release=1.1.0"),
    "deploy": ("deploy.yml", "-e", "stack_release=1.1.0"),
    "bad release": ("deploy.yml", "-e", "stack_release=1.9.1-crash"),
    "wrong type": ("deploy.yml", "-e", WRONG),
    "restart": ("playbooks/restart.yml",),
    "rollback": ("rollback.yml",),
    "status": ("playbooks/status.yml",),
    "config": ("playbooks/config.yml",),
    "audit": ("playbooks/audit.yml",),
}
# Those that read, render, print and log the most, after what has to be before them; the others are in make faults.
EACH_TIME = ("fingerprint", "deploy", "wrong type", "config")
# What holds secrets on a host: the stack's own files, and the engine's description of containers, both closed to others.
ALLOWED = (f"{STACK}/secrets/", "/var/lib/docker/containers/", "/run/containerd/", "/run/docker/")


@pytest.mark.lane("staging")
@pytest.mark.parametrize(
    "runs", [pytest.param(EACH_TIME, id="each time"), pytest.param(tuple(RUNS), id="all", marks=pytest.mark.deep)]
)
def test_a_marked_secret_is_nowhere_but_where_it_belongs(
    runs: tuple[str, ...], inventories: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever release there is before the first deploy, unless a rollback is to lead there."""
    if "rollback" in runs:
        STAGING.deployed("1.0.0")
    traces = sentinel.Traces(tmp_path / "controller")
    for name, value in traces.environment.items():
        monkeypatch.setenv(name, value)
    leaks = []
    inventory = inventories / "staging"
    shutil.rmtree(inventories / "production")
    edit_vault(inventory, vault_session_secret=sentinel.VALUE)
    with traces.watched():
        outcomes = {}
        for what in runs:
            playbook, *options = RUNS[what]
            run = STAGING.play(playbook, *options, *LOUD, inventory=inventory)
            outcomes[what] = run.code
            if sentinel.holds(run.output.encode()):
                line = next(line for line in run.output.splitlines() if sentinel.holds(line.encode()))
                leaks.append(f"output of {what}: ...{line[:60]}")
        leaks += traces.left()
        # The search itself can see: the files where the secret belongs hold it.
        found = sentinel.on_host(HOST)
    bad = {what for what, code in outcomes.items() if code}
    # An audit may find something of the host that this test knows nothing of.
    assert bad - {"audit"} == {"bad release", "wrong type"} & {*runs}
    assert any(path.startswith(f"{STACK}/secrets/") for path, _, _ in found)
    leaks += [f"{path} ({mode})" for path, mode, is_open in found if is_open or not path.startswith(ALLOWED)]
    leaks += traces.found
    assert leaks == []
    assert sentinel.MARK not in on(HOST, "journalctl", "--no-pager", "--output", "cat")
