"""Feature flags switched by their playbook while users are served, and a deploy that does not know of a switch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.world import STACK, Environment, Run, eventually, on, says

PLAYBOOK = "playbooks/flags.yml"
FLAG = "loud-captions"
USERS = [f"user-{number}" for number in range(40)]


@pytest.fixture
def flags(production: Environment, inventories: Path) -> Iterator[Environment]:
    """Production with an inventory of its own; afterwards hosts have the flags of the repository again."""
    yield replace(production, inventories=str(inventories))
    for host in production.hosts:
        on(host, "rm", "-f", f"{STACK}/live/flags/flags.json", f"{STACK}/flags.jsonl")
    production.deployed("1.0.0")


def file(environment: Environment) -> Path:
    return Path(environment.inventories, environment.name, "flags.json")


def there(host: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(on(host, "cat", f"{STACK}/live/flags/flags.json"))
    return found


def switched(environment: Environment, to: str) -> Run:
    run = environment.play(PLAYBOOK, "-e", f"flag={FLAG}", "-e", f"to={to}", "-e", "why=a try of it")
    assert run.code == 0, run.output
    return run


def loud(environment: Environment) -> set[str]:
    """The users who have it, as each host's API says."""
    found = set()
    for user in USERS:
        status, headers, body = environment.ask("/api/context", more={"X-User": user})
        assert (status, headers["x-environment"], headers["x-release"]) == (200, "production", "1.0.0")
        found |= {user} if json.loads(body)["flags"]["loud_captions"] else set()
    return found


@pytest.mark.deep
def test_under_load_a_flag_goes_to_half_and_to_all_without_a_restart_or_a_failed_request(flags: Environment) -> None:
    before = {host: flags.containers(host) for host in flags.hosts}
    with flags.load() as load:
        assert loud(flags) == set()
        run = switched(flags, "50")
        says(run, [f"changed: {FLAG}: on 0 %, off 100 % -> on 50 %, off 50 %", "VERDICT done: production flags"])
        eventually(lambda: loud(flags) == loud(flags) != set(), "every replica has read it")
        half = loud(flags)
        assert 5 < len(half) < 35
        assert half == loud(flags), "each keeps the side, whichever replica answers"
        switched(flags, "75")
        eventually(lambda: loud(flags) == loud(flags) != half, "every replica has read it")
        assert half < loud(flags)
        switched(flags, "100")
        eventually(lambda: loud(flags) == loud(flags) == set(USERS), "every user has it")
        switched(flags, "off")
        eventually(lambda: loud(flags) == set(), "nobody has it")
    assert load.report.is_clean, load.report.failures
    assert {host: flags.containers(host) for host in flags.hosts} == before
    assert [there(host) for host in flags.hosts] == [json.loads(file(flags).read_text())] * len(flags.hosts)
    shown = flags.play(PLAYBOOK)
    says(shown, [f"a try of it: {FLAG}: on 75 %, off 25 % -> on 100 %, off 0 %"])


@pytest.mark.deep
def test_a_deploy_that_does_not_know_of_a_switch_leaves_it_and_a_switch_leaves_what_a_deploy_brought(flags: Environment) -> None:
    before = file(flags).read_text()
    switched(flags, "disabled")
    newer = file(flags).read_text()
    # As in a checkout to which nobody has pushed.
    file(flags).write_text(before)
    run = flags.deployed("1.0.0")
    says(run, ["VERDICT unchanged: production 1.0.0", "the flags stay at version 2", "a try of it"])
    assert {there(host)["flags"][FLAG]["state"] for host in flags.hosts} == {"DISABLED"}

    # A host that has lost its file gets the newest one, too.
    on(flags.hosts[1], "rm", f"{STACK}/live/flags/flags.json")
    flags.deployed("1.0.0")
    assert [there(host) for host in flags.hosts] == [json.loads(newer)] * 2

    refused = flags.play(PLAYBOOK, "-e", f"flag={FLAG}", "-e", "to=on", "-e", "why=x")
    assert refused.code != 0
    says(refused, ["VERDICT refused: production flags", "has version 2", "flags_take=true"])
    taken = flags.play(PLAYBOOK, "-e", "flags_take=true")
    assert taken.code == 0, taken.output
    assert json.loads(file(flags).read_text()) == json.loads(newer)
    brought = flags.play(PLAYBOOK, "-e", "flags_bring=true", "-e", "why=nothing to do")
    assert brought.code == 0, brought.output
    assert file(flags).read_text() == newer


@pytest.mark.deep
def test_an_unknown_flag_and_a_wrong_type_reach_no_host(flags: Environment) -> None:
    before = [there(host) for host in flags.hosts]
    run = flags.play(PLAYBOOK, "-e", "flag=loud-caption", "-e", "to=on", "-e", "why=x")
    says(run, ["VERDICT refused: production flags", f'"loud-caption" is none of the flags; there is {FLAG}, page-theme'])
    found = json.loads(file(flags).read_text())
    found["flags"][FLAG]["variants"] = {"on": "yes", "off": "no"}
    file(flags).write_text(json.dumps(found))
    for run in (flags.deploy("1.0.0"), flags.play(PLAYBOOK)):
        assert run.code != 0
        says(run, ["VERDICT refused", f"flags.{FLAG}.variants: are string, and the application asks for boolean"])
    assert [there(host) for host in flags.hosts] == before


@pytest.mark.deep
def test_the_page_says_which_environment_it_is(staging: Environment, production: Environment) -> None:
    for environment in (staging, production):
        status, headers, page = environment.ask("/")
        assert (status, headers["x-environment"]) == (200, environment.name)
        assert f'{{"environment": "{environment.name}", "release": "1.0.0", "api": ""}}' in page
