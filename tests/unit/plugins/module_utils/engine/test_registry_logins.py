"""Which login an image needs, as engines read its name, and what of it is never shown."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import registries
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.registries import Login

SERVERS = {
    "nginx:1.27": "docker.io",
    "shop/api:1.0": "docker.io",
    "docker.io/library/nginx:1": "docker.io",
    "index.docker.io/shop/api:1": "docker.io",
    "ghcr.io/shop/api:1": "ghcr.io",
    "GHCR.io/shop/api:1": "ghcr.io",
    "registry.example:5000/api": "registry.example:5000",
    "localhost/api:1": "localhost",
    "127.0.0.1:5000/a/b/c@sha256:1": "127.0.0.1:5000",
    "registry:2": "docker.io",
    "registry.example/api:1@sha256:1": "registry.example",
}


@pytest.mark.parametrize(("reference", "server"), SERVERS.items())
def test_the_registry_of_an_image_is_what_its_name_begins_with_when_that_is_a_host(reference: str, server: str) -> None:
    assert registries.server_of(reference) == server


def test_a_login_arrives_whole_and_shows_no_secret() -> None:
    given = {
        "GHCR.io": registries.packed("deploy", "pass-canary", ""),
        "index.docker.io": registries.packed("", "", "token-canary"),
    }
    logins = registries.unpacked(given)
    assert logins["ghcr.io"].auth == {"username": "deploy", "password": "pass-canary", "serveraddress": "ghcr.io"}
    assert logins["docker.io"].auth == {"identitytoken": "token-canary", "serveraddress": "https://index.docker.io/v1/"}
    assert "canary" not in repr(logins)
    assert list(registries.secrets(logins)) == [("password", "pass-canary"), ("token", "token-canary")]


def test_a_login_is_called_by_its_user_and_a_token_by_what_it_is() -> None:
    assert (Login("ghcr.io", "deploy", "x").called, Login("ghcr.io", token="x").called) == ('the login "deploy"', "the token")
