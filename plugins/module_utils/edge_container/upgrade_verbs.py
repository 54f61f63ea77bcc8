# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upgrade of the edge asks of each HAProxy and of the ways that lead to it, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.edge import carry as edge_carry
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.instance import Seen
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.redirect import Way
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import EdgeSettings


class Haproxy(Protocol):
    """See edge_instance.Instance."""

    def look(self) -> Seen | None: ...
    def start(self, *, anew: bool = False) -> None: ...
    def soft_stop(self) -> None: ...
    def end(self) -> None: ...
    def remove(self) -> None: ...
    def ask(self, command: str) -> str: ...
    def tell(self, *commands: str) -> None: ...
    def known(self) -> edge_carry.Known: ...
    def sessions(self) -> int: ...
    def waiting(self) -> int: ...
    def last_words(self) -> str: ...
    def write(self, settings: EdgeSettings) -> None: ...


class OwnHaproxy(Haproxy, Protocol):
    def settings(self) -> EdgeSettings: ...
    def text(self) -> dict[Path, str]: ...
    def put(self, texts: Mapping[Path, str]) -> None: ...


class Ways(Protocol):
    """See redirect.Redirect."""

    def lead(self, way: Way) -> None: ...
    def end(self) -> None: ...
    def there(self) -> bool: ...


@dataclass(frozen=True)
class Wanted:
    """``image``: its name; ``identity``: its id on this host. ``hands_over``: users come here directly. ``bridge``: the host's
    interface of the edge's network. ``tls``: whether the edge has a certificate. ``ports``: see ``published``.
    """

    image: str
    identity: str
    drain_seconds: float
    hands_over: bool
    bridge: str
    tls: bool
    ports: Sequence[str] = ()
