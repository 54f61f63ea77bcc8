# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of GitHub's workflows in a log: groups, annotations; and text that must not be taken for one. Pure.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Mapping

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


def is_here(environment: Mapping[str, str]) -> bool:
    return environment.get("GITHUB_ACTIONS") == "true"


def group(name: str) -> str:
    return f"::group::{_escaped(name, _DATA)}"


END_GROUP = "::endgroup::"


def error(title: str, text: str) -> str:
    return f"::error title={_escaped(title, _PROPERTY)}::{_escaped(text, _DATA)}"


def harmless(line: str) -> str:
    """``line`` as text: GitHub reads ``::`` at the beginning of a line, behind blanks too, and ``##[`` anywhere."""
    line = line.replace("##[", "## [")
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def _escaped(text: str, spelled: Mapping[str, str]) -> str:
    return "".join(spelled.get(character, character) for character in text)
