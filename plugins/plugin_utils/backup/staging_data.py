# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of data that go from one environment to another: every problem in it. Contacts nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.masking import RULES
from ansible_collections.morpheus.deploy.plugins.plugin_utils.backup.declared import Declared
from ansible_collections.morpheus.deploy.plugins.plugin_utils.backup.options import recipient_problems

EXPORTS, IMPORTS = "exports", "imports"


class StagingData(Declared):
    """The variable ``staging_data``, with the rules of its file."""

    NAME = "staging_data"

    def __init__(self, raw: Any, options: Mapping[str, Any], secrets: Mapping[str, Any], hosts: Sequence[str]) -> None:
        self._rules: dict[str, str] = {}
        self._subset: dict[str, str] = {}
        super().__init__(raw, options, secrets, hosts)

    def _own(self) -> dict[str, Any]:
        given = self._given
        return {
            "does": given["does"],
            "rules": self._rules,
            "subset": self._subset,
            "max_age_days": given["max_age_days"],
            "keep": {"keep_days": given["keep_days"], "keep_at_least": 1},
        }

    def _meaning(self) -> Iterator[str]:
        given = self._given
        if given["does"] not in (EXPORTS, IMPORTS):
            yield f'staging_data.does: "{given["does"]}" is not one of {EXPORTS}, {IMPORTS}; production exports, staging imports'
        yield from self._of_host()
        yield from self._of_version()
        yield from self._of_directory()
        yield from self._of_store()
        if given["does"] == EXPORTS:
            yield from recipient_problems(
                given["recipients"], "staging_data.recipients", "the key of the environment that imports"
            )
            yield from self._of_masking()
        if given["does"] == IMPORTS:
            yield from self._of_import()

    def _of_store(self) -> Iterator[str]:
        if bool(self._s3) == bool(self._given["directory"]):
            yield "staging_data.s3: say either this, a bucket, or staging_data.directory, a directory of the host"
        yield from self._of_bucket()
        yield from self._of_bucket_keys()

    def _of_import(self) -> Iterator[str]:
        yield from self._of_either_programs()
        for name in ("staging_data_database_url", "staging_data_identity"):
            if not self._secrets.get(name):
                yield f"{name}: required where data are imported; take it from the environment's vault"
        yield from self._of_url("staging_data_database_url")

    def _of_masking(self) -> Iterator[str]:
        path = self._given["masking"]
        if not path:
            yield "staging_data.masking: required; a file with a rule for each column that may hold something of a person"
            return
        try:
            found = yaml.safe_load(Path(path).read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
            yield f"staging_data.masking: {path} cannot be read: {' '.join(str(exc).split())}"
            return
        if not isinstance(found, Mapping) or set(found) - {"tables", "subset"} or not isinstance(found.get("tables"), Mapping):
            yield f"staging_data.masking: {path} must have tables, with columns and rules, and may have subset; it has other keys"
            return
        for table, columns in found["tables"].items():
            if not isinstance(columns, Mapping) or str(table).count(".") != 1:
                yield f"staging_data.masking: tables.{table} must be <schema>.<table>, with its columns and their rules"
                continue
            for column, rule in columns.items():
                # A bare null is the rule null.
                word = "null" if rule is None else str(rule)
                self._rules[f"{table}.{column}"] = word
                if word not in RULES:
                    yield f'staging_data.masking: tables.{table}.{column}: "{word}" is not one of {", ".join(RULES)}'
        subset = found.get("subset") or {}
        if not isinstance(subset, Mapping) or not all(isinstance(one, str) for one in subset.values()):
            yield "staging_data.masking: subset must be <schema>.<table> with a condition in SQL"
            return
        self._subset = {str(table): str(condition) for table, condition in subset.items()}
