# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The two variables that every release has, put into the text of its Compose files."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAMES = "STACK_RELEASE|STACK_ENVIRONMENT"
_VARIABLE = re.compile(rf"\$(?:\{{(?P<braced>{_NAMES})(?::?[?+-][^}}]*)?\}}|(?P<plain>{_NAMES})\b)")


def substituted(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables[found["braced"] or found["plain"]], text)
