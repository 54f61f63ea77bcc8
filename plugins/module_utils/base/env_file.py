# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Env files for Compose. Of its notations only double quotes carry every value through its parser unchanged."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

# Linux takes a variable with its name and the sign between them, and an end of one byte: 32 pages (MAX_ARG_STRLEN).
LONGEST_VARIABLE = 131_072
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LINE = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:\\.|[^"\\])*)"\n', re.DOTALL)
# One pass, so that an escape is never escaped again. Newlines, tabs and carriage returns stand as they are.
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "$$"})
_ESCAPED = re.compile(r"\\(.)|\$\$", re.DOTALL)


def problems(values: Mapping[str, object]) -> list[str]:
    """What keeps ``values`` from becoming an env file: names of keys and reasons, never a value."""
    found = []
    for name, value in values.items():
        if not isinstance(name, str) or not _NAME.match(name):
            found.append(f"{name}: is not a name for an environment variable (letters, digits and _, no digit first)")
        elif not isinstance(value, str):
            found.append(f"{name}: {schema.no_string(value)}")
        elif "\0" in value:
            found.append(f"{name}: holds a NUL character, which no environment can carry")
        elif not _is_encodable(value):
            found.append(f"{name}: holds half of a surrogate pair, which UTF-8 cannot carry")
        elif (size := len(f"{name}={value}".encode()) + 1) > LONGEST_VARIABLE:
            found.append(
                f"{name}: is {size} bytes long, and no container starts with an environment variable of more than "
                f"{LONGEST_VARIABLE}; bring it as a file (stack_secret_files, or stack.files for what is not secret)"
            )
    return found


def render(values: Mapping[str, str]) -> str:
    """The env file whose every value a container sees exactly as given, names in order; ``problems`` must be empty."""
    return "".join(f'{name}="{values[name].translate(_ESCAPES)}"\n' for name in sorted(values))


def names(text: str) -> list[str]:
    """Names of the variables in a file that ``render`` made."""
    return [name for name, _ in _LINE.findall(text)]


def values(text: str) -> dict[str, str]:
    """What ``render`` was given for a file that it made."""
    return {name: _ESCAPED.sub(lambda found: found[1] or "$", value) for name, value in _LINE.findall(text)}


def with_value(text: str, name: str, value: str) -> str | None:
    """A file that ``render`` made, with another value of one variable; None when it has no such variable."""
    if name not in names(text):
        return None
    line = render({name: value})
    return _LINE.sub(lambda match: line if match[1] == name else match[0], text)


def _is_encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
