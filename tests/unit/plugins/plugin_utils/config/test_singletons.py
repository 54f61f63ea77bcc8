"""What a Compose file of Swarm says of a service that must run once is refused, and what is written instead is honoured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.filter.stack_config import stack_config

WEB = {"name": "web", "port": 8000, "routes": [{"host": "shop.example"}], "health": {"path": "/health"}}
ORDINARY = {"image": "shop/app:1", "restart": "unless-stopped"}


def checked(source: Path, beat: dict[str, Any], *services: Any, **more: Any) -> dict[str, Any]:
    """For two hosts, with the service beat beside a web service."""
    healthcheck = {"test": ["CMD", "true"], "interval": "1s", "retries": 1}
    project = {"services": {"web": {**ORDINARY, "healthcheck": healthcheck}, "beat": {**ORDINARY, **beat}}}
    (source / "compose.yml").write_text(yaml.safe_dump(project))
    stack = {"name": "shop", "compose_files": ["compose.yml"], "services": [WEB, *services], **more}
    return stack_config(
        {
            "stack_environment": "production",
            "stack_release": "1.0.0",
            "stack_source": str(source),
            "stack_groups": {"app": ["app-1", "app-2"]},
            "stack": stack,
        }
    )


def test_a_constraint_is_refused_and_the_line_that_is_written_instead_is_honoured(tmp_path: Path) -> None:
    beat = {"deploy": {"mode": "replicated", "placement": {"constraints": ["node.hostname == app-1"]}}}
    [problem] = checked(tmp_path, beat)["problems"]
    assert problem.startswith(
        "compose.yml: services.beat.deploy.placement.constraints: node.hostname == app-1 is for Swarm alone"
    )
    [entry] = yaml.safe_load(re.findall(r"stack\.services: (\[.*\])", problem)[0])
    found = checked(tmp_path, {}, entry)
    assert (found["problems"], found["placement"]) == ([], {"beat": ["app-1"]})


def test_a_job_of_swarm_is_refused_and_what_is_written_instead_is_honoured(tmp_path: Path) -> None:
    [problem] = checked(tmp_path, {"deploy": {"mode": "replicated-job"}})["problems"]
    assert problem.startswith('compose.yml: services.beat.deploy.mode: "replicated-job" is a mode of Swarm alone')
    jobs = yaml.safe_load(re.findall(r"stack\.jobs: (\{.*\})", problem)[0])
    found = checked(tmp_path, {"restart": "no"}, jobs=jobs)
    assert (found["problems"], found["stack"]["jobs"]) == ([], {"beat": {"hosts": "one"}})


@pytest.mark.parametrize("mode", ["replicated", "global"])
def test_a_mode_that_hosts_have_anyway_is_accepted(tmp_path: Path, mode: str) -> None:
    found = checked(tmp_path, {"deploy": {"mode": mode}})
    assert (found["problems"], found["placement"]) == ([], {})
