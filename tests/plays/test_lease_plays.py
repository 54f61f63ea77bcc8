"""The role lease as Ansible plays it, on hosts of which each has its own files, and some are out of reach."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hangs import HANGS_AFTER_SECONDS
from tests.plays import apart, played
from tests.plays.played import BIN, OUT_OF_REACH, ROOT, Done

pytestmark = apart.needs_namespaces

TAKE = """
- hosts: app
  gather_facts: false
  become: true
  any_errors_fatal: true
  roles:
    - role: morpheus.deploy.lease
      lease_reason: a test
  tasks:
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} has {{ lease_taken.token }} of {{ lease_taken.run }} by {{ lease_taken.granted_by }}"
"""
STAY = """
    - ansible.builtin.wait_for:
        path: never
        timeout: 60
"""

# As playbooks/provision.yml begins.
CLAIM = """
- hosts: app
  gather_facts: false
  become: true
  roles:
    - role: morpheus.deploy.identity
"""

CHECK = """
- hosts: app
  gather_facts: false
  become: true
  tasks:
    - ansible.builtin.import_role:
        name: morpheus.deploy.identity
        tasks_from: check
      vars:
        identity_needs_every_host: false
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} went on"
"""


class Fleet:
    """``dead``: hosts that cannot be reached."""

    def __init__(self, directory: Path, size: int) -> None:
        self.directory = directory
        self.hosts = {f"app-{n}": apart.host(directory / "hosts" / f"app-{n}") for n in range(1, size + 1)}
        self.dead: set[str] = set()
        (directory / "take.yml").write_text(TAKE)

    def play(self, playbook: str | Path, *options: str) -> Done:
        hosts: Mapping[str, Mapping[str, Any]] = {
            name: OUT_OF_REACH if name in self.dead else host for name, host in self.hosts.items()
        }
        return played.play(self.directory, playbook, *options, hosts=hosts)

    @contextmanager
    def begun(self, playbook: str) -> Iterator[subprocess.Popen[str]]:
        """A run that goes on meanwhile, in a process group of its own; for hosts that were played on before."""
        command = [str(BIN / "ansible-playbook"), playbook, "-i", "hosts.yml"]
        with subprocess.Popen(command, cwd=self.directory, stdout=subprocess.DEVNULL, text=True, start_new_session=True) as run:
            try:
                yield run
            finally:
                if run.poll() is None:
                    os.killpg(run.pid, signal.SIGKILL)

    def file(self, host: str, path: str) -> Path:
        return self.directory / "hosts" / host / "lib" / "morpheus.deploy" / path

    def beats(self, host: str) -> list[str]:
        return [path.name for path in self.file(host, "leases/staging").glob("beat.*")]

    def history(self, host: str) -> list[dict[str, Any]]:
        path = self.file(host, "history/staging.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def fence(self, host: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file(host, "stacks/fence.json").read_text())
        return found

    def verdict(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / ".deploy" / "staging" / "verdict.json").read_text())
        return found


def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Fleet]:
    # The way into a host is its sudo, also for who is root already.
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "1")
    return lambda size: Fleet(tmp_path, size)


def tasks(run: Done) -> list[str]:
    return re.findall(r"^TASK \[(?:morpheus.deploy.)?(.*)\]", run.stdout, re.MULTILINE)


def granted(run: Done) -> dict[str, tuple[int, str, list[str]]]:
    found = re.findall(r"(app-\d) has (\d+) of (\w+) by \[(.*?)\]", run.stdout)
    return {name: (int(token), run_, re.findall(r"app-\d", by)) for name, token, run_, by in found}


@pytest.mark.deep
def test_one_host_is_asked_once(fleet: Callable[[int], Fleet]) -> None:
    one = fleet(1)
    run = one.play("take.yml")
    assert run.returncode == 0, run.stdout
    [(token, name, by)] = granted(run).values()
    assert by == ["app-1"]
    assert one.fence("app-1") == {"format": 1, "token": token, "run": name}
    assert one.beats("app-1") == []
    assert [(line["run"], line["what"]) for line in one.history("app-1")] == [(name, "a test")]
    assert "lease : Ask the other hosts" not in tasks(run)


@pytest.mark.deep
def test_every_host_grants_it_and_remembers_the_run(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    run = three.play("take.yml")
    assert run.returncode == 0, run.stdout
    assert {tuple(by) for _, _, by in granted(run).values()} == {("app-1", "app-2", "app-3")}
    [(token, name)] = {(token, name) for token, name, _ in granted(run).values()}
    lines = [three.history(host) for host in three.hosts]
    assert lines[0] == lines[1] == lines[2]
    assert [(line["run"], line["token"], line["verdict"]) for line in lines[0]] == [(name, token, "unchanged")]
    assert [three.fence(host) for host in three.hosts] == [{"format": 1, "token": token, "run": name}] * 3
    assert [three.beats(host) for host in three.hosts] == [[], [], []]


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.deep)])
@pytest.mark.deep
def test_without_the_first_host_a_run_that_leaves_it_out_has_the_lease(fleet: Callable[[int], Fleet], size: int) -> None:
    some = fleet(size)
    some.dead = {"app-1"}
    run = some.play("take.yml", "--limit", "!app-1")
    assert run.returncode == 0, run.stdout
    rest = [f"app-{n}" for n in range(2, size + 1)]
    assert {tuple(by) for _, _, by in granted(run).values()} == {tuple(rest)}
    assert [len(some.history(host)) for host in rest] == [1] * len(rest)
    assert some.verdict()["messages"] == []


@pytest.mark.deep
def test_with_the_first_host_dead_and_not_left_out_the_way_on_is_said(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    three.dead = {"app-1"}
    run = three.play("take.yml")
    assert run.returncode == 4, run.stdout
    assert granted(run) == {}
    verdict = three.verdict()
    assert verdict["verdict"] == "refused"
    assert verdict["messages"] == [
        "app-1 could not be reached",
        "Mend it; or run the same command with --limit '!app-1' to go on without it.",
    ]
    assert three.beats("app-2") == three.beats("app-3") == []
    assert [(line["what"], line["verdict"]) for line in three.history("app-2")] == [("a test", "refused")]


@pytest.mark.deep
def test_a_minority_is_told_so(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    three.dead = {"app-1", "app-2"}
    run = three.play("take.yml", "--limit", "app-3")
    assert run.returncode == 4, run.stdout
    assert three.verdict()["messages"] == [
        "Too few hosts grant the lease of staging: 2 of app-1, app-2, app-3 must, and only app-3 did. app-1, app-2 could not be "
        "reached. Nothing was changed. Mend what cannot be reached; or, when it is gone for good, take it out of the inventory. "
        "Then run this again."
    ]
    assert three.beats("app-3") == []


@pytest.mark.deep
@pytest.mark.parametrize("limit", ["all", pytest.param("app-2", marks=pytest.mark.deep)])
def test_a_host_that_has_seen_a_higher_token_makes_the_run_choose_a_higher_one(fleet: Callable[[int], Fleet], limit: str) -> None:
    three = fleet(3)
    three.file("app-3", "stacks/shop").mkdir(parents=True)
    three.file("app-3", "stacks/shop/fence.json").write_text('{"token": 4000000000}')
    run = three.play("take.yml", "--limit", limit)
    assert run.returncode == 0, run.stdout
    assert {token for token, _, _ in granted(run).values()} == {4000000001}
    assert {three.fence(host)["token"] for host in three.hosts} == {4000000001}
    assert [len(three.history(host)) for host in three.hosts] == [1, 1, 1]
    assert [three.beats(host) for host in three.hosts] == [[], [], []]


@pytest.mark.deep
def test_hosts_of_the_lease_that_limit_leaves_out_are_asked(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    run = three.play("take.yml", "--limit", "app-2")
    assert run.returncode == 0, run.stdout
    assert {tuple(by) for _, _, by in granted(run).values()} == {("app-1", "app-2", "app-3")}


def test_while_a_run_lives_another_one_is_refused_and_when_it_was_killed_every_host_is_free(
    fleet: Callable[[int], Fleet],
) -> None:
    three = fleet(3)
    run = three.play("take.yml")
    first = [line["run"] for line in three.history("app-1")]
    (three.directory / "stay.yml").write_text(TAKE + STAY)
    with three.begun("stay.yml") as living:
        # How soon a run begins is no promise; how soon its hosts are free is one.
        until(lambda: all(three.beats(host) for host in three.hosts), HANGS_AFTER_SECONDS)
        run = three.play("take.yml")
        assert run.returncode == 2, run.stdout
        assert re.search(r"The lease of staging is held by \S+ \(a test\) since ", three.verdict()["messages"][0])
        assert [line["run"] for line in three.history("app-1")] == first
        os.killpg(living.pid, signal.SIGKILL)
        until(lambda: not any(three.beats(host) for host in three.hosts))
    assert [[line["verdict"] for line in three.history(host)][-1] for host in three.hosts] == ["interrupted"] * 3
    assert len({three.history(host)[-1]["run"] for host in three.hosts}) == 1


@pytest.mark.deep
def test_a_host_of_another_environment_is_refused_and_the_lease_given_back(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    (three.directory / "hosts" / "app-2" / "etc" / "identity.json").write_text('{"environment": "production"}')
    run = three.play("take.yml")
    assert run.returncode == 2, run.stdout
    assert three.verdict()["messages"][0].startswith("app-2: This host belongs to production and not to staging.")
    assert not three.file("app-2", "leases").exists()
    assert three.beats("app-1") == []


@pytest.mark.deep
def test_in_check_mode_nothing_is_taken(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    run = three.play("take.yml", "--check")
    assert run.returncode == 0, run.stdout
    assert {(token, *by) for token, _, by in granted(run).values()} <= {(0,)}
    assert not any(three.file(host, "leases").exists() for host in three.hosts)


@pytest.mark.deep
def test_the_host_of_the_lease_is_a_word_of_the_past(fleet: Callable[[int], Fleet]) -> None:
    run = fleet(1).play("take.yml", "-e", "lease_host=app-1")
    assert run.returncode == 2
    assert 'lease_host: "app-1" no longer does anything, because no single host keeps the lease' in run.stdout


def begun(fleet: Fleet, *hosts: str) -> None:
    """What a run leaves that was killed together with its controller."""
    for name in hosts:
        fleet.file(name, "leases/staging").mkdir(parents=True)
        record = {"token": 7, "owner": "ben@desk", "reason": "deploy 1.1.0", "run": "run-b", "acquired": "2026-11-24T10:00:00Z"}
        fleet.file(name, "leases/staging/lease.json").write_text(json.dumps(record | {"ttl_seconds": 1e9}))
        fleet.file(name, "leases/staging/beat.7").write_text("1.0\n")


@pytest.mark.deep
def test_a_lease_is_broken_on_every_host_that_can_be_reached(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    three.dead = {"app-1"}
    begun(three, "app-1", "app-2", "app-3")
    run = three.play(ROOT / "playbooks" / "unlock.yml", "-e", "unlock_reason='his desk burns'")
    assert run.returncode == 0, run.stdout
    assert [three.beats(host) for host in three.hosts] == [["beat.7"], [], []]
    assert [line["verdict"] for line in three.history("app-3")] == ["broken"]
    assert "app-1 could not be reached, and keeps the lease until its run gives no sign of life there for 20 s." in run.stdout
    assert run.stdout.count("The lease of staging was held by ben@desk (deploy 1.1.0) since 2026-11-24T10:00:00Z, token 7") >= 1


@pytest.mark.deep
def test_an_unlock_that_reaches_nobody_says_so(fleet: Callable[[int], Fleet]) -> None:
    two = fleet(2)
    two.dead = {"app-1", "app-2"}
    run = two.play(ROOT / "playbooks" / "unlock.yml", "-e", "unlock_reason=x")
    assert run.returncode == 4, run.stdout
    assert "None of the hosts could be reached: app-1, app-2. No lease was broken." in run.stdout


@pytest.mark.deep
def test_status_tells_what_the_hosts_know_that_answer(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    three.play("take.yml")
    three.dead = {"app-1"}
    begun_line = {"run": "z", "at": "2000-01-01T00:00:00Z", "verdict": "deployed", "hosts": {"app-1": "1.0.0"}}
    with three.file("app-3", "history/staging.jsonl").open("a") as stream:
        stream.write(json.dumps(begun_line) + "\n")
    run = three.play(ROOT / "playbooks" / "status.yml", "-e", "status_format=json")
    # A table that cannot say what a host runs does not end green.
    assert run.returncode == 4, run.stdout
    assert "It is unknown what" in " ".join((run.stdout + run.stderr).split())
    report = json.loads((three.directory / ".deploy" / "staging" / "status.json").read_text())
    assert (report["lease"], report["lease_problem"], report["lease_unread"]) == (None, "", {"app-1": "could not be reached"})
    assert [line["verdict"] for line in report["runs"]] == ["deployed", "unchanged"]
    assert report["hosts"]["app-1"]["away"] == "when it comes back it serves 1.0.0"


@pytest.mark.deep
def test_a_host_that_cannot_be_reached_keeps_nobody_from_claiming_the_others(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    three.dead = {"app-1"}
    for name in three.hosts:
        (three.directory / "hosts" / name / "etc" / "identity.json").unlink()
    (three.directory / "claim.yml").write_text(CLAIM)
    run = three.play("claim.yml")
    assert run.returncode == 4, run.stdout
    claimed = [name for name in three.hosts if (three.directory / "hosts" / name / "etc" / "identity.json").exists()]
    assert claimed == ["app-2", "app-3"]


@pytest.mark.deep
def test_none_is_claimed_when_one_is_another_environments(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    three.dead = {"app-1"}
    (three.directory / "hosts" / "app-2" / "etc" / "identity.json").unlink()
    (three.directory / "hosts" / "app-3" / "etc" / "identity.json").write_text('{"environment": "production"}')
    (three.directory / "claim.yml").write_text(CLAIM)
    run = three.play("claim.yml")
    assert run.returncode != 0
    assert "app-3 was refused, so no host was changed." in run.stdout
    assert not (three.directory / "hosts" / "app-2" / "etc" / "identity.json").exists()


@pytest.mark.deep
@pytest.mark.parametrize("foreign", [False, True])
def test_a_check_that_needs_not_every_host_goes_on_without_a_dead_one_and_not_beside_a_foreign_one(
    fleet: Callable[[int], Fleet], foreign: bool
) -> None:
    """As playbooks/claim.yml begins."""
    three = fleet(3)
    three.dead = {"app-1"}
    if foreign:
        (three.directory / "hosts" / "app-3" / "etc" / "identity.json").write_text('{"environment": "production"}')
    (three.directory / "check.yml").write_text(CHECK)
    run = three.play("check.yml")
    assert run.returncode != 0, run.stdout
    assert sorted(re.findall(r"(app-\d) went on", run.stdout)) == ([] if foreign else ["app-2", "app-3"])
