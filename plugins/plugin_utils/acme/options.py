# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of certificates from an ACME authority: every problem in it, and what is asked for. Contacts nobody.

Who has none of these need not wait until cryptography is loaded.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import ISSUED

HTTP, DNS = CHALLENGES = ("http-01", "dns-01")
# Of one certificate, at most authorities.
MOST_NAMES = 100
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"(\*\.)?({_LABEL}\.)+{_LABEL}\Z")
_EMAIL = re.compile(r"[^@\s,<>]+@[^@\s,<>]+\.[^@\s,<>.]+\Z")
_CLIENT = "ansible_collections.community.crypto.plugins.modules.acme_certificate_order_create"
_NO_CLIENT = (
    "edge_acme: needs the collection community.crypto 2.24 or newer on the controller, which pip install ansible brings; with "
    "ansible-core only: ansible-galaxy collection install community.crypto"
)


class Acme:
    """``problems`` is empty exactly when ``told`` can be used. No value of the account's key is in either.

    ``raw``: edge_acme; ``routes``: the host of each route of every stack; ``sites``: names of edge_certificate_paths.
    """

    def __init__(
        self, raw: Any, options: Mapping[str, Any], routes: Sequence[Any], sites: Sequence[str] = (), account_key: Any = None
    ) -> None:
        shape: list[str] = []
        self._given = schema.typed({"edge_acme": raw}, {"edge_acme": options["edge_acme"]}, "", shape)["edge_acme"] or {}
        self._routes = [_folded(host) for host in routes if isinstance(host, str) and host]
        self._sites = [_folded(site) for site in sites]
        self._key = account_key
        self.is_wanted = bool(raw)
        found = list(self._meaning()) if isinstance(raw, Mapping) and raw else []
        self.problems = schema.causes(shape, found) if raw else []

    @property
    def names(self) -> list[str]:
        """Those of the certificate, the first one first."""
        given = [_folded(name) for name in self._given.get("names") or [] if isinstance(name, str)]
        return list(dict.fromkeys(given or [host for host in self._routes if host not in self._sites]))

    def told(self) -> dict[str, Any]:
        if not self.is_wanted or self.problems:
            return {"names": self.names if self.is_wanted else []}
        from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import request

        given = {name: value for name, value in self._given.items() if name != "names"}
        return {**given, "names": self.names, "thumbprint": request.thumbprint(str(self._key))}

    def _meaning(self) -> Iterator[str]:
        given = self._given
        if not _EMAIL.match(email := given["email"] or ""):
            yield f'edge_acme.email: "{email}" is not an address, such as ops@example.com; the authority warns there'
        yield from self._of_directory()
        if given["challenge"] not in CHALLENGES:
            yield f'edge_acme.challenge: "{given["challenge"]}" is not one of {", ".join(CHALLENGES)}'
        elif (given["challenge"] == DNS) != bool(given["dns_hook"]):
            need = "required, because edge_acme.challenge is dns-01; give the program that sets a TXT record, with its arguments"
            idle = "only dns-01 calls it; say edge_acme.challenge: dns-01"
            yield f"edge_acme.dns_hook: {need if given['challenge'] == DNS else idle}"
        if given["renew_days"] is not None and not 1 <= given["renew_days"] <= 60:
            yield f"edge_acme.renew_days: {given['renew_days']} is not from 1 to 60"
        if given["ca_path"] and not Path(given["ca_path"]).expanduser().is_file():
            yield f"edge_acme.ca_path: there is no file {given['ca_path']} on the controller"
        if ISSUED in self._sites:
            yield f"edge_certificate_paths.{ISSUED}: is the name of the certificate that edge_acme brings; give yours another one"
        yield from self._of_names()
        yield from self._of_key()
        if importlib.util.find_spec(_CLIENT) is None:
            yield _NO_CLIENT

    def _of_directory(self) -> Iterator[str]:
        text = self._given["directory"] or ""
        parts = urlsplit(text) if text.isprintable() and " " not in text else urlsplit("")
        if parts.scheme != "https" or not parts.hostname:
            such = "such as https://acme-v02.api.letsencrypt.org/directory"
            yield f'edge_acme.directory: "{text}" is not an https URL; give the authority\'s directory, {such}'

    def _of_names(self) -> Iterator[str]:
        if not self.names:
            yield "edge_acme.names: no route names a host, so nobody knows for what the certificate is to be; list the names"
        if len(self.names) > MOST_NAMES:
            yield f"edge_acme.names: {len(self.names)} names, and one certificate has at most {MOST_NAMES}"
        for number, name in enumerate(self.names):
            path = f"edge_acme.names[{number}]" if self._given["names"] else "edge_acme.names (from the routes)"
            problem = self._name_problem(name)
            if problem:
                yield f'{path}: "{name}" {problem}'

    def _name_problem(self, name: str) -> str:
        if not name.isascii():
            return "has letters that DNS does not know; write it as users' browsers send it (xn--...)"
        if not _DNS_NAME.match(name) or len(name) > 253 or name.rpartition(".")[2].isdecimal():
            return "is not a DNS name that an authority can look up, such as www.example.com"
        if name.startswith("*.") and self._given["challenge"] != DNS:
            return "is a wildcard, which authorities give for edge_acme.challenge: dns-01 only"
        if not self._is_routed(name):
            known = ", ".join(dict.fromkeys(self._routes)) or "none that names a host"
            return f"is the host of no route, so nobody is served by it (routes: {known}); correct it, or give it a route"
        return ""

    def _is_routed(self, name: str) -> bool:
        return name in self._routes or f"*.{name.partition('.')[2]}" in self._routes

    def _of_key(self) -> Iterator[str]:
        if not self._key:
            yield (
                "certificates_account_key: required; make one with openssl genpkey -algorithm EC -pkeyopt "
                "ec_paramgen_curve:P-256, put it into the environment's vault, and take it from there"
            )
            return
        from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import request

        if problem := request.key_problem(self._key):
            yield f"certificates_account_key: {problem}"


def problems(variables: Mapping[str, Any], stacks: Sequence[Any], options: Callable[[], Mapping[str, Any]]) -> list[str]:
    """Of ``variables`` of an inventory, for a check of more than these. ``options``: reads those of the role edge."""
    given = variables.get("edge_acme")
    if not given:
        return []
    sites = list(variables.get("edge_certificate_paths") or {})
    return Acme(given, options(), route_hosts(stacks), sites, variables.get("certificates_account_key")).problems


def route_hosts(stacks: Sequence[Any]) -> list[str]:
    """The hosts of the routes of ``stacks``, as inventories have them: what is of another shape is told of elsewhere."""
    found = []
    for stack in stacks:
        for service in _list_of(stack, "services"):
            found += [route.get("host") for route in _list_of(service, "routes") if isinstance(route, Mapping)]
    return [host for host in found if isinstance(host, str) and host]


def _list_of(item: Any, name: str) -> list[Any]:
    found = item.get(name) if isinstance(item, Mapping) else None
    return list(found) if isinstance(found, list | tuple) else []


def _folded(name: str) -> str:
    return name.strip().lower().rstrip(".")
