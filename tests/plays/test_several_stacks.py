"""An inventory with several stacks: what each playbook plays for all of them and for each, shown by Ansible with stand-ins."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml

from tests.plays.sinks import sinks
from tests.plays.staged import BACKUPS, COMPOSE, HOSTS, VARIABLES, Case, Done, Stage, rollout, rule

SINGLE = ("stack", "stack_release", "stack_source", "stack_secrets", "stack_rotation", "stack_other_fingerprints")
SHARED = {name: value for name, value in VARIABLES.items() if name not in SINGLE}
WEB: dict[str, Any] = {
    "source": VARIABLES["stack_source"],
    "release": "1.1.0",
    "secrets": VARIABLES["stack_secrets"],
    **{key: value for key, value in VARIABLES["stack"].items() if key != "name"},
}
GATEWAY = {**WEB, "services": [{**WEB["services"][0], "routes": [{"host": "ml.example"}]}]}
STACKS = {"web": {**WEB, "after": ["gateway"]}, "gateway": GATEWAY, "extra": {**WEB, "services": []}}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


def inventory(stacks: Any, **variables: Any) -> dict[str, str]:
    groups = {
        "all": {"vars": {**SHARED, "stacks": stacks, **variables}},
        "app": {"hosts": {host: {} for host in HOSTS}},
        "ml": {"hosts": {"app-2": {}}},
    }
    return {"hosts.yml": yaml.safe_dump(groups), "source/compose.yml": COMPOSE}


def directory(request: pytest.FixtureRequest) -> str:
    return str(request.node.name.replace("[", "-").replace("]", ""))


def play(
    stage: Stage,
    request: pytest.FixtureRequest,
    playbook: str,
    *options: str,
    stacks: Any = STACKS,
    rules: Sequence[Mapping[str, Any]] = (),
    **variables: Any,
) -> Done:
    return stage.play(
        directory(request),
        playbook,
        Case(options, rules=rules, files=inventory(stacks, **variables), environment={"no_proxy": "127.0.0.1"}),
    )


def rolled(done: Done) -> list[str]:
    return [f"{one['stack']} {one['host']}" for one in done.asked if one["module"] == "stack_rollout"]


BROKEN = rollout("deploy", "1.1.0", "1.0.0", failed=True, switched=False, left="as_before", msg="the gate was not passed")


@pytest.mark.deep
def test_all_stacks_are_deployed_in_order_under_one_lease(stage: Stage, request: pytest.FixtureRequest) -> None:
    done = play(stage, request, "deploy")
    assert done.code == 0, done.output
    assert rolled(done) == [f"{stack} {host}" for stack in ("extra", "gateway", "web") for host in HOSTS]
    taken = [one["host"] for one in done.asked if one["module"] == "lease"]
    assert taken == [*HOSTS]
    verdict = done.files["staging/verdict.json"]
    assert (verdict["verdict"], verdict["failed"], verdict["release"]) == (
        "deployed",
        False,
        "extra 1.1.0, gateway 1.1.0, web 1.1.0",
    )
    assert {name: part["verdict"] for name, part in verdict["stacks"].items()} == dict.fromkeys(
        ("extra", "gateway", "web"), "deployed"
    )
    assert done.files["staging/gateway/verdict.json"]["hosts"]["app-1"]["release"] == "1.1.0"


def by_name(done: Done, file: str = "verdict.json") -> dict[str, tuple[str, bool]]:
    return {name: (one["verdict"], one["failed"]) for name, one in done.files[f"staging/{file}"]["stacks"].items()}


@pytest.mark.deep
def test_a_broken_stack_keeps_from_their_turn_only_those_that_come_after_it(stage: Stage, request: pytest.FixtureRequest) -> None:
    done = play(stage, request, "deploy", rules=[rule("stack_rollout", BROKEN, stack="gateway", kind="deploy")])
    assert done.code == 2, done.output
    assert rolled(done) == ["extra app-1", "extra app-2", "gateway app-1"]
    assert done.files["staging/verdict.json"]["verdict"] == "mixed"
    assert by_name(done) == {"extra": ("deployed", False), "gateway": ("failed", True), "web": ("not_tried", True)}
    said = done.output.rpartition("\nVERDICT ")[2].splitlines()
    assert said[0].startswith("mixed: staging, 3 stacks in ")
    assert said[1:] == [
        "  extra: deployed 1.1.0 (was 1.0.0)",
        "    app-1 runs 1.1.0",
        "    app-2 runs 1.1.0",
        "  gateway: failed 1.1.0 (was 1.0.0)",
        "    app-1 runs 1.0.0",
        "    app-2 runs 1.0.0",
        "    the gate was not passed",
        "  web: not tried",
        "    it was left as it is, because gateway failed",
        "  details: .deploy/staging/verdict.json",
    ]


@pytest.mark.deep
def test_one_stack_is_deployed_by_its_name_on_its_own_hosts(stage: Stage, request: pytest.FixtureRequest) -> None:
    stacks = {**STACKS, "gateway": {**GATEWAY, "hosts": "ml"}}
    options = ("-e", "stack_name=gateway", "-e", "stack_release=1.1.0")
    done = play(stage, request, "deploy", *options, stacks=stacks)
    assert done.code == 0, done.output
    assert rolled(done) == ["gateway app-2"]
    assert by_name(done) == {"gateway": ("deployed", False)}
    assert done.files["staging/gateway/verdict.json"]["left_out"] == {}


@pytest.mark.deep
def test_what_is_wrong_with_several_stacks_comes_in_one_message_before_any_connection(
    stage: Stage, request: pytest.FixtureRequest
) -> None:
    wrong = {"gateway": {**GATEWAY, "source": "/nowhere/gateway"}, "web": {**WEB, "drain_seconds": "soon", "env": {"A": {}}}}
    done = play(stage, request, "deploy", stacks=wrong)
    assert (done.code, done.asked) == (2, [])
    assert done.files["staging/verdict.json"]["messages"] == [
        "Nothing was contacted or changed. Problems in the configuration:\n"
        '  - stacks.gateway.source: "/nowhere/gateway" is no directory on this machine\n'
        "  - stacks.web.drain_seconds: must be a number, 0 or more, not 'soon'\n"
        "  - stacks.web.env.A: the name becomes a file name: lower-case letters, digits, - and _"
    ]


@pytest.mark.deep
def test_people_are_told_and_hooks_are_called_once_for_all_stacks(stage: Stage, request: pytest.FixtureRequest) -> None:
    keep = ["tee", "-a", "{{ inventory_dir }}/told.txt"]
    called = {name: {"command": keep} for name in ("before_deploy", "after_deploy", "on_failure")}
    stacks = {name: STACKS[name] for name in ("web", "gateway")}
    with sinks() as sink:
        channels = [{"name": "ops", "kind": "webhook", "url": sink.url("/ops")}]
        told = {"timeout_seconds": 60, "channels": channels}
        done = play(stage, request, "deploy", stacks=stacks, notifications=told, hooks=called)
    assert done.code == 0, done.output
    assert [one["event"] for one in sink.at("/ops")] == ["start", "success"]
    assert sink.at("/ops")[1]["hosts"] == "gateway: deployed, web: deployed"
    assert "notices" not in done.files["staging/verdict.json"]
    lines = (stage.directory / directory(request) / "told.txt").read_text().splitlines()
    before, after = (json.loads(line) for line in lines)
    assert (before["hook"], before["release"]) == ("before_deploy", "gateway 1.1.0, web 1.1.0")
    assert after["hook"] == "after_deploy"
    assert {name: one["verdict"] for name, one in after["stacks"].items()} == dict.fromkeys(stacks, "deployed")


@pytest.mark.deep
def test_what_is_wrong_with_whom_they_tell_is_said_once_for_all_stacks(stage: Stage, request: pytest.FixtureRequest) -> None:
    wrong = {
        "channels": [{"name": "ops", "kind": "webhook", "url": "https://x", "events": "start"}, {"name": "B", "kind": "slack"}]
    }
    done = play(stage, request, "deploy", notifications=wrong)
    assert (done.code, done.asked) == (2, [])
    assert done.files["staging/verdict.json"]["messages"][0].splitlines()[1:] == [
        "  - notifications.channels[0].events: must be a list, not a string",
        '  - notifications.channels[1].name: "B" may hold only lower-case letters, digits, - and _',
        "  - notifications.channels[1].url: required for slack",
    ]


@pytest.mark.deep
def test_a_release_of_nobody_is_refused(stage: Stage, request: pytest.FixtureRequest) -> None:
    done = play(stage, request, "deploy", "-e", "stack_release=1.1.0")
    said = "stack_release: of which stack? There is extra, gateway, web; add -e stack_name=<one of them>."
    assert (done.code, done.asked) == (2, [])
    assert done.files["staging/verdict.json"]["messages"] == [f"{said} Nothing was contacted or changed."]


def kept(**stacks: str) -> dict[str, Any]:
    """What the history keeps of the last run."""
    each = {
        name: {"verdict": word, "kind": "deploy", "from_id": "1.0.0-aa", "to_id": "1.1.0-bb", "to": "1.1.0", "hosts": {}}
        for name, word in stacks.items()
    }
    line = {"at": "2026-01-01T12:00:00Z", "run": "a", "what": "deploy all", "verdict": "mixed", "owner": "anna", "stacks": each}
    return rule("lease", {"changed": False, "token": 0, "holder": None, "msg": "free", "history": [line]}, state="read")


@pytest.mark.deep
def test_a_bare_rollback_takes_back_what_the_last_run_changed_the_other_way_round(
    stage: Stage, request: pytest.FixtureRequest
) -> None:
    done = play(stage, request, "rollback", rules=[kept(extra="unchanged", gateway="deployed", web="deployed")])
    assert done.code == 0, done.output
    assert rolled(done) == [f"{stack} {host}" for stack in ("web", "gateway") for host in HOSTS]
    assert (done.files["staging/verdict.json"]["verdict"], by_name(done)) == (
        "rolled_back",
        {"web": ("rolled_back", False), "gateway": ("rolled_back", False)},
    )


@pytest.mark.deep
def test_status_shows_all_stacks_in_one_table(stage: Stage, request: pytest.FixtureRequest) -> None:
    drifts = {"changed": False, "environment": "staging", "live": "1.1.0-bb", "release": "1.1.0", "since": "2026-01-01T12:00:00Z"}
    drifts |= {"rolling": "", "edge": "up", "services": [], "drift": ["a container is gone"]}
    drifts |= {"mend": ["ansible-playbook deploy.yml -i inventories/staging -e stack_release=1.1.0"]}
    rules = [kept(extra="unchanged", gateway="rolled_back"), rule("stack_status", drifts, stack="web", host="app-1")]
    done = play(stage, request, "status", stacks={**STACKS, "gateway": {**GATEWAY, "hosts": "ml"}}, rules=rules)
    assert done.code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    assert [line[:4] for line in lines if line[:1] in (["extra"], ["gateway"], ["web"]) and line[1][:4] == "app-"] == [
        ["extra", "app-1", "1.1.0", line_age(lines)],
        ["extra", "app-2", "1.1.0", line_age(lines)],
        ["gateway", "app-2", "1.1.0", line_age(lines)],
        ["web", "app-1", "1.1.0", line_age(lines)],
        ["web", "app-2", "1.1.0", line_age(lines)],
    ]
    assert "  web on app-1: a container is gone" in done.output
    assert (
        "Mend it with: ansible-playbook deploy.yml -i inventories/staging -e stack_name=web -e stack_release=1.1.0" in done.output
    )
    assert [line[:3] for line in lines if line[:1] == ["rolled_back"]] == [["rolled_back", "gateway", "1.1.0"]]
    report = done.files["staging/status.json"]
    assert {name: sorted(hosts) for name, hosts in report["stacks"].items()} == {
        "extra": ["app-1", "app-2"],
        "gateway": ["app-2"],
        "web": ["app-1", "app-2"],
    }


def ledger(*applied: str, **other: Any) -> dict[str, Any]:
    files = [{"version": version, "paths": [f"migrations/{version}_m.sql"]} for version in ("0001", "0002")]
    release = {"head": "0002", "compatible_since": "", "breaking": {}, "migrations": files}
    rows = [{"version": version, "name": "", "state": "applied"} for version in applied]
    about = {"changed": False, "ledger": "s.versions", "reader": "ledger.URL", "at": "2026-07-01T12:00:00Z", "why": ""}
    return {**about, "source": "live", "rows": rows, "live": "1.1.0-bb", "releases": {"1.1.0-bb": release}, **other}


@pytest.mark.deep
def test_status_tells_of_each_stack_which_migrations_its_database_has(stage: Stage, request: pytest.FixtureRequest) -> None:
    none = ledger(ledger="", reader="", source="none", at="", releases={})
    rules = [
        kept(web="deployed"),
        rule("stack_ledger", ledger("0001", "0002"), stack="web"),
        rule("stack_ledger", ledger("0001"), stack="gateway"),
        rule("stack_ledger", none, stack="extra"),
    ]
    done = play(stage, request, "status", stacks={**STACKS, "gateway": {**GATEWAY, "hosts": "ml"}}, rules=rules)
    assert done.code == 0, done.output
    asked = [f"{one['stack']} {one['host']}" for one in done.asked if one["module"] == "stack_ledger"]
    assert sorted(asked) == ["extra app-1", "extra app-2", "gateway app-2", "web app-1", "web app-2"]
    schemas = done.files["staging/status.json"]["schemas"]
    assert {name: (one["host"], one["head"], one["pending"]) for name, one in schemas.items()} == {
        "web": ("app-1", "0002", []),
        "gateway": ("app-2", "0001", ["migrations/0002_m.sql"]),
    }
    assert "SCHEMA of web  at 0002, s.versions read from app-1\n" in done.output
    said = done.output.partition("SCHEMA of gateway  ")[2].splitlines()
    assert said[:2] == [
        "at 0001, s.versions read from app-2",
        "  the live release has migrations that are not applied: migrations/0002_m.sql",
    ]


def line_age(lines: list[list[str]]) -> str:
    return next(line[3] for line in lines if line[:2] == ["extra", "app-1"])


def waits(stack: str) -> dict[str, Any]:
    return rule("stack_rollout", "waits", stack=stack)


@pytest.mark.deep
@pytest.mark.parametrize("sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.deep)])
def test_an_interrupted_run_says_what_became_of_each_stack(
    stage: Stage, request: pytest.FixtureRequest, sent: signal.Signals
) -> None:
    name = request.node.name.replace("[", "-").replace("]", "")
    case = Case(rules=[waits("gateway")], files=inventory(STACKS), sent=sent)
    done = stage.play(name, "deploy", case)
    assert done.code == 99, done.output
    verdict = done.files["staging/verdict.json"]
    assert (verdict["verdict"], by_name(done)) == ("mixed", {"extra": ("deployed", False), "gateway": ("mixed", True)})
    how = "Ctrl-C" if sent == signal.SIGINT else "SIGTERM"
    assert f"the run was interrupted by {how}" in verdict["messages"][0]
    assert f"the run was interrupted by {how}" in verdict["stacks"]["gateway"]["messages"][0]
    assert rolled(done) == ["extra app-1", "extra app-2", "gateway app-1"]


@pytest.mark.deep
def test_each_stack_is_restarted_under_one_lease(stage: Stage, request: pytest.FixtureRequest) -> None:
    done = play(stage, request, "restart")
    assert done.code == 0, done.output
    assert rolled(done) == [f"{stack} {host}" for stack in ("extra", "gateway", "web") for host in HOSTS]
    tokens = {(one["token"], one["run"]) for one in done.asked if one["module"] == "stack_rollout"}
    assert tokens == {(7, "run-a")}


@pytest.mark.deep
def test_a_secret_of_one_stack_is_rotated_under_its_name(stage: Stage, request: pytest.FixtureRequest) -> None:
    stacks = {**STACKS, "web": {**WEB, "rotation": VARIABLES["stack_rotation"]}}
    done = play(stage, request, "rotate_secrets", "-e", "stack_name=web", stacks=stacks)
    assert done.code == 0, done.output
    assert {one["stack"] for one in done.asked if one["module"] == "stack_secret"} == {"web"}
    unnamed = stage.play("rotation-of-nobody", "rotate_secrets", Case(files=inventory(stacks)))
    assert (unnamed.code, unnamed.asked) == (2, [])
    assert "secret: of which stack? There is extra, gateway, web; add -e stack_name=<one of them>." in unnamed.verdict


@pytest.mark.deep
@pytest.mark.parametrize(
    ("playbook", "word", "code"),
    [pytest.param("claim", "done", 0, marks=pytest.mark.deep), ("config", "done", 0), ("audit", "failed", 2)],
)
def test_what_needs_no_lease_is_done_for_each_stack(
    stage: Stage, request: pytest.FixtureRequest, playbook: str, word: str, code: int
) -> None:
    done = play(stage, request, playbook)
    assert done.code == code, done.output
    assert [line for line in done.output.splitlines() if line.startswith("STACK ")] == [
        "STACK extra (1 of 3)",
        "STACK gateway (2 of 3)",
        "STACK web (3 of 3)",
    ]
    assert f"\nVERDICT {word}: staging, 3 stacks in " in done.output


@pytest.mark.deep
def test_a_check_of_all_stacks_takes_no_lease_and_changes_nothing(stage: Stage, request: pytest.FixtureRequest) -> None:
    done = play(stage, request, "deploy", "--check")
    assert done.code == 0, done.output
    assert by_name(done, "check.json") == dict.fromkeys(("extra", "gateway", "web"), ("checked", False))


@pytest.mark.deep
def test_tags_that_ask_for_the_check_alone_begin_no_part(stage: Stage, request: pytest.FixtureRequest) -> None:
    done = play(stage, request, "deploy", "--tags", "preflight")
    assert (done.code, done.asked) == (0, [])
    assert "STACK " not in done.output


WATCHED = {
    "monitoring": {
        "receivers": [{"name": "team", "kind": "webhook", "url": "http://alerts.example/"}],
        "urls": ["https://shop.example/"],
    },
    "edge_metrics_address": "{{ {'app-1': '10.0.0.1', 'app-2': '10.0.0.2'}[inventory_hostname] }}:8405",
}


@pytest.mark.deep
def test_the_monitoring_of_one_host_is_told_of_all_hosts(stage: Stage, request: pytest.FixtureRequest) -> None:
    told = "{{ {'TARGETS': lookup('morpheus.deploy.monitoring').variables.PROMETHEUS_YML} }}"
    stacks = {"hosts": {**WEB, "hosts": "app-1"}, "watch": {**WEB, "services": [], "hosts": "monitoring", "variables": told}}
    files = inventory(stacks, **WATCHED)
    groups = yaml.safe_load(files["hosts.yml"])
    groups["monitoring"] = {"hosts": {"app-2": None}}
    files["hosts.yml"] = yaml.safe_dump(groups)
    done = stage.play(directory(request), "deploy", Case(files=files))
    assert done.code == 0, done.output
    assert rolled(done) == ["hosts app-1", "watch app-2"]
    [released] = [one for one in done.asked if one["module"] == "stack_release" and one["host"] == "app-2" and one["stack"]]
    targets = yaml.safe_load(released["stack"]["variables"]["TARGETS"])["scrape_configs"][0]["static_configs"]
    assert {one["labels"]["host"]: one["targets"] for one in targets} == {
        "app-1": ["10.0.0.1:8405"],
        "app-2": ["10.0.0.2:8405"],
    }


@pytest.mark.deep
@pytest.mark.parametrize(("named", "made_on"), [("app-2", "app-2"), ("", "app-1")])
def test_backups_stay_on_their_host_wherever_the_stack_runs(
    stage: Stage, request: pytest.FixtureRequest, named: str, made_on: str
) -> None:
    """One directory holds them all, and only what lies there is ever pruned, listed and restored."""
    elsewhere = next(host for host in HOSTS if host != made_on)
    migrate = "  migrate: {image: 'shop/web:${STACK_RELEASE}', profiles: [migrate], mem_limit: 64M}\n"
    files = inventory({"web": {**WEB, "hosts": elsewhere, "migration": {"service": "migrate"}}}, **json.loads(BACKUPS[1]))
    files["source/compose.yml"] = COMPOSE + migrate
    options = ("-e", json.dumps({"backup": {**json.loads(BACKUPS[1])["backup"], "host": named}}))
    done = stage.play(directory(request), "deploy", Case(options, files=files))
    assert done.code == 0, done.output
    assert [one["host"] for one in done.asked if one["module"] == "database_backup"] == [made_on]
    assert [one["host"] for one in done.asked if one["module"] == "stack_migration"] == [elsewhere]
