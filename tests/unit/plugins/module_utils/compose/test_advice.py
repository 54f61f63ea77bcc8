"""A gate that failed: which hardening is blamed for which words, and lines that are right when they are copied."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.advice import advice, begun
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import Hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

GIVEN = (
    "It ran with what every service is given: no-new-privileges, cap_drop: [ALL], a read-only root, a limit of processes, limits "
    "of its log."
)
PROJECT = Project({"services": {}}, Own.of("/var/lib/morpheus.deploy/stacks/shop"))
WEB: dict[str, Any] = {"image": "shop/web:1"}


def said(words: str, service: dict[str, Any] | None = None, **exempt: list[str]) -> str:
    stack = Stack(hardening={"exempt": exempt})
    model = {"services": {"web": service or WEB}}
    return advice(stack, hardening.additions(stack, model), "web", words)


SIGNS = [
    ("mkdir: cannot create directory '/var/cache/x': Read-only file system", ["read_only"]),
    ("OSError: [Errno 30] Read-only file system: '/app/x'", ["read_only"]),
    ("Error: EROFS: read-only file system, open '/app/.cache'", ["read_only"]),
    ("chown: changing ownership of '/data': Operation not permitted", ["cap_drop"]),
    ("Error: EACCES: permission denied, open '/data/x'", ["cap_drop"]),
    ("web-1 exited with code 127", ["read_only"]),
    ("web-1 exited with code 126", ["read_only", "cap_drop"]),
    ("sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option set", ["no_new_privileges"]),
    ("RuntimeError: can't start new thread", ["pids_limit"]),
]


@pytest.mark.parametrize(("words", "blamed"), SIGNS, ids=[words[:40] for words, _ in SIGNS])
def test_what_fits_is_exempted_by_the_lines_that_are_told(words: str, blamed: list[str]) -> None:
    found = said(words)
    assert found.startswith(GIVEN)
    lines = yaml.safe_load(found.partition("these lines exempt it:\n")[2])
    exempt = lines["stack"]["hardening"]["exempt"]
    assert set(exempt) == {"web"}
    assert set(exempt["web"]) == set(blamed)
    rules = Hardening(exempt=exempt)
    assert rules.naming_problems({"web": WEB}) == []
    left = rules.additions("web", WEB)
    assert [word for word in blamed if any(key in left for key in hardening.GIVEN_KEYS[word])] == []


def test_what_is_exempted_already_stays_in_the_lines() -> None:
    found = said("Operation not permitted", web=["read_only"])
    assert yaml.safe_load(found.partition("exempt it:\n")[2])["stack"]["hardening"]["exempt"]["web"] == ["read_only", "cap_drop"]
    assert "a read-only root" not in found.partition(". ")[0]


PORTS = [
    "nginx: bind() to 0.0.0.0:80 failed (13: Permission denied)",
    "listen tcp :443: bind: permission denied",
    "Error: listen EACCES: permission denied 0.0.0.0:80",
]


@pytest.mark.parametrize("words", PORTS)
def test_a_port_that_only_root_has_needs_a_capability_and_no_exemption(words: str) -> None:
    found = said(words)
    lines = yaml.safe_load(found.partition("In the Compose file:\n")[2])
    assert lines == {"services": {"web": {"cap_add": ["NET_BIND_SERVICE"]}}}
    assert Hardening().problems("web", {**WEB, **lines["services"]["web"]}, PROJECT, routed=True) == []


def test_other_words_blame_nothing_and_say_what_it_ran_under() -> None:
    assert said("status 503, expected 200") == f"{GIVEN} docs/hardening.md says what to do where that is in its way."
    # A high port is no matter of rights.
    assert "cap_add" not in said("bind 0.0.0.0:8000: permission denied").partition("In the Compose file")[2]


def test_what_was_not_given_is_not_blamed() -> None:
    whole: dict[str, Any] = {
        **WEB,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": 5,
    }
    whole["logging"] = {"driver": "json-file", "options": {"max-size": "1m"}}
    assert said("Read-only file system", whole) == ""
    assert advice(Stack(hardening=None), {}, "web", "Read-only file system") == ""


def test_a_stack_that_only_reports_gives_nothing_and_tells_what_it_would() -> None:
    stack = Stack(hardening={"default": "report", "exempt": {"web": ["read_only", "mem_limit"]}})
    model = {"services": {"web": WEB}}
    assert hardening.additions(stack, model) == {"web": {}}
    assert hardening.warnings(stack, model) == [
        "services.web: would be given no-new-privileges, cap_drop: [ALL], a limit of processes, limits of its log; it is not, "
        "because stack.hardening.default is report"
    ]
    assert advice(stack, hardening.additions(stack, model), "web", "Read-only file system") == ""


def test_what_a_service_asks_of_its_host_is_refused_where_hardening_only_reports() -> None:
    asks = {**WEB, "pids_limit": -1, "logging": {"driver": "syslog"}}
    rules, plain = Hardening(default="report"), Hardening()
    for one in (rules, plain):
        assert len(one.problems("web", asks, PROJECT, routed=True)) == 2
    assert rules.ungiven("web") == set(hardening.GIVEN)
    assert plain.ungiven("web") == set()


def test_what_a_first_start_leaves_in_a_volume_is_told_with_the_command_that_removes_it() -> None:
    mounts = [
        {"type": "bind", "source": "/x", "target": "/x"},
        {"type": "volume", "source": "data", "target": "/data"},
        {"type": "volume", "target": "/without-a-name"},
    ]
    model = {"services": {"db": {"volumes": mounts}, "web": {}}, "volumes": {"data": {"name": "shop_data"}}}
    found = begun(model, "db")
    assert "stays in the volume shop_data." in found
    assert found.endswith("sudo docker volume rm shop_data")
    assert begun(model, "web") == ""
