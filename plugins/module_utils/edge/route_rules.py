# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of routes for which a stack's own file at the edge needs rules: whom a route lets in, how it balances. Pure.

Which of them holds for a request stands in the map, as every option does (route_options.py), whole: so the rules are made of the
destinations alone. While routes go over, the file has those of both releases, and each request meets the ones of its route.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.service.route import Route
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import options_of, service_at

NAMES = ("allow", "basic_auth", "request_headers", "response_headers", "sticky", "compression")
LARGEST_ALLOW = 100
LONGEST_HEADERS = 4000
H2 = "h2"
_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_VALUE = re.compile(r"[\x20-\x7e]*\Z")
_COMPRESSED = (
    *("text/html", "text/plain", "text/css", "text/csv", "text/xml", "text/javascript", "application/javascript"),
    *("application/json", "application/problem+json", "application/manifest+json", "application/xml", "image/svg+xml"),
)
_CONNECTIONS = "belongs to one connection and is the edge's own; remove it"
_WHOSE = "tells the service whose request it is and how it came, and the edge says that itself; remove it"
# Name in small letters -> why no route sets or removes it, and what to do. "*" stands for any end.
_REFUSED_BOTH = dict.fromkeys(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length"),
    _CONNECTIONS,
)
_REFUSED = {
    "request_headers": {
        **_REFUSED_BOTH,
        **dict.fromkeys(("x-forwarded-*", "forwarded", "x-real-ip"), _WHOSE),
        "host": "is how the service knows its site, and the gate asks with it; give the route a host of that name",
        "authorization": "would stand in the release for all to read; let the service read the secret itself",
        "cookie": "is the user's own; remove it",
    },
    "response_headers": {
        **_REFUSED_BOTH,
        "strict-transport-security": "is what hsts of the route says; write it there",
        "set-cookie": "may stand several times in an answer, and setting it would take the others away; let the service set it",
        "content-encoding": "is what compression of the route sets; write it there",
    },
}
_NOT_ALLOWED = "This address is not open to where you come from."
_NOT_KNOWN = "This address asks for a user and a password."


def written(route: Route, protocol: str) -> dict[str, Any]:
    """These options as they stand in the map, without those that say nothing by being empty."""
    return {
        "allow": ",".join(_networks(route.allow)),
        "basic_auth": route.basic_auth,
        "request_headers": _encoded(route.request_headers),
        "response_headers": _encoded(route.response_headers),
        "sticky": int(route.sticky),
        "compression": int(route.compression),
        H2: int(protocol == H2),
    }


def lines(stack: str, options: Iterable[str]) -> list[str]:
    """Of each of a service's backends. ``options``: of all destinations that lead to it, as they are written."""
    found = _read(options)
    return [
        # First, so that whoever is not let in gets them, too.
        *(line for number, value in enumerate(_all(found, "response_headers"), 1) for line in _response_headers(number, value)),
        *(line for number, value in enumerate(_all(found, "allow"), 1) for line in _allow(number, value)),
        *(line for number, value in enumerate(_all(found, "basic_auth"), 1) for line in _basic_auth(stack, number, value)),
        *(line for number, value in enumerate(_all(found, "request_headers"), 1) for line in _request_headers(number, value)),
        # What has no such variable is given to one after the other.
        *(["    balance hash var(txn.sticky_id)", "    hash-type consistent"] if _all(found, "sticky") else []),
        *(_compression() if _all(found, "compression") else []),
    ]


def spoken(options: Iterable[str]) -> str:
    """What the servers of a service have for it, after their place."""
    return f" proto {H2}" if _all(_read(options), H2) else ""


def speaks_h2(options: str) -> bool:
    return bool(spoken([options]))


def require_same_protocol(now: Iterable[str], wanted: Iterable[str]) -> None:
    """Raise EdgeError when a service's new replicas would speak another protocol than those that run: both have one backend.
    Both: destinations, see service/routing.py.
    """
    before, after = ({service_at(one): speaks_h2(options_of(one)) for one in leads} for leads in (now, wanted))
    for service in sorted(before.keys() & after.keys()):
        if before[service] != after[service]:
            words = ("HTTP/1.1", "HTTP/2 (protocol: h2)")
            raise EdgeError(
                f'the service "{service}" speaks {words[before[service]]} with the edge, and {words[after[service]]} in this '
                "release; give it another name in the Compose files and in stack.services, and its routes go over without a "
                "dropped request. Nothing was changed"
            )


def user_lists(options: Iterable[str]) -> list[str]:
    """Names of the files of secrets that hold the users of ``options``."""
    return [str(one) for one in _all(_read(options), "basic_auth")]


def render_users(stack: str, users: Mapping[str, Mapping[str, str]]) -> str:
    """HAProxy's lists of users. ``users``: name of the list -> user -> hash of the password. One without users lets nobody in."""
    parts = [f"# Users of the stack {stack}, and hashes of their passwords. Written by morpheus.deploy."]
    for name, hashes in sorted(users.items()):
        parts += ["", f"userlist {stack}.{name}"]
        parts += [f"    user {user} password '{one}'" for user, one in sorted(hashes.items()) if not hash_problem(one)]
    return "\n".join(parts) + "\n"


def problems(route: Route) -> Iterator[str]:
    """Each begins with the option."""
    yield from _allow_problems(route.allow)
    for name in ("request_headers", "response_headers"):
        yield from _header_problems(name, getattr(route, name))


