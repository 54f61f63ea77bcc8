from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import access, cis_controls
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.finding import RULES
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.network import is_allowed, port_problems
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.rules import check_host, key_sources, readers

from tests.unit import certificates
from tests.unit.audited import (
    NOW,
    bad,
    container,
    facts,
    listening,
    proof,
    proofs,
    secret_file,
    served,
    settings,
)

PATH = "/var/lib/morpheus.deploy/stacks/shop/secrets/api.env"
ROOT = Path(__file__).parents[5]
KEYS = ["DATABASE_URL", "LOG_LEVEL", "MODE", "PATH"]
BOTH_VOID = [("high", "proof-void", "the host itself"), ("high", "proof-void", "inside api")]
OLD = {"TLSv1.0": "accepted", "TLSv1.1": "refused", "TLSv1.2": "accepted", "TLSv1.3": "accepted"}


def finding(item: str = "5.5", level: str = "high", **more: Any) -> dict[str, Any]:
    return {"item": item, "level": level, "subject": "shop-api-1", "text": "is privileged", "mend": "remove it", **more}


def expiring(days: float) -> dict[str, Any]:
    return served(pem=certificates.make(["shop.example"], days, NOW)[0])


def test_a_host_that_is_as_it_should_be_has_no_finding_and_passes_every_rule() -> None:
    checks = check_host("app-1", facts(), settings())
    assert bad(checks) == []
    elsewhere = (
        "secret-shared",
        "secret-unrecorded",
        "secret-old",
        "secret-leftover",
        "secret-unsearched",
        "proof-absent",
        "ml-endpoint",
    )
    of_access = ("engine-socket", "baseline-missing", "baseline-changed", *access.KINDS)
    own = {identity for identity in RULES if identity not in (*elsewhere, *of_access) and not identity.startswith("supabase-")}
    assert {identity for check in checks for identity in check.ids} == own


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"trouble": ["no release"]}, [("high", "host-not-audited", "")]),
        ({"identity": {"environment": "production", "claimed": ""}}, [("high", "host-identity", "")]),
        ({"identity": {}}, [("medium", "host-identity", "")]),
        ({"database": "leads to another project"}, [("high", "database-project", "api.DATABASE_URL")]),
        ({"database": None}, []),
        # Keys.
        ({"containers": [container(keys=[*KEYS, "DEBUG"])]}, [("medium", "key-undeclared", "shop-api-1")]),
        ({"containers": [container(keys=["LOG_LEVEL", "MODE", "PATH"])]}, [("medium", "key-missing", "shop-api-1")]),
        ({"containers": [container(files=[])]}, [("medium", "key-missing", "shop-api-1")]),
        ({"containers": [container(files=["license", "other"])]}, [("medium", "key-undeclared", "shop-api-1")]),
        ({"containers": [container(keys=[], files=[], once=True)]}, []),
        ({"containers": [container(keys=[], files=[], project="other")], "stacks": ["shop", "other"]}, []),
        # Files.
        ({"files": [secret_file(mode=0o644)]}, [("high", "secret-readable", PATH)]),
        ({"files": [secret_file(mode=0o640)]}, [("high", "secret-readable", PATH)]),
        ({"files": [secret_file(mode=0o601)]}, [("high", "secret-readable", PATH)]),
        ({"files": [secret_file(mode=0o400, uid=10001)]}, []),
        ({"files": [secret_file(uid=1000)]}, [("medium", "secret-owner", PATH)]),
        ({"files": [secret_file(kind="half-written secret")]}, [("medium", "secret-leftover", PATH)]),
        ({"files": [secret_file(kind="private key", mode=0o644)]}, [("high", "secret-readable", PATH)]),
        ({"files": [secret_file(kind="settings", mode=0o644)]}, []),
        ({"files": [secret_file(kind="other", mode=0o664)]}, [("high", "file-writable", PATH)]),
        ({"files": [secret_file(kind="other", mode=0o777, path="/x/admin.sock")]}, []),
        # Accounts and containers.
        ({"accounts": {**facts()["accounts"], "docker": ["anna"]}}, [("medium", "account-docker", "anna")]),
        ({"containers": [container(project="", name="rogue")]}, [("medium", "container-unknown", "rogue")]),
        ({"containers": [container(project="", name="rogue", restart="no")]}, [("low", "container-unknown", "rogue")]),
        ({"containers": [container(project="", name="rogue", state="created")]}, [("medium", "container-unknown", "rogue")]),
        ({"containers": [container(keys=[], files=[], state="exited")]}, []),
        ({"containers": [container(keys=[*KEYS, "DEBUG"], state="paused")]}, [("medium", "key-undeclared", "shop-api-1")]),
        ({"containers": [container(project="edge", name="edge-haproxy-1")]}, []),
        ({"containers": [container(findings=[finding(accepted=False)])]}, [("high", "cis-5.5", "shop-api-1")]),
        ({"containers": [container(findings=[finding(accepted=True)])]}, [("accepted", "cis-5.5", "shop-api-1")]),
        ({"engine": [finding("2.2", "low", subject="docker")]}, [("low", "cis-2.2", "docker")]),
        ({"images": [finding("4.1", "medium", subject="shop:1")]}, [("medium", "cis-4.1", "shop:1")]),
        # Ports.
        ({"sockets": [listening(8080)]}, [("high", "port-open", "8080/tcp")]),
        ({"sockets": [listening(8080), listening(8080, address="::")]}, [("high", "port-open", "8080/tcp")]),
        ({"sockets": [listening(8080, address="10.0.0.5")]}, [("medium", "port-open", "8080/tcp")]),
        ({"sockets": [listening(8080, address="127.0.0.11"), listening(8080, address="::1")]}, []),
        ({"sockets": [listening(22, protocol="udp")]}, [("high", "port-open", "22/udp")]),
        ({"sockets": [listening(40000, protocol="udp")]}, []),
        # TLS.
        ({"certificates": [expiring(13.9)]}, [("high", "tls-expiry", "shop.example")]),
        ({"certificates": [expiring(-1)]}, [("high", "tls-expiry", "shop.example")]),
        ({"certificates": [expiring(14.1)]}, [("medium", "tls-expiry", "shop.example")]),
        ({"certificates": [expiring(30.1)]}, []),
        ({"certificates": [served(site="other.example")]}, [("medium", "tls-name", "other.example")]),
        ({"certificates": [served(protocols=OLD)]}, [("high", "tls-protocol", "shop.example")]),
        ({"certificates": [served(protocols={**OLD, "TLSv1.0": "unknown"})]}, [("medium", "tls-protocol", "shop.example")]),
        ({"certificates": [served(protocols={})]}, [("medium", "tls-protocol", "shop.example")]),
        ({"certificates": [served(trouble="refused", pem="")]}, [("high", "tls-unanswered", "shop.example")]),
        ({"certificates": []}, []),
        ({"certificates_left": ["/x/old.pem"]}, [("medium", "certificate-left", "/x/old.pem")]),
        # Proofs.
        ({"proofs": proofs("", "api", forbidden="refused")}, []),
        ({"proofs": []}, []),
        ({"proofs": [*proofs(""), *proofs("api", forbidden="connected")]}, [("high", "proof-reached", "production's database")]),
        ({"proofs": proofs("", "api", wanted="timed out")}, BOTH_VOID),
        ({"proofs": [*proofs("", "api"), *proofs("web", wanted="timed out")]}, [("medium", "proof-void", "inside web")]),
        ({"proofs": [*proofs("", wanted="refused"), *proofs("api")]}, [("high", "proof-void", "the host itself")]),
        ({"proofs": [*proofs(""), *proofs("api", wanted="no route")]}, [("high", "proof-void", "inside api")]),
        ({"proofs": [proof("closed", "timed out"), proof("closed", "timed out", "api")]}, BOTH_VOID),
        ({"proofs": [*proofs(""), *proofs("api", wanted="not tried")]}, [("high", "proof-void", "inside api")]),
        ({"proofs": [*proofs("", "api"), *proofs("web", forbidden="not tried")]}, [("medium", "proof-void", "inside web")]),
        ({"proofs": proofs("")}, [("high", "proof-void", "containers")]),
        ({"proofs": proofs(""), "release": {}}, []),
        ({"proofs": [*proofs("", "api"), proof("closed", "name unknown")]}, [("medium", "proof-void", "production's database")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_with_its_level_and_nothing_else(
    changed: dict[str, Any], found: list[tuple[str, str, str]]
) -> None:
    assert bad(check_host("app-1", facts(**changed), settings())) == found


def test_every_item_that_a_benchmark_finding_can_have_says_what_is_required() -> None:
    for item in cis_controls.CONTROLS:
        [check] = [one for one in check_host("app-1", facts(engine=[finding(item)]), settings()) if one.findings]
        assert check.findings[0].required == cis_controls.CONTROLS[item].title


def test_a_finding_says_what_was_seen_and_how_to_mend_it() -> None:
    [check] = [one for one in check_host("app-1", facts(files=[secret_file(mode=0o644, gid=4)]), settings()) if one.findings]
    [found] = check.findings
    assert found.seen == "secret of mode 0644: open to group adm, everybody"
    assert found.required == "the file's owner alone may read it (mode 0600 or less)"
    assert found.mend == f"chmod 0600 {PATH}; was it open for long, rotate what it holds"


def test_a_container_of_nobody_says_its_state_and_whether_it_comes_back() -> None:
    given = facts(containers=[container(project="", name="rogue", state="created", restart="always")])
    [found] = [one for check in check_host("app-1", given, settings()) for one in check.findings]
    assert found.seen == (
        "belongs to no stack of this collection and not to the edge; it is created; it comes back by itself (restart: always)"
    )


def test_a_key_comes_from_what_is_read_last() -> None:
    given = facts(env_files={"env/api.env": ["LOG_LEVEL", "DATABASE_URL", "MODE"]})
    assert key_sources(given["services"][0], given, settings()) == {
        "LOG_LEVEL": "env/api.env",
        "DATABASE_URL": "secrets/api.env",
        "MODE": "environment: of Compose",
    }


def test_names_of_an_open_vault_count_more_than_those_of_the_release() -> None:
    """What the vault has and no replica runs with was added after the last deploy."""
    checks = check_host("app-1", facts(), settings(secrets={"api.env": ["DATABASE_URL", "NEW"], "license": []}))
    assert bad(checks) == [("medium", "key-missing", "shop-api-1")]
    [found] = [one for check in checks for one in check.findings]
    assert found.seen == "runs without NEW of secrets/api.env"


@pytest.mark.parametrize(
    ("changed", "who"),
    [
        ({}, []),
        ({"uid": 99}, ["uid 99"]),
        ({"uid": 1000}, ["deploy"]),
        ({"mode": 0o640, "gid": 4}, ["group adm"]),
        ({"mode": 0o604}, ["everybody"]),
    ],
)
def test_who_can_read_a_file_is_told_by_name(changed: dict[str, Any], who: list[str]) -> None:
    assert readers(secret_file(**changed), facts()["accounts"]) == who


@pytest.mark.parametrize(
    ("entry", "socket", "allowed"),
    [
        ("443", listening(443), True),
        (443, listening(443), True),
        ("443", listening(443, protocol="udp"), False),
        ("443/udp", listening(443, protocol="udp"), True),
        ("10.0.0.5:9100", listening(9100, address="10.0.0.5"), True),
        ("10.0.0.5:9100", listening(9100), False),
        ("[::1]:53", listening(53, address="::1"), True),
        ("44", listening(443), False),
    ],
)
def test_a_port_is_allowed_as_it_is_written(entry: Any, socket: dict[str, Any], allowed: bool) -> None:
    assert is_allowed(socket, [entry]) is allowed


@pytest.mark.parametrize("entry", ["http", "443/sctp", "10.0.0.5", "", None, "-1"])
def test_what_is_no_port_is_refused_with_its_place(entry: Any) -> None:
    assert port_problems([22, entry]) == [f"audit_allowed_ports[1]: {entry} is not a port such as 443, 53/udp or 10.0.0.5:9100"]


def test_a_certificate_says_how_long_it_lasts() -> None:
    given = facts(certificates=[expiring(3)])
    [found] = [one for check in check_host("app-1", given, settings()) for one in check.findings]
    assert found.seen == f"expires on {NOW + timedelta(days=3):%Y-%m-%d}, in 3 days"


def test_the_documentation_lists_every_rule_with_what_it_requires() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| ", (ROOT / "docs" / "audit.md").read_text(), re.MULTILINE)
    assert {identity: required for identity, required in rows if identity in RULES} == dict(RULES)
