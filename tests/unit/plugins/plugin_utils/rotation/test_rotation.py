from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.rotation import plan as rotation
from ansible_collections.morpheus.deploy.plugins.plugin_utils.rotation.plan import Entry, Phase, State, Step

URL = "postgresql://app_a:canary-old@db.projecta.supabase.co:5432/postgres"
ADMIN = "postgresql://postgres:canary-admin@db.projecta.supabase.co:5432/postgres"
SECRETS = {"api.DATABASE_URL": URL, "api.KEY": "canary-key", "ml.KEY": "canary-key", "api.OTHER": "canary-other"}
SECRETS |= {"registries.ghcr.io.password": "canary-pull"}
PAIR = {"admin_url": ADMIN, "roles": ["app_a", "app_b"], "owner": "app", "wait_seconds": 30.0}
DATABASE = {
    "name": "database",
    "secrets": ["api.DATABASE_URL"],
    "variable": "v",
    "provider": "postgres_role_pair",
    "postgres": PAIR,
}
PROBE = {"url": "https://api.example.com/me", "header": "Authorization", "value": "Bearer {secret}", "wait_seconds": 30.0}
COMMAND = {"create": ["make"], "revoke": ["drop"], "admin_key": "", "timeout_seconds": 60.0}
KEY = {"name": "ml", "secrets": ["api.KEY", "ml.KEY"], "variable": "k", "provider": "command", "command": COMMAND, "probe": PROBE}

OWN = {"name": "session", "secrets": ["api.OTHER"], "variable": "o", "provider": "generated"}


def state(phase: Phase, new: str = "n") -> State:
    return State("x", "1", phase, "2026-01-01", "o", new)


FROM_SPREAD = "spread roll attest"
PLANS = [
    ("command", None, False, f"make add switch {FROM_SPREAD} revoke prove record"),
    ("command", state(Phase.ADDING, ""), False, f"make add switch {FROM_SPREAD} revoke prove record"),
    ("command", state(Phase.ADDING), False, f"add switch {FROM_SPREAD} revoke prove record"),
    ("command", state(Phase.ROLLING), False, f"switch {FROM_SPREAD} revoke prove record"),
    ("postgres_role_pair", None, False, f"make add switch {FROM_SPREAD} revoke prove record"),
    ("postgres_role_pair", None, True, f"make add switch {FROM_SPREAD} record"),
    ("manual", None, False, f"make add switch {FROM_SPREAD} wait"),
    ("manual", state(Phase.ROLLING), False, f"switch {FROM_SPREAD} wait"),
    ("manual", state(Phase.WAITING), False, f"switch {FROM_SPREAD} prove record"),
    ("generated", None, False, f"make switch {FROM_SPREAD} record"),
    ("generated", state(Phase.ADDING), False, f"switch {FROM_SPREAD} record"),
    ("generated", state(Phase.ROLLING), False, f"switch {FROM_SPREAD} record"),
]


@pytest.mark.parametrize(("provider", "found", "keeps_old", "expected"), PLANS)
def test_what_is_left_to_do_follows_from_the_state(provider: str, found: State | None, keeps_old: bool, expected: str) -> None:
    assert [step.value for step in rotation.remaining(provider, found, keeps_old=keeps_old)] == expected.split()


@pytest.mark.parametrize("entry", [DATABASE, KEY, OWN], ids=["database", "key", "own"])
def test_a_good_configuration_has_no_problem(entry: dict[str, Any]) -> None:
    assert rotation.config_problems([entry], SECRETS) == []


def pair(**changed: Any) -> dict[str, Any]:
    return {**DATABASE, "postgres": {**PAIR, **changed}}


