# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A link in a repository brings nothing of the controller to hosts, whatever leads to it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig

from tests.unit.plugins.plugin_utils.config.test_stack_config import OPTIONS, raw, source

__all__ = ["source"]
CANARY = "services: {canary: {image: 'canary:1'}}\n"
Raw = dict[str, Any]


def _files(found: Raw, *names: str, option: str = "files") -> None:
    found["stack"][option] = [*found["stack"].get(option, []), *names]


def _include(found: Raw, path: Path) -> None:
    (path / "compose.production.yml").write_text("include: [more/out.yml]\nservices: {}\n")
    (path / "more").mkdir()
    (path / "more/out.yml").symlink_to(path.parent / "outside/key")


def _extends(found: Raw, path: Path) -> None:
    (path / "compose.production.yml").write_text("services: {api: {extends: {file: out.yml, service: canary}}}\n")
    (path / "out.yml").symlink_to(path.parent / "outside/key")


def _linked(name: str, target: str, *names: str, option: str = "files") -> Callable[[Raw, Path], None]:
    def plant(found: Raw, path: Path) -> None:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).symlink_to(target)
        _files(found, *names, option=option)

    return plant


def _twice(found: Raw, path: Path) -> None:
    (path / "two.yml").symlink_to("../outside/key")
    (path / "one.yml").symlink_to("two.yml")
    _files(found, "one.yml")


WAYS: Mapping[str, Callable[[Raw, Path], None]] = {
    "a file": _linked("out.yml", "../outside/key", "out.yml"),
    "a file by its absolute path": _linked("out.yml", "/proc/self/environ", "out.yml"),
    "a file of a directory": _linked("migrations/out.yml", "../../outside/key"),
    "a directory": _linked("out", "../outside", "out"),
    "a file behind a directory": _linked("out", "../outside", "out/key"),
    "a Compose file": _linked("compose.out.yml", "../outside/key", "compose.out.yml", option="compose_files"),
    "a live directory": _linked("live", "../outside", "live", option="live_files"),
    "a file of a live directory": _linked("live/out.yml", "../../outside/key", "live", option="live_files"),
    "a link to a link": _twice,
    "an included file": _include,
    "an extended file": _extends,
}


def checked(found: Raw) -> StackConfig:
    return StackConfig(found, OPTIONS)


@pytest.mark.parametrize("way", WAYS)
def test_a_link_out_of_the_source_is_refused(source: Path, tmp_path: Path, way: str) -> None:
    inside = tmp_path / "stack"
    inside.mkdir()
    for path in [one for one in tmp_path.iterdir() if one != inside]:
        path.rename(inside / path.name)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/key").write_text(CANARY)
    found = raw(inside)
    WAYS[way](found, inside)
    config = checked(found)
    assert any("a link that leads out of stack_source" in one for one in config.problems), config.problems
    shipped = [base64.b64decode(one) for one in (*config.files.values(), *config.live_files.values())]
    assert CANARY.encode() not in shipped


def test_a_link_within_the_source_is_followed(source: Path, tmp_path: Path) -> None:
    (source / "migrations/2.sql").symlink_to("1.sql")
    (tmp_path.parent / f"{tmp_path.name}-link").symlink_to(source)
    found = raw(tmp_path.parent / f"{tmp_path.name}-link")
    config = checked(found)
    assert config.problems == []
    assert config.files["migrations/2.sql"] == config.files["migrations/1.sql"]
