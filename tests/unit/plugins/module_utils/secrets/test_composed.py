"""A replica whose variable is composed of a secret is attested by the whole variable, and nothing of it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import attestation as attest

NAME = "variables.DB_PASSWORD"
OLD, NEW = "the-old-canary", "the-new$canary"
WRITTEN = {"services": {"web": {"environment": {"URL": "postgres://a:${DB_PASSWORD}@db/x", "B": "$$DB_PASSWORD"}}, "other": {}}}
# Compose doubles $ in what it prints.
MODEL = {
    "services": {"web": {"environment": {"URL": "postgres://a:the-new$$canary@db/x", "B": "$$DB_PASSWORD"}}, "other": {}},
}


@pytest.mark.parametrize(
    ("url", "uses"),
    [
        (f"postgres://a:{NEW}@db/x", attest.Uses.NEW),
        (f"postgres://a:{OLD}@db/x", attest.Uses.OLD),
        ("postgres://a:another@db/x", attest.Uses.NEITHER),
        ("", attest.Uses.NEITHER),
    ],
)
def test_the_whole_variable_tells_which_value_a_replica_has(url: str, uses: attest.Uses) -> None:
    parts = attest.composed(MODEL, WRITTEN, [NAME], {})
    assert parts == {"web": {NAME: {"URL": f"postgres://a:{NEW}@db/x"}}}
    reads = attest.readers(MODEL, [NAME], NEW, parts)
    assert reads == {"web": [NAME]}
    container = attest.Container("shop-web-1", "web", {"URL": url, "B": "$DB_PASSWORD"})
    found, problems = attest.attest([container], reads, [NAME], attest.Values(NEW, OLD), "key", parts)
    assert [one.uses for one in found] == [uses]
    assert bool(problems) == (uses is not attest.Uses.NEW)
    assert not any(value in repr([found, problems]) for value in (OLD, NEW))


OF_A_SECRET = {
    "services": {
        "web": {"secrets": [{"source": "key", "target": "/run/secrets/key"}]},
        "other": {"secrets": [{"source": "own"}]},
    },
    "secrets": {"key": {"environment": "DB_PASSWORD"}, "own": {"file": "/srv/stacks/shop/project/secrets/own"}},
}


@pytest.mark.parametrize(("content", "uses"), [(NEW, attest.Uses.NEW), (OLD, attest.Uses.OLD), ("another", attest.Uses.NEITHER)])
def test_a_secret_that_has_its_value_from_a_variable_is_attested_by_the_file_that_a_replica_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, uses: attest.Uses
) -> None:
    parts = attest.composed(OF_A_SECRET, OF_A_SECRET, [NAME], {"DB_PASSWORD": NEW})
    assert parts == {"web": {NAME: {"values/key": NEW}}}
    reads = attest.readers(OF_A_SECRET, [NAME], NEW, parts)
    assert reads == {"web": [NAME]}
    seen = tmp_path / "7" / "root" / "run" / "secrets" / "key"
    seen.parent.mkdir(parents=True)
    seen.write_text(content)
    monkeypatch.setattr(attest, "PROC", tmp_path)
    sources = ("/srv/stacks/shop/secrets/values/key", "/srv/values/key", "/srv/secrets/other/key")
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    details = {
        "Name": "/shop-web-1",
        "Config": {"Labels": labels},
        "State": {"Pid": 7},
        "Mounts": [{"Source": one, "Destination": "/run/secrets/key"} for one in sources],
    }
    container = attest.container(details, "shop")
    assert container.files == {"values/key": content}
    found, problems = attest.attest([container], reads, [NAME], attest.Values(NEW, OLD), "key", parts)
    assert [one.uses for one in found] == [uses]
    assert bool(problems) == (uses is not attest.Uses.NEW)
    assert not any(value in repr([found, problems]) for value in (OLD, NEW))
