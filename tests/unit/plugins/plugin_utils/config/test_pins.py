"""What a release is pinned to, from the inventory to the status of a host."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.status_report import status_report
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.pins import digest, variable_of
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.drift import Fingerprints, Side, compare
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.entries import Configuration, Entry
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.rules import Rules
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.variables import Vault
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.status_table import table

from tests.unit.plugins.plugin_utils.config.test_ml import GOOD
from tests.unit.plugins.plugin_utils.config.test_stack_config import checked, source
from tests.unit.plugins.plugin_utils.config.test_stack_config import raw as good

__all__ = ["source"]
COMIC = GOOD["endpoints"][0]


@pytest.fixture
def raw(source: Path) -> dict[str, Any]:
    return good(source)


def pinned(given: dict[str, Any], *names: str, ml: Any = GOOD) -> Any:
    return checked({**given, "ml": ml, "stack": {**given["stack"], "ml_endpoints": list(names)}})


def test_a_release_is_pinned_to_the_endpoints_that_its_stack_calls(raw: dict[str, Any]) -> None:
    found = pinned(raw, "comic")
    assert found.problems == []
    called = f"comic@{digest(COMIC)}"
    assert found.release_config["ml_pins"] == {
        "comic": {"id": "abc123", "model": "comic-xl", "version": "1.4.0", "called": called}
    }
    assert found.release_config["variables"]["ML_ENDPOINT_COMIC"] == called
    assert "ml_endpoints" not in found.release_config


def test_a_stack_that_calls_none_is_the_release_that_it_was(raw: dict[str, Any]) -> None:
    assert checked(raw).release_config == checked({**raw, "ml": GOOD}).release_config
    assert "ml_pins" not in checked(raw).release_config


@pytest.mark.parametrize(("key", "value"), [("id", "other"), ("model", "comic-xxl"), ("version", "1.5.0"), ("provider", "mock")])
def test_what_a_pin_is_made_of_makes_another_release(raw: dict[str, Any], key: str, value: str) -> None:
    changed = {**GOOD, "endpoints": [{**COMIC, key: value}, GOOD["endpoints"][1]]}
    assert pinned(raw, "comic", ml=changed).release_config != pinned(raw, "comic").release_config


@pytest.mark.parametrize(("key", "value"), [("price_per_second", 9), ("timeout_seconds", 5), ("concurrency", 1)])
def test_what_a_call_may_cost_makes_none(raw: dict[str, Any], key: str, value: float) -> None:
    changed = {**GOOD, "endpoints": [{**COMIC, key: value}, GOOD["endpoints"][1]]}
    assert pinned(raw, "comic", ml=changed).release_config == pinned(raw, "comic").release_config


def test_names_that_nobody_declares_are_told_with_those_that_are_known(raw: dict[str, Any]) -> None:
    assert pinned(raw, "comic", "strip").problems == [
        'stack.ml_endpoints[1]: there is no endpoint "strip" in ml.endpoints; there is comic, sketch'
    ]
    assert pinned(raw, "comic", ml=None).problems == [
        'stack.ml_endpoints[0]: there is no endpoint "comic" in ml.endpoints; ml has none'
    ]
    taken = {**raw, "stack": {**raw["stack"], "variables": {"ML_ENDPOINT_COMIC": "x"}}}
    said = "stack.variables.ML_ENDPOINT_COMIC: is set by stack.ml_endpoints; take the line out"
    assert pinned(taken, "comic").problems == [said]


def test_a_name_becomes_a_variable() -> None:
    assert variable_of("comic-xl_2") == "ML_ENDPOINT_COMIC_XL_2"


def pins(version: str) -> dict[str, dict[str, str]]:
    return {"comic": {"id": "abc123", "model": "comic-xl", "version": version, "called": f"comic@{version}"}}


def test_the_status_names_models_once_and_hosts_where_they_differ() -> None:
    def shown(**hosts: str) -> list[str]:
        said: dict[str, Mapping[str, Any]] = {
            name: {"live": "x", "release": "1", "since": "", "edge": "up", "drift": [], "services": [], "pins": pins(version)}
            for name, version in hosts.items()
        }
        lines = table(status_report(said, {}, "staging"), time.time())
        return [" ".join(line.split()) for line in lines if line.startswith("comic ")]

    assert shown(one="1.4.0", two="1.4.0") == ["comic comic-xl 1.4.0 abc123 comic@1.4.0"]
    assert shown(one="1.4.0", two="1.5.0") == [
        "comic comic-xl 1.4.0 abc123 comic@1.4.0 one",
        "comic comic-xl 1.5.0 abc123 comic@1.5.0 two",
    ]


def test_a_version_that_must_be_the_same_and_is_not_is_named() -> None:
    def side(name: str, version: str) -> Side:
        entries = [Entry(("ml", "endpoints", "comic", "version"), version, f"inventories/{name}/ml.yml:7")]
        return Side(Configuration(name, f"inventories/{name}", Vault("", frozenset()), {}, entries, []), Fingerprints(""))

    rules = Rules(match=("ml.endpoints.*.version",))
    assert compare(side("staging", "1.4.0"), side("production", "1.4.0"), rules).broken == []
    [said] = compare(side("staging", "1.5.0"), side("production", "1.4.0"), rules).broken
    for word in ("ml.endpoints.comic.version", "1.5.0", "1.4.0", "staging", "production"):
        assert word in said
