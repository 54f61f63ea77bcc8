"""What is wrong with logins of registries, said before anybody is contacted and without a password."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import registries

LOGIN = {"server": "ghcr.io", "username": "deploy", "password": "pass-canary", "token": ""}
NO_HOST = "must be the registry's name as images begin with it, without https:// and without a path"
PROBLEMS = [
    pytest.param(
        [{**LOGIN, "server": "https://ghcr.io"}],
        [f'[0].server: "https://ghcr.io" {NO_HOST}; write ghcr.io'],
        id="a registry's URL",
    ),
    pytest.param(
        [{**LOGIN, "server": "ghcr.io/shop"}],
        [f'[0].server: "ghcr.io/shop" {NO_HOST}; write ghcr.io'],
        id="a registry with a path",
    ),
    pytest.param(
        [{**LOGIN, "server": "https://index.docker.io/v1/"}],
        [f'[0].server: "https://index.docker.io/v1/" {NO_HOST}; write docker.io'],
        id="Docker Hub by its URL",
    ),
    pytest.param(
        [{**LOGIN, "server": "registry.example:99999"}],
        [
            '[0].server: "registry.example:99999" is no name of a registry; write it as images begin with it, for example '
            "ghcr.io or registry.example:5000"
        ],
        id="a registry's port that is none",
    ),
    pytest.param(
        [{**LOGIN, "server": "registry"}],
        [
            '[0].server: "registry" has neither a dot nor a port, so Docker takes it for a user of Docker Hub; write '
            "registry.<domain>, or docker.io for Docker Hub"
        ],
        id="a registry without a domain",
    ),
    pytest.param(
        [LOGIN, {**LOGIN, "server": "GHCR.io"}],
        ['[1].server: "GHCR.io" stands already at stack_registries[0]; one login for each'],
        id="two logins of a registry",
    ),
    pytest.param(
        [{**LOGIN, "password": ""}],
        [
            '[0].password: required, or token; the vault\'s, such as "{{ vault_registry_password }}", for the login of ghcr.io',
        ],
        id="a login without its password",
    ),
    pytest.param(
        [{**LOGIN, "username": ""}],
        ["[0].username: required with a password; whom the registry knows the password of ghcr.io by"],
        id="a password without its user",
    ),
    pytest.param(
        [{**LOGIN, "token": "token-canary"}],
        ["[0].token: is a login by itself; remove username and password, or the token"],
        id="a token beside a password",
    ),
    pytest.param(
        [{**LOGIN, "password": "pass-canary\n"}],
        ["[0].password: must be one line, without spaces around it; a file's last line break, perhaps"],
        id="a registry's password with a line break",
    ),
    pytest.param(
        [{**LOGIN, "username": "de:ploy"}],
        ["[0].username: must not hold a colon, which ends it"],
        id="a registry's user with a colon",
    ),
]
GOOD = ["ghcr.io", "docker.io", "localhost", "127.0.0.1:5000", "[::1]:5000", "registry.example:443", "REGISTRY.example"]


@pytest.mark.parametrize(("given", "expected"), PROBLEMS)
def test_every_problem_is_named_with_its_path_and_no_password(given: list[dict[str, Any]], expected: list[str]) -> None:
    found = registries.problems(given)
    assert found == [f"stack_registries{one}" for one in expected]
    assert "canary" not in "".join(found)


@pytest.mark.parametrize("server", GOOD)
def test_a_server_is_taken_as_images_begin_with_it(server: str) -> None:
    assert registries.problems([{**LOGIN, "server": server}]) == []


def test_a_token_is_a_login_by_itself() -> None:
    assert registries.problems([{"server": "ghcr.io", "username": "", "password": "", "token": "token-canary"}]) == []


def services(*images: str) -> dict[str, Any]:
    return {str(number): {"image": image} for number, image in enumerate(images)} | {"none": None}


def test_a_login_that_no_image_needs_is_said_and_stops_nobody() -> None:
    logins = [LOGIN, {**LOGIN, "server": "docker.io"}]
    assert registries.unused(logins, services("ghcr.io/shop/api:1", "postgres:17")) == []
    assert registries.unused(logins, services("ghcr.io/shop/api:1")) == [
        'stack_registries[1].server: no image of the Compose files comes from "docker.io"; they come from ghcr.io'
    ]
    # What a variable stands for is not known here.
    assert registries.unused(logins, services("${REGISTRY}/shop/api:1")) == []
