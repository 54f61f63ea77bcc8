"""Where a rollback goes: a table of what hosts may know."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.rollback import decide


def host(
    live: str = "",
    previous: str = "",
    rolling: tuple[str, str] | None = None,
    retained: str = "abc",
    head: str = "",
    since: str = "",
) -> dict[str, Any]:
    """A host where releases have one letter; ``rolling``: (release, kind) of a rollout that was not finished."""
    return {
        "live": live and f"{live}-1",
        "previous": previous and f"{previous}-1",
        "rolling": {"id": f"{rolling[0]}-1", "kind": rolling[1]} if rolling else {},
        "schema": {"head": head, "compatible_since": since},
        "releases": [release(one) for one in retained],
    }


def release(name: str, **more: Any) -> dict[str, Any]:
    schema = {"a": "0001", "b": "0002", "c": "0003"}.get(name, "")
    found = {"id": f"{name}-1", "release": name, "missing_images": [], "missing_secrets": [], "schema": {"head": schema}}
    return {**found, "status": "superseded", **more}


DEPLOY, BACK = "deploy", "rollback"
TARGETS = [
    pytest.param({"x": host("b", "a")}, "a-1", id="the one before"),
    pytest.param({"x": host("c", "b"), "y": host("c", "b")}, "b-1", id="the one before, on both hosts"),
    pytest.param({"x": host("a", "", ("b", DEPLOY))}, "a-1", id="a killed deploy: what was live then"),
    pytest.param({"x": host("b", "a", ("c", DEPLOY)), "y": host("b", "a")}, "b-1", id="a deploy killed on the first of two"),
    pytest.param({"x": host("c", "b"), "y": host("b", "a", ("c", DEPLOY))}, "b-1", id="a deploy killed on the second of two"),
    pytest.param({"x": host("c", "b"), "y": host("b", "a")}, "b-1", id="a deploy killed between two hosts"),
    pytest.param({"x": host("c", "b", ("b", BACK)), "y": host("c", "b")}, "b-1", id="a killed rollback goes on"),
    pytest.param(
        {"x": host("b", "a"), "y": host("c", "b", ("b", BACK))}, "b-1", id="a rollback killed on the second of two goes on"
    ),
    pytest.param({"x": host("b", "a"), "y": host("", "", None, "b")}, "a-1", id="a host without a release misses it"),
]


@pytest.mark.parametrize(("hosts", "target"), TARGETS)
def test_without_a_wish_it_goes_to_the_last_release_that_was_live_and_good_everywhere(hosts: dict[str, Any], target: str) -> None:
    assert decide(hosts).id == target


def test_what_jobs_did_for_releases_that_are_left_is_said() -> None:
    """And for those that failed since; what they did before is known to whoever runs the target today."""
    info = host("b", "a", retained="")
    at = "2026-01-0{}T00:00:00Z".format
    info["releases"] = [
        release("a", at=at(2), jobs=["setup", "migrate"]),
        release("b", at=at(2), status="live", jobs=["migrate"]),
        release("c", at=at(3), status="failed", jobs=["migrate", "setup"]),
        release("d", at=at(1), status="failed", jobs=["migrate"]),
    ]
    said = [one for one in decide({"x": info, "y": host("b", "a", retained="ab")}).cannot_undo if "the job" in one]
    assert said == ["what the job migrate did for b, c stays so", "what the job setup did for c stays so"]


def test_a_schema_that_a_host_left_out_has_migrated_to_counts_too() -> None:
    canary = {"release": "c", "rolling": "", "schema": {"head": "0003", "compatible_since": "0002"}, "problem": ""}
    found = decide({"x": host("b", "a")}, "", {"y": canary})
    assert found.problems == [
        "release a-1 was made for schema 0001, and since the live database was migrated only releases made for schema 0002 or "
        "newer run on it. Choose one that does with -e rollback_to=<id> (c-1), or repair forward with a deploy"
    ]
    found = decide({"x": host("b", "a")}, "", {"y": canary | {"schema": {"head": "0003", "compatible_since": ""}}})
    assert found.id == "a-1"
    assert found.cannot_undo[0] == "the database stays at schema 0003; release a was made for 0001 and runs on it"


def test_a_host_left_out_that_cannot_be_asked_stops_nothing_and_is_named() -> None:
    silent = {"release": "", "rolling": "", "schema": {}, "problem": "it could not be reached"}
    found = decide({"x": host("b", "a", head="0002")}, "", {"y": silent})
    assert (found.id, found.problems) == ("a-1", [])
    assert found.cannot_undo[-1] == "a migration that was run from y is not known here: it could not be reached"


@pytest.mark.parametrize(
    ("wanted", "target"), [pytest.param("a-1", "a-1", id="by id"), pytest.param("c", "c-1", id="forward again, by name")]
)
def test_a_wish_is_followed(wanted: str, target: str) -> None:
    found = decide({"x": host("b", "a")}, wanted)
    assert (found.id, found.problems, found.leaves) == (target, [], ["b-1"])


def refused(hosts: dict[str, Any], wanted: str = "") -> str:
    [problem] = decide(hosts, wanted).problems
    return problem


def test_what_stands_against_a_rollback_is_said_with_the_host() -> None:
    lost = host("b", "a", retained="b")
    lost["releases"].append(release("a", missing_images=["shop/api:a", "shop/web:a"]))
    gone = host("b", "a", retained="b")
    gone["releases"].append(release("a", missing_secrets=["api.env: KEY"]))
    problems = decide({"x": lost, "y": gone, "z": host("b", "a", retained="b")}).problems
    assert problems == [
        "x: the images shop/api:a, shop/web:a of release a-1 are no longer on this host; pull them there, "
        "or choose another release with -e rollback_to=<id>",
        "y: release a-1 reads secrets that are gone (api.env: KEY); put them back into stack_secrets "
        "or stack_secret_files and deploy the live release again first",
        "z: release a-1 is not retained here; retained are b-1",
    ]


def test_before_the_first_deploy_there_is_nothing_to_go_back_from() -> None:
    assert (
        refused({"x": host(retained="")})
        == "no release of this stack is live on any host yet, so there is nothing to go back from"
    )


def test_the_only_release_has_none_before_it() -> None:
    assert refused({"x": host("a")}).startswith("no host knows an earlier release that was live and good")


def test_what_every_host_runs_is_offered_to_nobody_and_what_one_of_them_ran_before_is() -> None:
    info = host("a", "", retained="")
    info["releases"] = [release("a", status="live"), release("z", status="superseded")]
    assert refused({"x": info, "y": info}).endswith("; choose one with -e rollback_to=<id>: z-1")


def test_what_never_went_live_or_has_failed_is_offered_to_nobody_and_may_be_asked_for() -> None:
    info = host("a", "", retained="")
    info["releases"] = [release("a", status="live"), release("b", status="failed"), release("c", status="prepared")]
    problem = refused({"x": info})
    assert problem == "no host knows an earlier release that was live and good; deploy the one that you want"
    asked = [{**one, "at": "", "why": ""} for one in info["releases"]]
    assert decide({"x": {**info, "releases": asked}}, "b-1").id == "b-1"


def test_a_release_that_cannot_be_read_is_refused_with_the_reason() -> None:
    info = host("b", "a", retained="b")
    info["releases"].append(release("a", problem="/x/manifest.json cannot be read (it is empty): deploy that release again"))
    assert refused({"x": info}) == "x: /x/manifest.json cannot be read (it is empty): deploy that release again"


def test_hosts_that_do_not_agree_are_listed() -> None:
    problem = refused({"x": host("b", "a"), "y": host("b", "c")})
    assert problem == (
        "the hosts do not agree on the release before (x runs b-1; y runs b-1); "
        "choose one with -e rollback_to=<id>: a-1, b-1, c-1"
    )


def test_a_wish_that_nobody_retains_is_refused_with_what_is_retained() -> None:
    assert refused({"x": host("b", "a")}, "9") == 'rollback_to: "9" is retained on no host; retained are a-1, b-1, c-1'


def test_a_name_with_two_configurations_is_refused_with_both_ids_when_each_was_live_where_and_what_to_type() -> None:
    def info(*fates: tuple[str, str, str, str]) -> dict[str, Any]:
        found = host("b", "a")
        found["releases"] = [
            release("a") | {"id": identity, "status": status, "at": at, "why": why} for identity, status, at, why in fates
        ]
        return found

    x = info(("a-1", "superseded", "2026-11-24T10:00:00Z", ""), ("a-2", "live", "2026-11-24T11:00:00Z", ""))
    y = info(("a-2", "failed", "2026-11-24T11:05:00Z", "rolled back from"), ("a-1", "prepared", "2026-11-24T09:00:00Z", ""))
    assert refused({"y": y, "x": x}, "a") == (
        'rollback_to: "a" was deployed with different configurations; choose one of them:\n'
        "      -e rollback_to=a-1   x: live until 2026-11-24T10:00:00Z; y: never live\n"
        "      -e rollback_to=a-2   x: live since 2026-11-24T11:00:00Z; y: failed at 2026-11-24T11:05:00Z (rolled back from)"
    )


@pytest.mark.parametrize(("since", "refusal"), [("", False), ("0002", False), ("0003", True)])
def test_a_release_that_cannot_run_on_the_schema_of_today_is_refused(since: str, refusal: bool) -> None:
    # Only the host that migrated knows the schema.
    hosts = {"x": host("c", "b", head="0003", since=since), "y": host("c", "b")}
    problems = decide(hosts).problems
    assert bool(problems) is refusal
    if refusal:
        assert "release b-1 was made for schema 0002" in problems[0]


def test_what_a_rollback_does_not_undo_is_said() -> None:
    said = decide({"x": host("c", "b", head="0003")}).cannot_undo
    assert said[0] == "the database stays at schema 0003; release b was made for 0002 and runs on it"
    assert "secrets stay the current ones; only code and plain configuration go back" in said
