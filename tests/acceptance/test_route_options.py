"""Options of routes as a deploy brings them and a rollback takes them back: under load, and nobody is replaced for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.world import Environment, on, says

HOST = "staging-app-1"
MAP = "/var/lib/morpheus.deploy/edge/conf/routes.map"
MOVED: dict[str, Any] = {"paths": ["/moved"], "redirect": {"url": "/health", "status": 307}}
SHORT: dict[str, Any] = {"paths": ["/api/stories"], "max_body": "10b"}


@pytest.fixture
def optional(inventories: Path, staging: Environment) -> Iterator[Environment]:
    """Staging with the same release, whose routes have options."""
    path = inventories / "staging" / "group_vars" / "all" / "stack.yml"
    variables = yaml.safe_load(path.read_text())
    api, web = variables["stack"]["services"]
    api["routes"].append({"host": staging.site, **SHORT})
    web["routes"] += [{"host": staging.site, **MOVED}, {"host": f"*.{staging.site}", "hsts": {"max_age_seconds": 0}}]
    path.write_text(yaml.safe_dump(variables))
    yield replace(staging, inventories=str(inventories))
    staging.deployed("1.0.0")


def test_options_come_and_go_under_load_and_replace_nobody(staging: Environment, optional: Environment) -> None:
    before = staging.containers(HOST)
    with staging.load() as load:
        site = staging.site
        planned = [f"api: take over the route {site}/api/stories/", f"web: take over the routes *.{site}/, {site}/moved/"]
        says(optional.deployed("1.0.0", "--check", "--diff"), planned)
        assert staging.ask("/moved")[0] == 404
        optional.deployed("1.0.0")
        status, headers, _ = staging.ask("/moved")
        assert (status, headers["location"]) == (307, "/health")
        lines = on(HOST, "cat", MAP).splitlines()
        assert lines[0] == "# morpheus.deploy format 2"
        assert f'{staging.site}/api/stories/ morpheus.api|{{"max_body":10}}' in lines
        assert f'*.{staging.site}/ morpheus.web|{{"hsts":"0"}}' in lines
        assert optional.verdict()["verdict"] == "deployed"
        run = staging.play("rollback.yml")
        assert run.code == 0, run.output
        assert staging.ask("/moved")[0] == 404
        assert "format 2" not in on(HOST, "cat", MAP)
    assert load.report.failed == 0, load.report
    assert staging.containers(HOST) == before


def test_what_an_option_cannot_be_is_refused_before_any_host_is_asked(inventories: Path, optional: Environment) -> None:
    path = inventories / "staging" / "group_vars" / "all" / "stack.yml"
    path.write_text(path.read_text().replace("10b", "ten bytes"))
    run = optional.deploy("1.0.0")
    assert run.code != 0
    says(
        run,
        [
            'stack.services[0].routes[1].max_body: "ten bytes" is no size; write a number with b, k, m or g behind it, '
            'as in "10m"',
            "VERDICT refused",
        ],
    )
