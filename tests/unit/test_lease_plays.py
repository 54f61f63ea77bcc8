"""The role lease as Ansible plays it, on hosts of which each has its own files, and some are out of reach."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit import apart, played
from tests.unit.played import OUT_OF_REACH, Done

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
        msg: "{{ inventory_hostname }} has {{ lease_taken.token }} of {{ lease_taken.run }} by {{ lease_taken.granted }}"
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


def test_one_host_is_asked_once(fleet: Callable[[int], Fleet]) -> None:
    one = fleet(1)
    run = one.play("take.yml")
    assert run.returncode == 0, run.stdout
    [(token, name, by)] = granted(run).values()
    assert by == ["app-1"]
    assert one.fence("app-1") == {"token": token, "run": name}
    assert one.beats("app-1") == []
    assert [(line["run"], line["what"]) for line in one.history("app-1")] == [(name, "a test")]
    assert "lease : Ask the other hosts" not in tasks(run)


def test_every_host_grants_it_and_remembers_the_run(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    run = three.play("take.yml")
    assert run.returncode == 0, run.stdout
    assert {tuple(by) for _, _, by in granted(run).values()} == {("app-1", "app-2", "app-3")}
    [(token, name)] = {(token, name) for token, name, _ in granted(run).values()}
    lines = [three.history(host) for host in three.hosts]
    assert lines[0] == lines[1] == lines[2]
    assert [(line["run"], line["token"], line["verdict"]) for line in lines[0]] == [(name, token, "unchanged")]
    assert [three.fence(host) for host in three.hosts] == [{"token": token, "run": name}] * 3
    assert [three.beats(host) for host in three.hosts] == [[], [], []]


@pytest.mark.parametrize("size", [2, 3])
def test_without_the_first_host_a_run_that_leaves_it_out_has_the_lease(fleet: Callable[[int], Fleet], size: int) -> None:
    some = fleet(size)
    some.dead = {"app-1"}
    run = some.play("take.yml", "--limit", "!app-1")
    assert run.returncode == 0, run.stdout
    rest = [f"app-{n}" for n in range(2, size + 1)]
    assert {tuple(by) for _, _, by in granted(run).values()} == {tuple(rest)}
    assert [len(some.history(host)) for host in rest] == [1] * len(rest)
    assert some.verdict()["messages"] == []


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


def test_a_minority_is_told_so(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    three.dead = {"app-1", "app-2"}
    run = three.play("take.yml", "--limit", "app-3")
    assert run.returncode == 2, run.stdout
    assert three.verdict()["messages"] == [
        "Too few hosts grant the lease of staging: 2 of app-1, app-2, app-3 must, and only app-3 did. app-1, app-2 could not be "
        "reached. Nothing was changed. Mend what cannot be reached; or, when it is gone for good, take it out of the inventory. "
        "Then run this again."
    ]
    assert three.beats("app-3") == []


def test_a_host_that_has_seen_a_higher_token_makes_the_run_choose_a_higher_one(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    three.file("app-3", "stacks/shop").mkdir(parents=True)
    three.file("app-3", "stacks/shop/fence.json").write_text('{"token": 4000000000}')
    run = three.play("take.yml")
    assert run.returncode == 0, run.stdout
    assert {token for token, _, _ in granted(run).values()} == {4000000001}
    assert {three.fence(host)["token"] for host in three.hosts} == {4000000001}
    assert [len(three.history(host)) for host in three.hosts] == [1, 1, 1]
    assert [three.beats(host) for host in three.hosts] == [[], [], []]


def test_hosts_of_the_lease_that_limit_leaves_out_are_asked(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    run = three.play("take.yml", "--limit", "app-2")
    assert run.returncode == 0, run.stdout
    assert {tuple(by) for _, _, by in granted(run).values()} == {("app-1", "app-2", "app-3")}


def test_a_host_of_another_environment_is_refused_and_the_lease_given_back(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    (three.directory / "hosts" / "app-2" / "etc" / "identity.json").write_text('{"environment": "production"}')
    run = three.play("take.yml")
    assert run.returncode == 2, run.stdout
    assert three.verdict()["messages"][0].startswith("app-2: This host belongs to production and not to staging.")
    assert not three.file("app-2", "leases").exists()
    assert three.beats("app-1") == []


def test_in_check_mode_nothing_is_taken(fleet: Callable[[int], Fleet]) -> None:
    three = fleet(3)
    run = three.play("take.yml", "--check")
    assert run.returncode == 0, run.stdout
    assert {(token, *by) for token, _, by in granted(run).values()} <= {(0,)}
    assert not any(three.file(host, "leases").exists() for host in three.hosts)


def test_the_host_of_the_lease_is_a_word_of_the_past(fleet: Callable[[int], Fleet]) -> None:
    run = fleet(1).play("take.yml", "-e", "lease_host=app-1")
    assert run.returncode == 2
    assert 'lease_host: "app-1" means nothing any more, because no single host keeps the lease' in run.stdout
