"""A service that says nothing of restart is there again after a reboot."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import defaults
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

GIVEN = {"web": {"restart": "unless-stopped"}}


@pytest.mark.parametrize(
    ("web", "given"),
    [
        pytest.param({}, GIVEN, id="nothing is said"),
        pytest.param({"restart": None}, GIVEN, id="an empty key"),
        pytest.param({"restart": "no"}, {}, id="no"),
        pytest.param({"restart": False}, {}, id="no, without quotes"),
        pytest.param({"restart": "on-failure:3"}, {}, id="another policy"),
        pytest.param({"deploy": {"restart_policy": {"condition": "none"}}}, {}, id="a policy of deploy"),
        pytest.param({"deploy": {"replicas": 2}}, GIVEN, id="a deploy without one"),
        pytest.param({"profiles": ["tools"]}, {}, id="behind a profile"),
    ],
)
def test_what_a_service_is_given(web: dict[str, Any], given: dict[str, Any]) -> None:
    assert defaults.additions(Stack.of({"hardening": {}}), {"services": {"web": web}}) == given


def test_a_job_is_left_ended() -> None:
    waits = {"restart": "always", "depends_on": {"setup": {"condition": "service_completed_successfully"}}}
    assert defaults.additions(Stack.of({"hardening": {}}), {"services": {"setup": {}, "web": waits}}) == {}
    assert defaults.additions(Stack.of({"hardening": {}, "jobs": {"setup": None}}), {"services": {"setup": {}}}) == {}


def test_a_release_from_before_hardening_runs_as_it_ran() -> None:
    assert defaults.additions(Stack.of({}), {"services": {"web": {}}}) == {}


def test_it_is_said_once_for_all() -> None:
    services = {"web": {}, "db": {}, "api": {"restart": "always"}, "base": {"extends": "api"}}
    assert defaults.note(services, []) == [
        "db, web: have no restart and get restart: unless-stopped, so that they are there again after a reboot of the host; "
        "write it, "
        'or restart: "no", to say otherwise'
    ]
    assert defaults.note({"web": {}}, []) == [
        "web: has no restart and gets restart: unless-stopped, so that it is there again after a reboot of the host; write "
        "it, or "
        'restart: "no", to say otherwise'
    ]
    assert defaults.note({"web": {}}, ["web"]) == []
