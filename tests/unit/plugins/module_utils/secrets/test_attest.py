from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import attestation as attest
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets.attestation import Container, Uses, Values
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets.fingerprints import fingerprint

KEY = "key-of-the-fingerprints"
OLD, NEW = "postgresql://app_a:canary-old-password@db/app", "postgresql://app_b:canary-new-password@db/app"
VALUES = Values(NEW, OLD)
SECRETS = ["api.URL"]
READS = {"api": SECRETS}


def replica(name: str, value: str, **variables: str) -> Container:
    return Container(name, "api", {"URL": value, **variables})


def problems(*containers: Container, values: Values = VALUES, reads: Any = READS) -> list[str]:
    found = attest.attest(containers, reads, SECRETS, values, KEY)[1]
    assert "canary" not in str(found)
    return found


def test_replicas_with_the_new_value_attest_it_by_its_fingerprint() -> None:
    found, against = attest.attest([replica("api-1", NEW), replica("api-2", NEW)], READS, SECRETS, VALUES, KEY)
    assert against == []
    assert [one.as_dict() for one in found] == [
        {"name": name, "service": "api", "secret": "api.URL", "uses": "new", "fingerprint": fingerprint(KEY, NEW)}
        for name in ("api-1", "api-2")
    ]


BLOCKED = [
    pytest.param(replica("api-1", OLD), "api-1 (a replica of api) still uses the old value of api.URL", id="old"),
    pytest.param(replica("api-1", "x"), "api-1 (a replica of api) uses neither the old nor the new value of api.URL", id="other"),
    pytest.param(
        Container("api-1", "api", {}), "api-1 (a replica of api) uses neither the old nor the new value of api.URL", id="none"
    ),
    pytest.param(
        replica("api-1", NEW, BACKUP_URL=OLD),
        "api-1 (a replica of api) still has the old value in its variable BACKUP_URL",
        id="variable",
    ),
    pytest.param(
        Container("psql", "", {"PGPASSWORD": "canary-old-password"}),
        "psql (which is not a replica of the stack) still has the old value in its variable PGPASSWORD",
        id="password alone, by hand",
    ),
    pytest.param(
        Container("psql", "", {}, ["psql", OLD]),
        "psql (which is not a replica of the stack) still has the old value in its command",
        id="command",
    ),
    pytest.param(
        Container("x", "worker", {}, files={"url": f"{OLD}\n"}),
        "x (a replica of worker) still has the old value in its file url",
        id="file",
    ),
]


@pytest.mark.parametrize(("container", "expected"), BLOCKED)
def test_whoever_has_the_old_value_blocks_and_is_named(container: Container, expected: str) -> None:
    assert problems(replica("api-0", NEW), container) == [expected]


def test_others_may_have_whatever_else_they_like() -> None:
    assert problems(replica("api-0", NEW), Container("psql", "", {"URL": "x", "KEY": "canary-other"}, ["sleep", "60"])) == []


def test_a_login_that_stays_in_use_elsewhere_blocks_in_the_stacks_own_replicas_only() -> None:
    stays = Values(NEW, "")
    assert problems(replica("api-0", NEW), Container("psql", "", {"URL": OLD}), values=stays) == []
    assert problems(replica("api-0", OLD), values=stays) == [
        "api-0 (a replica of api) uses neither the old nor the new value of api.URL"
    ]


def test_an_old_value_that_the_new_one_holds_is_not_found_in_it() -> None:
    assert not Values("long-enough-key-2", "long-enough-key").old_in("X=long-enough-key-2")
    assert Values("long-enough-key-2", "long-enough-key").old_in("X=long-enough-key")


def test_a_value_that_is_too_short_is_compared_whole_and_not_searched_for() -> None:
    values = Values("new", "old")
    assert problems(replica("api-0", "new", NOTE="older"), values=values) == []
    assert problems(replica("api-0", "old"), values=values) == ["api-0 (a replica of api) still uses the old value of api.URL"]


def test_nobody_to_attest_is_no_attestation() -> None:
    assert problems(reads={}) == [
        "no service of the live release reads api.URL, so nothing can attest it; deploy the release first"
    ]


def test_the_readers_are_those_whose_environment_has_the_value() -> None:
    model = {
        "services": {
            # As Compose prints it, with $ doubled.
            "api": {"environment": {"URL": "a$$b"}},
            "web": {"environment": {"URL": "another thing of that name"}},
            "job": {"environment": {}, "secrets": [{"source": "token"}]},
            "bare": {},
        },
        "secrets": {"token": {"file": "/p/secrets/api_token"}},
    }
    assert attest.readers(model, ["api.URL", "files.api_token"], "a$b") == {"api": ["api.URL"], "job": ["files.api_token"]}


def details(**config: Any) -> dict[str, Any]:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
    return {
        "Name": "/shop-api-1",
        "Path": "run",
        "Args": ["--x"],
        "State": {"Pid": 42},
        "Config": {"Env": ["URL=a=b", "EMPTY="], "Labels": labels} | config,
    }


def test_a_container_is_read_as_the_engine_tells_it() -> None:
    found = attest.container(details(), "shop")
    assert (found.name, found.service, found.variables, found.command) == (
        "shop-api-1",
        "api",
        {"URL": "a=b", "EMPTY": ""},
        ["run", "--x"],
    )
    assert attest.container(details(), "other").service == ""
    assert attest.container(details(Labels=None, Env=None), "shop").service == ""
    assert "a=b" not in repr(found)


def test_a_mounted_secret_is_read_where_the_container_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attest, "PROC", tmp_path)
    seen = tmp_path / "42" / "root" / "run" / "secrets" / "token"
    seen.parent.mkdir(parents=True)
    seen.write_text("old-value")
    mounts = [
        {"Source": "/var/lib/x/secrets/api_token", "Destination": "/run/secrets/token"},
        {"Source": "/var/lib/x/secrets/gone", "Destination": "/run/secrets/gone"},
        {"Source": "/etc/hosts", "Destination": "/run/secrets/token"},
    ]
    found = attest.container(details() | {"Mounts": mounts}, "shop")
    assert found.files == {"api_token": "old-value"}
    [one], against = attest.attest([found], {"api": ["files.api_token"]}, ["files.api_token"], Values("new", "old-value"), KEY)
    assert one.uses is Uses.OLD
    assert against == ["shop-api-1 (a replica of api) still uses the old value of files.api_token"]
