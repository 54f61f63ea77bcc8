# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets where everybody may read them: in the plain configuration of a release, and in the files that it ships. Pure.

A value is told by itself, and not by how it came there: through a variable of a variable, as a part of a URL, in base64. So one
that protects nothing (see ``masking.strength``) is not found.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.words.masking import Masker
from ansible_collections.morpheus.deploy.plugins.module_utils.words.openly import is_chosen, leaves, of_stack


class Exposed:
    """``secrets``: what people call each -> its value; ``stack``: what it says openly is none, and so are ``open_words``."""

    def __init__(self, secrets: Mapping[str, str], stack: Mapping[str, Any], open_words: Collection[str]) -> None:
        self._secrets, self._stack = secrets, stack
        self._open = {word.lower() for word in (*open_words, *of_stack(stack))}
        self._all = Masker(secrets.items(), self._open)

    def problems(self) -> list[str]:
        """Values of the plain configuration that are secrets. It lands in files of the release that all on the host may read."""
        return [
            f"{path}: holds the value of {name}, and goes into files that everybody on the hosts can read; {_mend(path)}, or, "
            f"if it is not a secret, take {name} out of the vault"
            for path, text in leaves("stack", self._stack)
            if is_chosen(path) and (name := self.name_in(text))
        ]

    def notes(self, files: Mapping[str, str]) -> list[str]:
        """``files``: name -> base64 of what a release ships, but for what ``problems`` has looked at."""
        texts = ((name, base64.b64decode(content).decode("utf-8", "replace")) for name, content in files.items())
        return [
            f"{name}: holds the value of {found}, which everybody on the hosts and everybody with this repository can read"
            for name, text in texts
            if (found := self.name_in(text))
        ]

    def name_in(self, text: str) -> str:
        """What people call the secret that ``text`` holds; empty when it holds none."""
        if not self._all.finds(text):
            return ""
        return next((name for name, value in self._secrets.items() if Masker([(name, value)], self._open).finds(text)), "")


def _mend(path: str) -> str:
    root, group, rest = (*path.split(".", 2), "", "")[:3]
    if (root, group) == ("stack", "variables"):
        return f"move {rest} to stack_secret_variables"
    if (root, group) != ("stack", "env") or "." not in rest:
        return "nothing there may be secret"
    name, _, variable = rest.partition(".")
    return f"move {variable} to stack_secrets.{name}"
