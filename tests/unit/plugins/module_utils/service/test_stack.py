from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest, config_hash
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.route import Route
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import (
    HealthCheck,
    Migration,
    Retention,
    Service,
    Stack,
)
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications

ROOT = Path(__file__).parents[5]
OPTIONS = specifications.options("preflight")["stack"]["options"]
SERVICE = OPTIONS["services"]["options"]
DOCUMENT: dict[str, Any] = {
    "name": "shop",
    "compose_files": ["compose.yml"],
    "files": ["migrations"],
    "live_files": ["flags"],
    "shared_volumes": ["uploads"],
    "env": {"api": {"LEVEL": "info"}},
    "drain_seconds": 5,
    "keep_free_mb": 0,
    "retention": {"releases": 2, "pinned": ["1.0"]},
    "hardening": {"exempt": {"api": ["read_only"]}},
    "services": [
        {"name": "api", "port": 8000, "routes": [{"host": "shop.example", "paths": ["/api"]}, {}], "health": {"path": "/h"}},
        {"name": "worker", "port": 9000, "routes": [], "health": None},
    ],
    "migration": {"service": "migrate", "directory": "migrations", "accept_edited": ["2"]},
    "public_check": {"url": "https://shop.example/"},
}


def test_a_configuration_is_typed_and_its_document_stays_as_it_was_given() -> None:
    found = Stack.of(DOCUMENT)
    assert found.services == (
        Service("api", 8000, (Route("shop.example", ("/api",)), Route("", ("/",))), HealthCheck("/h")),
        Service("worker", 9000),
    )
    assert found.migration == Migration("migrate", directory="migrations", accept_edited=("2",))
    assert found.retention == Retention(2, ("1.0",))
    assert (found.drain_seconds, found.keep_free_mb) == (5.0, 0), "nothing is said, and 0 is"
    assert (found.routed, found.ports) == ({"api"}, {"api": 8000})
    assert (found.health("api"), found.health("worker"), found.health("nobody")) == (HealthCheck("/h"), None, None)
    assert found.document is DOCUMENT


def test_a_release_of_an_older_version_has_what_applied_then_and_no_hardening() -> None:
    found = Stack.of({"compose_files": ["compose.yml"], "services": [{"name": "api", "port": 80, "routes": []}]})
    assert (found.hardening, found.migration, found.public_check) == (None, None, {})
    assert (found.files, found.live_files, found.shared_volumes) == ((), (), ())


PARTS = [
    pytest.param(Route, SERVICE["routes"]["options"], id="route"),
    pytest.param(HealthCheck, SERVICE["health"]["options"], id="health"),
    # What must be applied, and what breaks older releases, is read from the files of the engine that has versions.
    pytest.param(Migration, {**OPTIONS["migration"]["options"], "requires": {}, "breaking": {}}, id="migration"),
    pytest.param(Retention, OPTIONS["retention"]["options"], id="retention"),
    # Which files are brought, and what runs elsewhere, nobody says: the checks find it.
    pytest.param(Stack, {**OPTIONS, "document": {}, "brought_files": {}, "elsewhere": {}}, id="stack"),
]


@pytest.mark.parametrize(("part", "options"), PARTS)
def test_what_is_missing_has_the_default_of_the_role(part: Any, options: dict[str, Any]) -> None:
    """The parsed default configuration is what nothing at all is parsed to."""
    names = {field.name for field in fields(part)}
    assert names <= options.keys()
    said = {name: options[name]["default"] for name in names if options[name].get("default") not in (None, {}, [])}
    given = {field.name: field.default for field in fields(part) if field.default is not MISSING}
    parsed = part.of(said)
    for name in said:
        found = list(given[name]) if isinstance(given[name], tuple) else given[name]
        assert (found, getattr(parsed, name)) == (said[name], given[name]), name


@pytest.mark.parametrize("options", [OPTIONS], ids=["every option wrong"])
def test_a_configuration_with_problems_can_be_parsed_all_the_same(options: dict[str, Any]) -> None:
    """They are told with their paths; none may be hidden by a crash."""
    wrong: dict[str, Any] = {name: "x" if option["type"] != "str" else 5 for name, option in options.items()}
    wrong["services"] = ["x", {"name": 5, "port": "x", "routes": "x", "health": {"successes": "x"}}]
    wrong["migration"] = {"timeout_seconds": "x", "accept_edited": "x"}
    problems: list[str] = []
    found = Stack.of(schema.typed(wrong, options, "stack", problems))
    assert len(problems) > len(options)
    assert [service.name for service in found.services] == ["", ""]


def test_the_hash_of_a_release_is_over_the_document_and_the_manifest_holds_it(tmp_path: Path) -> None:
    """Whatever a newer version adds to it: releases that hosts keep must be found again under their ids."""
    document = {**DOCUMENT, "of_a_newer_version": {"x": 1}}
    assert config_hash("staging", Stack.of(document), {}, {}) != config_hash("staging", Stack.of(DOCUMENT), {}, {})
    releases = Releases("shop", tmp_path)
    releases.write_manifest(Manifest("1-a", "1", "staging", Stack.of(document)))
    assert json.loads((tmp_path / "shop" / "releases" / "1-a" / "manifest.json").read_text())["stack"] == document
    assert releases.read("1-a").stack == Stack.of(document)


@pytest.mark.parametrize("stack", [None, ["x"], {"services": 5}, {"services": ["x"]}, {"drain_seconds": "soon"}])
def test_a_manifest_whose_stack_is_none_is_damaged(tmp_path: Path, stack: Any) -> None:
    releases = Releases("shop", tmp_path)
    releases.write_manifest(Manifest("1-a", "1", "staging", Stack()))
    path = tmp_path / "shop" / "releases" / "1-a" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "stack": stack}))
    with pytest.raises(DamagedError, match="it is not what this collection writes"):
        releases.read("1-a")
