"""Where the public images of `make dev` come from. Docker is a script here, which writes down what it is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.images import ensure_image, ensure_public
from sandbox.world import BUILT_ON, CONTENT_LABEL, IMAGE_DIRECTORIES, MONITORING_IMAGES

ROOT = Path(__file__).parents[2]

# `images` and `image inspect` answer from files, as does the registry; a build makes nothing.
DOCKER = """#!/bin/sh
cd "${0%/*}"
echo "$*" >> asked
case "$*" in
    "images --quiet --no-trunc postgres:17") cat postgres 2>/dev/null; exit 0;;
    "images --quiet --no-trunc prom"*) exit 0;;
    "images --quiet"*) echo sha256:base;;
    "image inspect"*) cat label 2>/dev/null; exit 0;;
    "manifest inspect"*) test -e registry;;
    "pull --quiet"*) test -e registry;;
esac
"""


@dataclass(frozen=True)
class Docker:
    home: Path

    def has(self, name: str, text: str = "") -> None:
        (self.home / name).write_text(text)

    def did(self) -> list[str]:
        """Which images it was told to bring."""
        asked = (self.home / "asked").read_text().splitlines()
        return [line.split()[0] for line in asked if line.startswith(("pull ", "build "))]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    program = tmp_path / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return Docker(tmp_path)


def test_the_official_image_is_pulled_where_a_registry_answers(docker: Docker) -> None:
    docker.has("registry")
    assert ensure_public("postgres:17", "postgres") == "pulled"
    assert docker.did() == ["pull"]


def test_without_a_registry_what_stands_in_for_it_is_built(docker: Docker) -> None:
    assert ensure_public("postgres:17", "postgres") == "built"
    assert docker.did() == ["build"]


def test_an_official_image_that_is_here_stays(docker: Docker) -> None:
    docker.has("registry")
    docker.has("postgres", "sha256:official\n")
    assert ensure_public("postgres:17", "postgres") == "reused, the official image"
    assert docker.did() == []


def test_a_stand_in_that_is_out_of_date_is_built_anew_and_not_pulled_over(docker: Docker) -> None:
    """Containers of the sandbox may run it."""
    docker.has("registry")
    docker.has("postgres", "sha256:stand-in\n")
    docker.has("label", "outdated\n")
    assert ensure_public("postgres:17", "postgres") == "built"
    assert docker.did() == ["build"]


@pytest.mark.parametrize(("name", "base"), BUILT_ON.items())
def test_an_image_that_is_built_on_another_one_is_built_anew_with_it(docker: Docker, name: str, base: str) -> None:
    directory = ROOT / "sandbox" / "images" / IMAGE_DIRECTORIES[name]
    assert f"FROM {base}\n" in (directory / "Dockerfile").read_text()
    docker.has("label", "outdated\n")
    for version in ("first", "second"):
        docker.has(base.partition(":")[0], f"sha256:{version}\n")
        assert ensure_image(name, directory.name) == "built"
    built = [line for line in (docker.home / "asked").read_text().splitlines() if line.startswith("build ")]
    assert len({word for line in built for word in line.split() if word.startswith(CONTENT_LABEL)}) == 2


def test_what_the_monitoring_pulls_has_a_stand_in_of_the_same_version() -> None:
    wanted = set()
    for path in (ROOT / "stacks" / "monitoring").glob("compose*.yml"):
        # A version stands there as it is, or as the default of a variable.
        found = re.findall(r"image: (?:&\w+ )?([^\s:]+):(?:\$\{\w+_VERSION:-)?([\w.]+)", path.read_text())
        wanted |= {f"{name}:{tag}" for name, tag in found}
    assert wanted == {one.image for one in MONITORING_IMAGES}


def test_one_dockerfile_makes_all_of_them_each_of_its_package(docker: Docker) -> None:
    for one in MONITORING_IMAGES:
        assert ensure_image(one.image, "monitoring", **one.arguments) == "built"
    built = [line for line in (docker.home / "asked").read_text().splitlines() if line.startswith("build ")]
    assert [one.package in line and one.image in line for one, line in zip(MONITORING_IMAGES, built, strict=True)] == [True] * 5
