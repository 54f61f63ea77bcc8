# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables are secrets by their names. Pure."""

from __future__ import annotations

import re

_NAMED = re.compile(
    r"pass(word|wd|phrase)?(_|\Z)|secret|token|api_?key|private_?key|credential|_key\Z|_dsn\Z|_pwd\Z|_salt\Z|webhook",
    re.IGNORECASE,
)
# Says how others are let in, or where a secret lies, and is none.
_NOT_NAMED = re.compile(
    r"_FILE\Z|_PATH\Z|_HOST_AUTH_METHOD\Z|_EXPIRE|_TTL|_MINUTES\Z|_HOURS\Z|_DAYS\Z|_SECONDS\Z|_LENGTH\Z|_ENABLED\Z", re.IGNORECASE
)
_SWITCH = re.compile(r"(0|1|true|false|yes|no|on|off|none|null)\Z", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,6}\Z")
# Where the name says nothing else, a number is a secret as well: MAX_TOKENS is none, PASSWORD is.
_NUMBER_TOO = re.compile(r"(pass(word|wd|phrase)?|secret|token|key|_dsn|_pwd|_salt|credentials?)\Z", re.IGNORECASE)


def is_secret(name: str, value: str) -> bool:
    """An empty value is one that somebody is yet to fill in."""
    if not _NAMED.search(name) or _NOT_NAMED.search(name) or _SWITCH.match(value):
        return False
    return not _NUMBER.match(value) or bool(_NUMBER_TOO.search(name))
