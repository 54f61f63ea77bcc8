# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two environments must have in common, and what they may not. Pure.

Patterns are dotted paths: ``*`` is any text without a dot, ``**`` any text. An inventory's own rules are added to those below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

# What both may not have in common: where one could be taken for, or reach into, the other.
MUST_DIFFER = (
    "stack_environment",
    "stack_vault",
    "stack_secrets.*.*",
    "stack_secret_variables.*",
    "stack_secret_files.*.content",
    "stack_registries.*.password",
    "stack_registries.*.token",
    "notifications.channels.*.url",
    "notifications.channels.*.token",
    "notifications.channels.*.password",
    "supabase_project.token",
    "supabase_project.publishable_key",
    "supabase_project.secret_key",
    "supabase_project.project_ref",
    "supabase_project.auth.site_url",
    "stack.services.*.routes.*.host",
    "stack.services.*.routes.*.redirect.host",
    "stack.public_check.url",
    "stack.database.project_ref",
    "stack.database.system_identifier",
    "edge_certificate_paths.*",
    "certificates_account_key",
    "hosts.*",
)
# What must be the same, or staging tries something else than production runs.
MUST_MATCH = (
    "stack.name",
    "stack.files",
    "stack.services.*.port",
    "stack.services.*.protocol",
    "stack.services.*.routes.*.paths",
    "stack.services.*.health.path",
    "stack.services.*.health.status",
    "stack.services.*.health.version",
    "stack.services.*.health.expect",
    "stack.migration.service",
    "stack.migration.directory",
    "stack.migration.compatible_since",
    "stack.public_check.version",
    "stack.database.secret",
    "stack.env.*.*MODEL_VERSION*",
    "compose.services.*.image",
    "compose.services.*.command",
    "compose.services.*.entrypoint",
    "compose.services.*.env_file",
    "compose.services.*.user",
    "compose.services.*.read_only",
    "compose.services.*.privileged",
    "compose.services.*.cap_add",
    "compose.services.*.cap_drop",
    "compose.services.*.security_opt",
    "compose.services.*.network_mode",
)
# What both must have, with whatever value.
MUST_EXIST = (
    "stack.services.*",
    "stack.env.*",
    "stack.env.*.*",
    "stack.migration",
    "stack.public_check",
    "stack_secrets.*",
    "stack_secrets.*.*",
    "stack_secret_variables.*",
    "stack_secret_files.*",
    "compose.services.*",
    "compose.services.*.environment.*",
)

Path = tuple[str, ...]


@dataclass(frozen=True)
class Rules:
    """``exempt``: paths that no rule binds, with all below them."""

    differ: Sequence[str] = MUST_DIFFER
    match: Sequence[str] = MUST_MATCH
    exist: Sequence[str] = MUST_EXIST
    exempt: Sequence[str] = ()

    def extended(self, *more: Mapping[str, Sequence[str]]) -> Rules:
        """With the variables config_must_differ, config_must_match, config_must_exist and config_exempt of inventories."""

        def all_of(own: Sequence[str], name: str) -> tuple[str, ...]:
            return tuple(dict.fromkeys([*own, *(pattern for one in more for pattern in one.get(name) or ())]))

        return Rules(
            all_of(self.differ, "config_must_differ"),
            all_of(self.match, "config_must_match"),
            all_of(self.exist, "config_must_exist"),
            all_of(self.exempt, "config_exempt"),
        )

    def bind(self, path: Path) -> bool:
        return not any(fits(self.exempt, path[:length]) for length in range(1, len(path) + 1))


def fits(patterns: Iterable[str], path: Path) -> bool:
    # A key may have dots of its own, for example the name of a site.
    text = "\0".join(path)
    return any(_expression(pattern).fullmatch(text) for pattern in patterns)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = {"**": ".*", "*": "[^\0]*", ".": "[.\0]"}
    return re.compile("".join(parts.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*|\.)", pattern)), re.DOTALL)
