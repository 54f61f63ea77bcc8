"""A replica whose variable is composed of a secret is attested by the whole variable, and nothing of it is told."""

from __future__ import annotations

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
    parts = attest.composed(MODEL, WRITTEN, [NAME])
    assert parts == {"web": {NAME: {"URL": f"postgres://a:{NEW}@db/x"}}}
    reads = attest.readers(MODEL, [NAME], NEW, parts)
    assert reads == {"web": [NAME]}
    container = attest.Container("shop-web-1", "web", {"URL": url, "B": "$DB_PASSWORD"})
    found, problems = attest.attest([container], reads, [NAME], attest.Values(NEW, OLD), "key", parts)
    assert [one.uses for one in found] == [uses]
    assert bool(problems) == (uses is not attest.Uses.NEW)
    assert not any(value in repr([found, problems]) for value in (OLD, NEW))
