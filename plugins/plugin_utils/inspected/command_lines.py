# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that are written out in what a service runs: redis-server --requirepass hunter2. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import dotenv
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.odd_names import is_odd

_VALUE = r"""(?:"(?P<double>[^"$]+)"|'(?P<single>[^'$]+)'|(?P<bare>[^\s"'$;|&]+))"""
_OPTION = re.compile(rf"(?<!\S)--?(?P<name>[A-Za-z][\w.-]*)(?:=|\s+){_VALUE}(?!\S)")
_ASSIGNED = re.compile(rf"(?<!\S)(?:export\s+)?(?P<name>[A-Z][A-Z0-9_]*)={_VALUE}(?!\S)")
# Of programs whose short option takes a password.
_SHORT = re.compile(rf"\b(?P<program>redis-cli|valkey-cli)\b[^;|&]*?\s(?P<name>-a)\s+{_VALUE}(?!\S)")
_GLUED = re.compile(rf"\b(?P<program>mysql\w*|mariadb[\w-]*)\b[^;|&]*?\s(?P<name>-p){_VALUE}(?!\S)")
_LOGIN = re.compile(r"(?P<name>[a-z][a-z0-9+.-]*)://[^/\s:@\"'$]*:(?P<bare>[^/\s@\"'$]+)@", re.IGNORECASE)
_NAMED = re.compile(
    r"(?:\A|_|require)pass(?:word|wd|phrase)?\Z|(?:\A|_)(?:secret|token|masterauth|credentials?)\Z|"
    r"(?:\A|_)(?:api|secret|private|access|encryption|signing|auth)_?key\Z",
    re.IGNORECASE,
)
# An option that comes next, a switch, or where the secret lies.
_NO_SECRET = re.compile(r"-|\.?\.?/|(?:true|false|yes|no|on|off|none|null)\Z|[^.]*\.(?:pem|key|crt|txt|json)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Written:
    """``key``: command, entrypoint or healthcheck.test; ``name``: after what it stands; ``variable``: what it may be called."""

    key: str
    name: str
    value: str
    variable: str


def written(service: Mapping[str, Any]) -> Iterator[Written]:
    """Each secret once for each key."""
    for key, value in _lines(service):
        seen: set[str] = set()
        for name, variable, secret in _found(_text(value)):
            if secret not in seen:
                seen.add(secret)
                yield Written(key, name, secret, variable)


def instead(service: Mapping[str, Any], key: str, variables: Mapping[str, str]) -> str:
    """The same by variables; empty where a shell is asked already, or nobody can tell how. ``variables``: secret -> its name."""
    value = dict(_lines(service))[key]
    words = [str(one) for one in value] if isinstance(value, list) else []
    text, is_test = value if isinstance(value, str) else "", key.startswith("healthcheck")
    if words and is_test and words[0] == "CMD-SHELL" and len(words) == 2:
        text = words[1]
    elif words and not ({"-c", "-ec", "-lc"} & {*words}):
        text = " ".join(shlex.quote(one) for one in (words[1:] if is_test and words[0] == "CMD" else words))
    if not text or re.match(r"(?:/\S+/)?(?:ba|da)?sh\s", text):
        return ""
    for secret, variable in variables.items():
        quoted = f'"$${variable}"'
        for form in (f'"{secret}"', f"'{secret}'", secret):
            text = text.replace(form, quoted)
    line = ["CMD-SHELL", text] if is_test else ["sh", "-c", f"exec {text}"]
    return f"{key.rpartition('.')[2]}: {json.dumps(line)}"


def _lines(service: Mapping[str, Any]) -> list[tuple[str, Any]]:
    check = service.get("healthcheck")
    lines = [(key, service.get(key)) for key in ("command", "entrypoint")]
    return [*lines, ("healthcheck.test", check.get("test") if isinstance(check, Mapping) else None)]


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""


def _found(text: str) -> Iterator[tuple[str, str, str]]:
    """After what it stands, what it may be called, and the secret."""
    for pattern in (_OPTION, _ASSIGNED, _SHORT, _GLUED, _LOGIN):
        for match in pattern.finditer(text):
            groups = match.groupdict()
            secret = groups.get("double") or groups.get("single") or match["bare"]
            name = re.sub(r"\W", "_", match["name"])
            if pattern in (_OPTION, _ASSIGNED) and not _NAMED.search(name):
                continue
            if _NO_SECRET.match(secret):
                continue
            if pattern is _LOGIN:
                yield f"{match['name']}://", f"{name.upper()}_PASSWORD", secret
            elif pattern in (_SHORT, _GLUED):
                yield match["name"], "PASSWORD", secret
            else:
                yield text[match.start() : match.start("name")].lstrip() + match["name"], name.upper(), secret
    for word in text.split():
        bare = word.rpartition("=")[2].strip("\"'")
        if dotenv.begins_as_a_key(bare):
            yield "what begins as a provider's keys do", "KEY", bare


def variable_of(service: str, one: Written) -> str:
    name = re.sub(r"[^A-Z0-9]+", "_", f"{service}_{one.variable}".upper()).strip("_")
    return f"APP_{name}" if is_odd(name) else name
