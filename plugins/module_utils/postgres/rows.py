# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Postgres says of an error without the rows that it quotes, which are of persons. Pure.

Names of tables, columns and constraints stay; so does what a statement itself holds, which stands in a file of the project.
"""

from __future__ import annotations

import re

STARS = "***"
# Where the next part of what is said begins.
_NEXT = r"(?=\n\s*(?:DETAIL|HINT|QUERY|CONTEXT|STATEMENT|LOCATION|LINE \d+|ERROR|WARNING|NOTICE|psql|pg_restore):|\s*\Z)"
_DETAIL = re.compile(rf"(?P<head>DETAIL:\s+)(?P<words>.*?){_NEXT}", re.DOTALL)
# Key (email)=(...) already exists.
_KEY = re.compile(r"(\)=)\(.*\)", re.DOTALL)
# Failing row contains (...).
_ROW = re.compile(r"\(.*\)(?=\.?\s*\Z)", re.DOTALL)
# Token "..." is invalid; expected ... but found "..."
_TOKEN = re.compile(r'((?:Token|found) )".*"', re.DOTALL)
# COPY people, line 3, column email: "..."; JSON data, line 1: ...
_COPIED = re.compile(rf"((?:COPY [^\n]+?|JSON data), line \d+[^\n:]*): .*?{_NEXT}", re.DOTALL)
_PARAMETER = re.compile(rf"(parameter \$\d+ = )'.*?{_NEXT}", re.DOTALL)
# invalid input syntax for type integer: "..."
_VALUE = re.compile(rf'((?:\A|ERROR:)[^\n]*?: )".*?"{_NEXT}', re.DOTALL)
_OF_THE_STATEMENT = re.compile(r"^LINE \d+: ", re.MULTILINE)


def without(text: str) -> str:
    """``text`` in its lines, as a driver or a program of Postgres gives it."""
    found = _DETAIL.sub(_of_detail, text)
    found = _PARAMETER.sub(rf"\1{STARS}", _COPIED.sub(rf"\1: {STARS}", found))
    return found if _OF_THE_STATEMENT.search(found) else _VALUE.sub(rf'\1"{STARS}"', found)


def _of_detail(found: re.Match[str]) -> str:
    words = _TOKEN.sub(rf'\1"{STARS}"', found["words"])
    if _KEY.search(words):
        words = _KEY.sub(rf"\1({STARS})", words)
    elif "(" in words:
        words = _ROW.sub(f"({STARS})", words)
    return found["head"] + words
