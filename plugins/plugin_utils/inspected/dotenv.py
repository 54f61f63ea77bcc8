# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A team's own .env, read once: what it says, as Compose reads it, and which of its values belong in the vault.

In doubt a value belongs there: one that is no secret, or is empty yet, does no harm in a vault.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base import interpolation
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import secret_names

_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
# By which providers begin their keys.
_KEYS = re.compile(
    r"(sk|rk|pk)_(live|test)_|sk-|gh[pousr]_|github_pat_|glpat-|xox[abprs]-|AKIA|ASIA|AIza|SG\.|eyJ[A-Za-z0-9_-]{8,}\.|whsec_|npm_|hf_"
)
_WORD = re.compile(r"[A-Za-z0-9+/_=~.-]{20,}\Z")
_VERSION = re.compile(r"v?\d+\.\d+")
# Bits that each character of a value tells: words of a language have fewer.
_RANDOM_BITS = 3.6
_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[\w.\[\]-]+)[ \t]*(?:=|:[ \t])[ \t]*
    (?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>[^']*)'|(?P<plain>[^\n]*))""",
    re.MULTILINE | re.VERBOSE,
)
_COMMENT = re.compile(r"[ \t]+#.*\Z|\A#.*\Z")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def beside(path: Path) -> str:
    """The .env beside a Compose file; empty when there is none."""
    with suppress(OSError):
        return (path.absolute().parent / ".env").read_text(errors="replace")
    return ""


def text(name: str) -> str:
    """The env file of this name. DeployError when it cannot be read."""
    path = Path(name).expanduser()
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        raise DeployError(f"env: {path} does not exist; name the file that docker compose reads now, or leave it out") from None
    except OSError as exc:
        raise DeployError(f"env: {path} cannot be read ({exc.strerror})") from None


def read(content: str) -> dict[str, str]:
    """Name -> value, as Compose reads the file: quotes and comments are none of a value, and a variable before it stands for
    itself, but not between single quotes. A name without a sign is taken from a shell, which a deploy does not have.
    """
    found: dict[str, str] = {}
    for match in _LINE.finditer(content.removeprefix("\ufeff")):
        if match["single"] is not None:
            value = match["single"]
        elif match["double"] is not None:
            value = _ESCAPE.sub(lambda one: _ESCAPES.get(one[1], one[0] if one[1] == "$" else one[1]), match["double"])
            value = _interpolated(value, found)
        else:
            value = _interpolated(_COMMENT.sub("", match["plain"]).strip(), found)
        found[match["name"]] = value
    return found


def _interpolated(value: str, known: Mapping[str, str]) -> str:
    parts = value.split("\\$")
    return "$".join(interpolation.interpolated(one, known).text for one in parts)


def why_secret(name: str, value: str) -> str:
    """Why a value belongs in the vault, in words that do not tell it; empty when it may stand in the inventory."""
    if _PRIVATE_KEY.search(value):
        return "holds a private key"
    if _LOGIN.search(value):
        return "a URL with a password in it"
    if begins_as_a_key(value):
        return "begins as a provider's keys do"
    if secret_names.is_secret(name, value):
        # Whoever fills it in does so where it stands.
        return "by its name" if value else "by its name; empty now"
    return "looks random" if _looks_random(value) else ""


def begins_as_a_key(value: str) -> bool:
    return bool(_KEYS.match(value))


def _looks_random(value: str) -> bool:
    """A long word of letters and digits without a pattern. Paths, host names and versions are none."""
    if not _WORD.match(value) or _VERSION.match(value) or value.startswith(("/", ".")) or "//" in value:
        return False
    kinds = (any(map(str.isdigit, value)), any(map(str.isalpha, value)))
    return all(kinds) and _bits(value) >= _RANDOM_BITS and not re.search(r"[a-z]{6,}[.-]|[.-][a-z]{6,}", value)


def _bits(value: str) -> float:
    counts = Counter(value).values()
    return -sum(one / len(value) * math.log2(one / len(value)) for one in counts)
