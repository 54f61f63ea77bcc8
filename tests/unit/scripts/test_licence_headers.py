"""Who holds the copyright, and the licence, where a file is read apart from the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.scripts.programs import ROOT, program

licence_headers = program("scripts/licence_headers.py")

HEAD = (
    "# Copyright (c) The morpheus.deploy authors\n"
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)\n"
    "# SPDX-License-Identifier: GPL-3.0-or-later\n"
)
CODE = '"""Counts the money."""\n\n# Copyright is said above.\ntill = 1\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(CODE, HEAD + CODE, id="no head"),
        pytest.param("", HEAD, id="an empty file"),
        pytest.param(f"#!/usr/bin/python\n{CODE}", f"#!/usr/bin/python\n{HEAD}{CODE}", id="a shebang stays first"),
        pytest.param(
            f"# Copyright (c) The morpheus.deploy authors\n# SPDX-License-Identifier: MIT\n{CODE}",
            HEAD + CODE,
            id="another licence",
        ),
        pytest.param(f"# Copyright (c) Somebody\n{CODE}", f"# Copyright (c) Somebody\n{HEAD}{CODE}", id="another holder stays"),
        pytest.param(HEAD + CODE, HEAD + CODE, id="the head that it has"),
        pytest.param(f"# What comes next.\n{CODE}", f"{HEAD}# What comes next.\n{CODE}", id="a comment is no head"),
    ],
)
def test_a_file_gets_its_head_once(before: str, after: str) -> None:
    assert licence_headers.headed(before) == after
    assert licence_headers.headed(after) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("author:\n  - The morpheus.deploy maintainers\n", "author:\n  - The morpheus.deploy maintainers (@morpheus-deploy)\n"),
        ("author:\n  - Somebody (@somebody)\n", "author:\n  - Somebody (@somebody)\n"),
    ],
)
def test_authors_are_named_with_their_handle_once(before: str, after: str) -> None:
    assert licence_headers.authored(before) == after
    assert licence_headers.authored(after) == after


def test_a_role_has_the_licence_of_the_collection() -> None:
    before = "galaxy_info:\n  license: MIT\n  min_ansible_version: '2.19'\n"
    assert licence_headers.licensed(before) == before.replace("MIT", "GPL-3.0-or-later")


def test_every_plugin_script_and_role_says_it() -> None:
    differ = [path.relative_to(ROOT) for path, text in licence_headers.wanted(ROOT) if path.read_text() != text]
    assert differ == [], "run scripts/licence_headers.py"


def test_plugins_scripts_and_roles_are_looked_at() -> None:
    seen = {path.relative_to(ROOT).parts[:2] for path, _ in licence_headers.wanted(ROOT)}
    assert {("plugins", "modules"), ("plugins", "module_utils"), ("scripts", "night.py"), ("roles", "edge")} <= seen
    assert set((ROOT / "plugins").rglob("*.py")) <= {path for path, _ in licence_headers.wanted(ROOT)}


def test_the_collection_is_under_that_licence_and_brings_its_text() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["license"] == [licence_headers.LICENCE]
    assert (ROOT / "LICENSE").read_text().split(maxsplit=6)[:6] == ["GNU", "GENERAL", "PUBLIC", "LICENSE", "Version", "3,"]


def test_check_names_the_files_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plugins" / "filter" / "till.py"
    path.parent.mkdir(parents=True)
    path.write_text(CODE)
    monkeypatch.setattr(licence_headers, "ROOT", tmp_path)
    for arguments, code, text, printed in (
        (["--check"], 1, CODE, "plugins/filter/till.py\n"),
        ([], 0, HEAD + CODE, "plugins/filter/till.py\n"),
        (["--check"], 0, HEAD + CODE, ""),
    ):
        monkeypatch.setattr("sys.argv", ["licence_headers.py", *arguments])
        assert licence_headers.main() == code
        assert (path.read_text(), capsys.readouterr().out) == (text, printed)
