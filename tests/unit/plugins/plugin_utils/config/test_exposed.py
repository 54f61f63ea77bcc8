"""A secret in the plain configuration of a release is named by its path and its variable, and by no part of its value."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.exposed import Exposed

SECRETS = {
    "vault_key": "canary-of-the-key",
    "vault_database_url": "postgresql://app:canary%40pass@db.example/app",
    "vault_pin": "1234",
    "vault_stack": "morpheus",
    "vault_rotation.new": "canary-of-tomorrow",
}
READ = "and goes into files that everybody on the hosts can read"


def exposed(stack: dict[str, Any]) -> Exposed:
    return Exposed({**SECRETS, "api.SITE": "shop.example.com"}, {"name": "Morpheus", **stack}, ["staging"])


EXPOSED = [
    pytest.param(
        {"env": {"api": {"KEY": "canary-of-the-key"}}},
        f"stack.env.api.KEY: holds the value of vault_key, {READ}; move KEY to stack_secrets.api, or, if it is not a "
        "secret, take vault_key out of the vault",
        id="a secret in the plain configuration",
    ),
    pytest.param(
        {"env": {"api": {"DSN": "https://u:canary%40pass@other/1"}}},
        f"stack.env.api.DSN: holds the value of vault_database_url, {READ}; move DSN to stack_secrets.api, or, if it is not a "
        "secret, take vault_database_url out of the vault",
        id="the password of a secret URL",
    ),
    pytest.param(
        {"env": {"api": {"NEXT": base64.b64encode(b"x canary-of-tomorrow").decode()}}},
        f"stack.env.api.NEXT: holds the value of vault_rotation.new, {READ}; move NEXT to stack_secrets.api, or, if it is not a "
        "secret, take vault_rotation.new out of the vault",
        id="a secret, encoded",
    ),
    pytest.param(
        {"public_check": {"headers": {"X-Key": "canary-of-the-key"}}},
        f"stack.public_check.headers.X-Key: holds the value of vault_key, {READ}; nothing there may be secret, or, if it is not "
        "a secret, take vault_key out of the vault",
        id="a secret elsewhere in the stack",
    ),
    pytest.param(
        {"services": [{"routes": [{"host": "a.example"}, {"request_headers": {"X-Key": "canary-of-the-key"}}]}]},
        f"stack.services[0].routes[1].request_headers.X-Key: holds the value of vault_key, {READ}; nothing there may be secret, "
        "or, if it is not a secret, take vault_key out of the vault",
        id="a secret in a header of a route",
    ),
]


@pytest.mark.parametrize(("stack", "problem"), EXPOSED)
def test_a_secret_is_named_by_its_place_and_its_variable(stack: dict[str, Any], problem: str) -> None:
    assert exposed(stack).problems() == [problem]
    assert "canary" not in problem


def test_what_protects_nothing_and_what_is_none_is_not_noticed() -> None:
    env = {"PIN": "1234", "NAME": "morpheus", "HOST": "db.example", "URL": "postgresql://app@db.example/app", "N": 5}
    assert exposed({"env": {"api": env}, "hosts_at_once": 1}).problems() == []


def test_what_the_stack_says_openly_is_no_secret_though_some_keep_it_among_them() -> None:
    stack = {"env": {"api": {"SITE": "https://shop.example.com/"}}, "services": [{"routes": [{"host": "shop.example.com"}]}]}
    assert exposed(stack).problems() == []
    assert len(exposed({"env": stack["env"]}).problems()) == 1


def test_one_in_a_file_that_is_shipped_is_worth_a_note() -> None:
    files = {"compose.yml": "services: {}", "seed.sql": "insert into keys values ('canary-of-the-key')", "logo.png": "\udcff\0"}
    encoded = {name: base64.b64encode(text.encode("utf-8", "surrogateescape")).decode() for name, text in files.items()}
    assert exposed({}).notes(encoded) == [
        "seed.sql: holds the value of vault_key, which everybody on the hosts and everybody with this repository can read"
    ]
