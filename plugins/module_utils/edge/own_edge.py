# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How this host asks its own edge what users get, whatever ports the edge has and wherever TLS ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.waiting import HTTP, HTTPS, published, without_users
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint, Expectation

_TLS = f"bind :{HTTPS} "
_THIS_HOST = "127.0.0.1"
_MEND = "run playbooks/provision.yml --tags edge for this inventory"


@dataclass(frozen=True)
class OwnEdge:
    """``http``, ``https``: ports on this host, 0 while it waits for them; ``tls``: whether the edge has a certificate;
    ``socket``: where only root asks.
    """

    http: int
    https: int
    tls: bool
    socket: Path

    @classmethod
    def of(cls, paths: EdgePaths) -> OwnEdge:
        """As the edge was set up. EdgeError when its files do not say it."""
        project, config = paths.root / "compose.json", paths.conf / "haproxy.cfg"
        try:
            given = published(project.read_text())
            ports = {inside: int(outside.rpartition(":")[2]) for outside, _, inside in (one.rpartition(":") for one in given)}
            tls = any(line.strip().startswith(_TLS) for line in config.read_text().splitlines())
            if ports and without_users(given):
                ports = {HTTP: 0, HTTPS: 0}
            return cls(ports[HTTP], ports[HTTPS], tls, paths.root / "run" / "own.sock")
        except OSError as exc:
            raise EdgeError(f"{exc.filename}: {exc.strerror}, so this host's edge cannot be asked; {_MEND}") from exc
        except (ValueError, KeyError) as exc:
            raise EdgeError(f"{project} does not say on which ports this host's edge listens; {_MEND}") from exc

    def endpoint(self, name: str, url: str, headers: Mapping[str, Any], expectation: Expectation) -> Endpoint:
        """Ask for ``url`` as a user would. Where TLS ends in front of this host, as that TLS end would."""
        given = tuple((str(key), str(value)) for key, value in headers.items())
        parts = urlsplit(url)
        if parts.scheme == "http":
            return Endpoint(name, url, given, f"{_THIS_HOST}:{self.http}", expectation)
        if self.tls:
            return Endpoint(name, url, given, f"{_THIS_HOST}:{self.https}", expectation)
        plain = urlunsplit(("http", parts.netloc, parts.path, parts.query, ""))
        return Endpoint(name, plain, (("X-Forwarded-Proto", "https"), *given), f"unix:{self.socket}", expectation)


def endpoint(name: str, paths: EdgePaths, asked: Mapping[str, Any], expectation: Expectation) -> Endpoint:
    """``asked``: {url, address, headers}. Where it names an address, that is asked in the place of this host's own edge."""
    headers = asked.get("headers") or {}
    if asked.get("address"):
        given = tuple((str(key), str(value)) for key, value in headers.items())
        return Endpoint(name, asked["url"], given, asked["address"], expectation)
    return OwnEdge.of(paths).endpoint(name, asked["url"], headers, expectation)