PROBLEMS = [
    pytest.param(
        {**DATABASE, "secrets": ["api.NONE"]},
        ["secrets: unknown: api.NONE; known: api.DATABASE_URL"],
        id="a rotation of an unknown secret",
    ),
    pytest.param({**DATABASE, "secrets": []}, ["secrets: must name at least one"], id="a rotation of no secret"),
    pytest.param(
        {**KEY, "secrets": ["api.KEY", "api.OTHER"]},
        ["secrets: api.KEY, api.OTHER do not have the same value"],
        id="a rotation of two values",
    ),
    pytest.param(
        {**KEY, "provider": "runpod"},
        ['provider: "runpod" is not one of postgres_role_pair, command, manual, generated'],
        id="an unknown provider",
    ),
    pytest.param(
        {**KEY, "command": None, "probe": None},
        ["command: required by the provider command", "probe: required by the provider command"],
        id="missing",
    ),
    pytest.param({**KEY, "command": None}, ["command: required by the provider command"], id="a provider without its command"),
    pytest.param({**KEY, "probe": None}, ["probe: required by the provider command"], id="a provider without its probe"),
    pytest.param(
        {**DATABASE, "postgres": None},
        ["postgres: required by the provider postgres_role_pair"],
        id="a provider without its options",
    ),
    pytest.param(
        {**KEY, "command": {"create": ["x"], "revoke": []}},
        ["command.revoke: must hold a program and its arguments"],
        id="a command that is none",
    ),
    pytest.param(
        {**KEY, "probe": {**PROBE, "url": "ftp://x"}},
        ["probe.url: must begin with http:// or https://"],
        id="a probe's URL without http",
    ),
    pytest.param(
        {**KEY, "probe": {**PROBE, "value": "Bearer"}},
        ['probe.value: must hold {secret}, for example "Bearer {secret}"'],
        id="a probe that sends no secret",
    ),
    pytest.param(
        {**KEY, "probe": {**PROBE, "value": "Basic {basic}"}},
        ["probe.username: required, because probe.value holds {basic}; whose password it is"],
        id="a probe with a password of nobody",
    ),
    pytest.param(
        {**DATABASE, "secrets": ["registries.ghcr.io.password"], "provider": "generated", "postgres": None},
        [
            "provider: generated cannot renew registries.ghcr.io.password, which a registry gives out; use manual or command",
        ],
        id="a registry's password that is generated",
    ),
    pytest.param(pair(roles=["app_a"]), ["postgres.roles: must be two different ones"], id="one role for a pair"),
    pytest.param(
        pair(roles=["app_a", "App B"]),
        ['postgres.roles: "App B" must be lower-case letters, digits and _'],
        id="a role's name that is none",
    ),
    pytest.param(pair(owner="app_a"), ["postgres.owner: must not be one of the roles"], id="the owner in the pair"),
    pytest.param(
        pair(roles=["app_a", "postgres"]),
        ["postgres.admin_url: must not log in as one of the roles"],
        id="the administrator in the pair",
    ),
    pytest.param(
        pair(admin_url=ADMIN.replace("projecta", "projectb")),
        ["postgres.admin_url: leads to another Supabase project than the secret"],
        id="an administrator of another project",
    ),
    pytest.param(
        pair(admin_url="canary-x"),
        ["postgres.admin_url: it, or the secret, is not a connection URL"],
        id="an administrator without a connection URL",
    ),
]


@pytest.mark.parametrize(("entry", "expected"), PROBLEMS)
def test_every_problem_is_named_with_its_path_and_no_value(entry: dict[str, Any], expected: list[str]) -> None:
    found = rotation.config_problems([entry], SECRETS)
    assert len(found) == len(expected)
    for problem, begin in zip(found, expected, strict=True):
        assert problem.startswith(f"stack_rotation[0].{begin}")
        assert "canary" not in problem


def test_a_name_stands_once() -> None:
    assert rotation.config_problems([KEY, KEY], SECRETS) == ['stack_rotation[1].name: "ml" is already used by stack_rotation[0]']


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        ("good", ""),
        ("", "is empty"),
        (" \n", "is empty"),
        (" x", "must be one line, without spaces around it"),
        ("a\nb", "must be one line, without spaces around it"),
        ("old", "is the old one"),
    ],
)
def test_a_value_that_somebody_else_made_is_looked_at(new: str, problem: str) -> None:
    assert rotation.value_problem(new, "old") == problem


def test_a_state_reads_back_and_shows_no_value() -> None:
    before = State("ml", "1", Phase.ROLLING, "2026-01-01", "canary-old", "canary-new")
    assert State.read(before.as_dict()) == before
    assert State.read({}) is None
    assert "canary" not in repr(before)


@pytest.mark.parametrize(
    "broken", [{"name": "x"}, {**state(Phase.ADDING).as_dict(), "phase": "?"}, {**state(Phase.ADDING).as_dict(), "x": ""}]
)
def test_a_state_that_no_rotation_wrote_is_refused(broken: dict[str, str]) -> None:
    with pytest.raises(DeployError, match="vault_rotation is not what a rotation writes there"):
        State.read(broken)


def test_a_login_that_is_not_of_the_pair_is_told_from_those_that_are() -> None:
    [entry] = rotation.entries([DATABASE])
    assert not entry.is_foreign(URL)
    assert entry.is_foreign(ADMIN)
    assert not rotation.entries([KEY])[0].is_foreign("anything")


def test_people_read_roles_and_no_values() -> None:
    [entry] = rotation.entries([DATABASE])
    sentences = rotation.describe(entry, None, URL)
    assert sentences["add"] == "let the provider accept app_b, and see that it does"
    assert sentences["revoke"] == "revoke app_a"
    assert "canary" not in str(sentences)


def test_what_no_host_holds_is_neither_spread_nor_rolled_nor_attested() -> None:
    steps = rotation.remaining(rotation.MANUAL, None, on_hosts=False)
    assert steps == [Step.MAKE, Step.ADD, Step.SWITCH, Step.WAIT]
    waiting = State("pull", "id", Phase.WAITING, "2026-11-26", "old", "new")
    assert rotation.remaining(rotation.MANUAL, waiting, on_hosts=False) == [Step.SWITCH, Step.PROVE, Step.RECORD]
    entry = Entry("pull", ["registries.ghcr.io.password", "api.KEY"], "v", rotation.MANUAL, {}, {}, {})
    assert entry.on_hosts == ["api.KEY"]
