# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of registries: which one an image needs, and what the engine is told with each call. Pure.

The engine keeps none of them: they are in the call that pulls, and on no disk of a host.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

HUB = "docker.io"
# What engines call it when they log in there.
HUB_ADDRESS = "https://index.docker.io/v1/"
_NAMES_OF_HUB = ("index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")


@dataclass(frozen=True)
class Login:
    """``token``: an identity token, which the registry exchanges for access; without one, ``username`` and ``password``."""

    server: str
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        return HUB_ADDRESS if self.server == HUB else self.server

    @property
    def auth(self) -> dict[str, str]:
        """As the engine's API takes it."""
        if self.token:
            return {"identitytoken": self.token, "serveraddress": self.address}
        return {"username": self.username, "password": self.password, "serveraddress": self.address}

    @property
    def called(self) -> str:
        """What people call it; never the secret."""
        return "the token" if self.token else f'the login "{self.username}"'


def canonical(server: str) -> str:
    """The name by which images name it."""
    name = server.lower()
    return HUB if name in _NAMES_OF_HUB else name


def server_of(reference: str) -> str:
    """The registry that an image comes from, as engines read its name: only what looks like a host is one."""
    first, slash, _ = reference.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    return canonical(first) if is_host else HUB


def packed(username: str, password: str, token: str) -> str:
    """A login as ``unpacked`` reads it. In base64, so that a short password is not masked wherever it occurs by chance."""
    return base64.b64encode(json.dumps({"username": username, "password": password, "token": token}).encode()).decode()


def unpacked(given: Mapping[str, str]) -> dict[str, Login]:
    """Server -> its login. ``given``: server -> base64 of JSON with username, and password or token."""
    found = {}
    for server, text in given.items():
        parts = json.loads(base64.b64decode(text))
        name = canonical(server)
        found[name] = Login(name, *(str(parts.get(key) or "") for key in ("username", "password", "token")))
    return found


def secrets(logins: Mapping[str, Login]) -> Iterator[tuple[str, str]]:
    """(Name, value) of what must not be said."""
    for login in logins.values():
        yield from ((name, value) for name, value in (("password", login.password), ("token", login.token)) if value)
