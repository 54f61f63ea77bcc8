"""docs/versions.md says what pyproject.toml, CI and the sandbox really use."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from sandbox.world import BASE_IMAGE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "versions.md").read_text()


def rows(part: str) -> list[list[str]]:
    """Of one part, the cells behind its name; rows without a name go on with the part above."""
    found, current = [], ""
    for line in PAGE.splitlines():
        if line.startswith("| "):
            name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            current = name or current
            if current == part:
                found.append(cells)
    return found


def pinned() -> dict[str, str]:
    """Each ansible-core that is installed anywhere -> when."""
    group = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["core"]
    return dict(pair for one in group for pair in re.findall(r"^ansible-core==([\d.]+); (.+)$", one))


def test_every_pinned_ansible_core_has_a_row() -> None:
    told = {version for cells in rows("ansible-core") for version in re.findall(r"pinned ([\d.]+)", cells[0])}
    assert told == set(pinned())


def test_ci_runs_every_pinned_ansible_core() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    for name, job in jobs.items():
        cores = {one["ansible-core"] for one in job["strategy"]["matrix"]["include"]}
        assert cores == {version.rpartition(".")[0] for version in pinned()}, name


def test_the_oldest_ansible_core_is_the_one_that_the_collection_asks_for() -> None:
    asked = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"].removeprefix(">=")
    assert f"({asked} or newer)" in rows("ansible-core")[0][0]


def test_the_distribution_of_the_sandbox_is_the_one_that_is_tried() -> None:
    assert BASE_IMAGE.startswith("debian:trixie")
    assert [cells[0] for cells in rows("distribution, hosts") if cells[1] == "yes"] == ["Debian 13"]


def test_every_distribution_that_roles_name_has_a_row() -> None:
    named = {"bookworm": "Debian 12", "trixie": "Debian 13", "jammy": "Ubuntu 22.04", "noble": "Ubuntu 24.04"}
    told = " ".join(cells[0] for cells in rows("distribution, hosts"))
    for path in (ROOT / "roles").glob("*/meta/main.yml"):
        for platform in yaml.safe_load(path.read_text())["galaxy_info"]["platforms"]:
            assert [version for version in platform["versions"] if named[version] not in told] == [], path.parts[-3]


def test_every_version_says_whether_it_was_tried() -> None:
    parts = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line][1:]
    words = ("yes", "not tried", "compiled only", "imports only", "units only", "refused", "run with stand-ins")
    assert [line for line in parts if not line.split("|")[3].strip().startswith(words)] == []