# What `openssl passwd -6` prints. Others take the edge too long, or it does not know them.
_HASH = re.compile(r"\$[56]\$(?:rounds=(?P<rounds>[0-9]{4,6})\$)?[A-Za-z0-9./]{1,16}\$(?:[A-Za-z0-9./]{43}|[A-Za-z0-9./]{86})\Z")
MOST_ROUNDS = 10000


def hash_problem(text: str) -> str:
    """Why ``text`` is no hash of a password that the edge can use, in words without it; empty when it is one."""
    found = _HASH.match(text)
    if not found:
        return "is no hash of a password; write what this prints: openssl passwd -6"
    if int(found["rounds"] or 0) > MOST_ROUNDS:
        return f"has more than {MOST_ROUNDS} rounds, and the edge goes through them with every request; write fewer"
    return ""


def _networks(given: Sequence[str]) -> list[str]:
    found = []
    for text in given:
        try:
            found.append(str(ipaddress.ip_network(text, strict=False)))
        except ValueError:
            # A problem of its own. Nobody comes from there.
            found.append("255.255.255.255/32")
    return list(dict.fromkeys(found))


def _allow_problems(given: Sequence[str]) -> Iterator[str]:
    if len(given) > LARGEST_ALLOW:
        yield f"allow: names {len(given)} networks; {LARGEST_ALLOW} at most, so write larger ones"
    for number, text in enumerate(given):
        problem = _network_problem(text)
        if problem:
            yield f"allow[{number}]: {problem}"


def _network_problem(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        mend = "write it as 10.0.0.5 or 10.0.0.0/24, a name is not looked up"
        return f"{json.dumps(text)} is neither an address nor a network; {mend}"
    if not network.prefixlen:
        return f'"{text}" is everybody; leave allow out to let everybody in'
    address = text.partition("/")[0]
    if "/" in text and ipaddress.ip_address(address) != network.network_address:
        return f'"{text}" is one address of a network; write {network} for the network, or {address} for the address'
    return ""


def _header_problems(option: str, given: Mapping[str, str]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name, value in given.items():
        refused = _refused(option, name)
        other = seen.setdefault(name.lower(), name)
        if not _NAME.match(name):
            yield f"{option}: {json.dumps(name)} is no name of a header; write it with letters, digits, - and _"
        elif refused:
            yield f"{option}.{name}: {refused}"
        elif other != name:
            yield f"{option}.{name}: is {other} in other letters; write one of the two"
        elif not _VALUE.match(value) or value != value.strip():
            yield f'{option}.{name}: must be one line of plain signs without a blank at its ends; "" takes the header away'
    length = sum(len(name) + len(value) for name, value in given.items())
    if length > LONGEST_HEADERS:
        yield f"{option}: takes {length} characters; {LONGEST_HEADERS} at most, so let the service say some of it"


def _refused(option: str, name: str) -> str:
    small = name.lower().replace("_", "-")
    for refused, why in _REFUSED[option].items():
        if small == refused or (refused.endswith("*") and small.startswith(refused[:-1])):
            return why
    return ""


def _encoded(headers: Mapping[str, str]) -> str:
    """In signs that a map and a configuration carry as they are."""
    text = json.dumps(sorted(headers.items()), separators=(",", ":")) if headers else ""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(text: str) -> list[tuple[str, str]]:
    found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return [(str(name), str(value)) for name, value in found]


def _read(options: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(one) for one in options if one]


def _all(found: Iterable[Mapping[str, Any]], name: str) -> list[Any]:
    """Every value that the option has somewhere, once, in an order of its own."""
    return sorted({one[name] for one in found if one.get(name)})


def _said(option: str, number: int, value: str) -> list[str]:
    """A condition that holds where a request's route says this value."""
    first = [f"    http-request set-var(txn.{option}) var(txn.options),json_query('$.{option}')"] if number == 1 else []
    return [*first, f"    acl {option}.{number} var(txn.{option}) -m str {value}"]


def _allow(number: int, value: str) -> list[str]:
    condition = f"allow.{number}"
    return [
        *_said("allow", number, value),
        *(f"    acl {condition}.from var(txn.client) -m ip {network}" for network in value.split(",")),
        f"    http-request return status 403 content-type text/plain string {_quoted(_NOT_ALLOWED)} "
        f"if {condition} !{condition}.from",
    ]


def _basic_auth(stack: str, number: int, value: str) -> list[str]:
    condition = f"basic_auth.{number}"
    return [
        *_said("basic_auth", number, value),
        f"    acl {condition}.known http_auth({stack}.{value})",
        f"    http-request return status 401 content-type text/plain string {_quoted(_NOT_KNOWN)} "
        f'hdr WWW-Authenticate \'Basic realm="{value}", charset="UTF-8"\' if {condition} !{condition}.known',
        # It is the edge's, and a service that knows other passwords would refuse it.
        f"    http-request del-header Authorization if {condition}",
    ]


def _request_headers(number: int, value: str) -> list[str]:
    return [
        *_said("request_headers", number, value),
        *(f"    http-request {_set(*one)} if request_headers.{number}" for one in _decoded(value)),
    ]


def _response_headers(number: int, value: str) -> list[str]:
    """Also of what the edge answers itself for this route, such as 401 and 503."""
    return [
        *_said("response_headers", number, value),
        *(f"    http-after-response {_set(*one)} if response_headers.{number}" for one in _decoded(value)),
    ]


def _set(name: str, value: str) -> str:
    return f"set-header {name} {_quoted(value.replace('%', '%%'))}" if value else f"del-header {name}"


def _compression() -> list[str]:
    return ["    compression algo gzip", f"    compression type {' '.join(_COMPRESSED)}"]


def _quoted(text: str) -> str:
    """One word of HAProxy's configuration."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"'
