"""Who runs a command, as leases name people."""

from __future__ import annotations

import getpass
import os
import socket

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.who import who


@pytest.fixture
def _controller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "laptop")
    monkeypatch.setattr(getpass, "getuser", lambda: "anna")


@pytest.mark.usefixtures("_controller")
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "anna@laptop"),
        ({"SUDO_USER": "ben"}, "ben@laptop"),
        ({"GITHUB_ACTOR": "carla", "SUDO_USER": "runner"}, "carla@laptop"),
        ({"GITLAB_USER_LOGIN": "dora"}, "dora@laptop"),
        ({"BUILD_USER": "emil"}, "emil@laptop"),
        ({"GITHUB_ACTOR": "", "BUILD_USER": "emil"}, "emil@laptop"),
    ],
    ids=str,
)
def test_the_owner_is_whoever_started_the_run(environment: dict[str, str], expected: str) -> None:
    assert who(environment) == expected


@pytest.mark.usefixtures("_controller")
@pytest.mark.parametrize("error", [KeyError("uid"), OSError("no user")])
def test_a_user_that_no_passwd_knows_is_called_by_its_number(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def unknown() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert who({}) == f"uid {os.getuid()}@laptop"
