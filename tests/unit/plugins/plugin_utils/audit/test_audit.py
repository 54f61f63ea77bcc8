from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import report as audit
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.secrets import MaximumAge

from tests.unit.audited import (
    container,
    facts,
    fingerprints,
    levels,
    proof,
    proofs,
    recorded,
    secret_file,
    settings,
)


def report(hosts: Mapping[str, Mapping[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return audit.report(hosts or {"app-1": facts()}, settings(), more.pop("recorded", recorded()), MaximumAge())


def test_a_quiet_environment_passes() -> None:
    found = report()
    assert found["verdict"] == "passed"
    assert levels(found) == []
    assert found["counts"] == {"high": 0, "medium": 0, "low": 0, "accepted": 0, "passed": len(found["findings"])}
    assert {one["result"] for one in found["proofs"]} == {"as required"}
    assert found["project"] == "stagingproj"


def test_a_host_that_did_not_answer_is_a_finding_of_level_high() -> None:
    found = report({"app-1": facts(), "app-2": {"unreachable": True, "msg": "Failed to\nconnect"}, "app-3": {}})
    assert levels(found) == [("high", "host-not-audited"), ("high", "host-not-audited")]
    assert [(one["where"], one["seen"]) for one in found["findings"][:2]] == [
        (["app-2"], "Failed to connect"),
        (["app-3"], "was not asked: the run was limited to other hosts, or ended before"),
    ]
    assert [one["audited"] for one in found["hosts"]] == [True, False, False]
    assert found["verdict"] == "failed"


def test_when_no_host_answered_nothing_has_passed_on_a_host() -> None:
    found = report({"app-1": {}})
    assert not [one for one in found["findings"] if one["level"] == "passed" and one["id"].startswith(("cis-", "port-"))]
    assert ("medium", "proof-absent") in levels(found)


def test_what_is_seen_in_several_places_is_one_finding() -> None:
    privileged = [
        {"item": "5.5", "level": "high", "subject": "shop-api-1", "text": "is privileged", "mend": "", "accepted": False}
    ]
    other = [{**privileged[0], "subject": "shop-api-2"}]
    both = [container(findings=privileged), container(name="shop-api-2", findings=other)]
    found = report({"app-1": facts(containers=both), "app-2": facts(containers=both)})
    assert [one["where"] for one in found["findings"] if one["id"] == "cis-5.5"] == [
        ["shop-api-1 on app-1, app-2", "shop-api-2 on app-1, app-2"]
    ]
    assert found["counts"]["high"] == 1


def test_an_item_that_was_only_accepted_has_not_passed() -> None:
    accepted = [{"item": "5.13", "level": "low", "subject": "shop-api-1", "text": "may write", "mend": "", "accepted": True}]
    found = report({"app-1": facts(containers=[container(findings=accepted)])})
    assert [one["level"] for one in found["findings"] if one["id"] == "cis-5.13"] == ["accepted"]


def test_the_worst_comes_first() -> None:
    given = facts(
        files=[secret_file(mode=0o644)], identity={}, containers=[container(), container(name="x", project="", restart="no")]
    )
    assert levels(report({"app-1": given})) == [
        ("high", "secret-readable"),
        ("medium", "host-identity"),
        ("low", "container-unknown"),
    ]


def test_without_a_proof_nothing_is_said_to_be_proved() -> None:
    assert levels(report({"app-1": facts(proofs=[])})) == [("medium", "proof-absent")]


def test_what_a_connection_proves_is_said_of_each() -> None:
    given = [
        *proofs("", "api"),
        *proofs("web", wanted="timed out"),
        *proofs("ml", forbidden="connected"),
        proof("closed", "name unknown"),
    ]
    found = [(one["from"], one["must"], one["result"]) for one in report({"app-1": facts(proofs=given)})["proofs"]]
    assert found == [
        ("the host itself", "succeed", "as required"),
        ("the host itself", "fail", "as required"),
        ("inside api", "succeed", "as required"),
        ("inside api", "fail", "as required"),
        ("inside web", "succeed", "void"),
        ("inside web", "fail", "void"),
        ("inside ml", "succeed", "as required"),
        ("inside ml", "fail", "reached"),
        ("the host itself", "fail", "void"),
    ]


def test_keys_are_told_with_their_source_and_how_many_replicas_have_them() -> None:
    fewer = container(name="shop-api-2", keys=["LOG_LEVEL", "MODE"])
    rows = report({"app-1": facts(containers=[container(), fewer])})["keys"]
    assert [(one["service"], one["key"], one["source"], one["secret"], one["replicas"]) for one in rows] == [
        ("api", "/run/secrets/license", "secrets/license", True, "2 of 2"),
        ("api", "DATABASE_URL", "secrets/api.env", True, "1 of 2"),
        ("api", "LOG_LEVEL", "env/api.env", False, "2 of 2"),
        ("api", "MODE", "environment: of Compose", False, "2 of 2"),
    ]


def test_settings_of_older_releases_are_not_listed() -> None:
    paths = ["/x/stacks/shop/project/env/api.env", "/x/stacks/shop/releases/1-a/files/env/api.env"]
    given = facts(files=[secret_file(kind="settings", mode=0o644, path=path) for path in paths])
    assert [one["path"] for one in report({"app-1": given})["files"]] == paths[:1]


def test_a_shared_secret_is_named_and_its_fingerprint_cut() -> None:
    found = report(recorded=recorded(others=[fingerprints("production", api__DATABASE_URL="a")]))
    assert levels(found) == [("high", "secret-shared")]
    assert found["findings"][0]["where"] == ["api.DATABASE_URL"]
    assert "a" * 9 not in str(found)
