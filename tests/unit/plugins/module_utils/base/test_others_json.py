# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is nested without end ends no module, no gate and no shipper of logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import record
from ansible_collections.morpheus.deploy.plugins.module_utils.base import others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.health import dependencies
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Expectation
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Answer
from ansible_collections.morpheus.deploy.plugins.module_utils.logs import entry
from ansible_collections.morpheus.deploy.plugins.module_utils.logs.sources import Source
from ansible_collections.morpheus.deploy.plugins.modules import stack_migration
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import log_lines

DEEP = [
    *("[" * 60000, '{"checks":' * 60000),
    # Whole, and looked through level by level.
    *('{"checks":{"a":' + '{"status":' * depth + '"down"' + "}" * (depth + 2) for depth in (101, 400, 900, 990)),
    *('{"level":' + "[" * depth + "]" * depth + "}" for depth in (101, 400, 900, 990)),
]
_ABOUT = {"environment": "production", "host": "app-1"}


def _shipped(text: str) -> Any:
    line = entry.Entry("2026-01-01T00:00:00.000000000Z", Source("shop", "api", "api-1", "1.0.0", "0" * 64), text)
    return entry.syslog(line, _ABOUT), entry.loki([line], _ABOUT)


def _recorded(text: str) -> None:
    with pytest.raises(DeployError, match="is not the record of a backup"):
        record.parse(text, "one.json")


READERS: dict[str, Callable[[str], Any]] = {
    "status": lambda text: dependencies.down(text.encode()),
    "gate": lambda text: Expectation(body="ok", version="version", release="1").violation(Answer(0.1, 200, text.encode())),
    "gate, of another release": lambda text: Expectation(version="v", release="1").is_of_another_release(
        Answer(0.1, 200, text.encode())
    ),
    "shipper": _shipped,
    "logs": log_lines.in_words,
    "migration": stack_migration._last_json,
    "backups": _recorded,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", DEEP, ids=lambda text: f"{text[:12]} {len(text)}")
def test_what_is_nested_without_end_is_no_json_for_anybody(reader: str, text: str) -> None:
    READERS[reader](text)


@pytest.mark.parametrize("text", DEEP, ids=lambda text: f"{text[:12]} {len(text)}")
def test_it_is_told_as_every_other_text_that_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        others_json.loads(text)


def test_what_applications_say_is_read() -> None:
    text = "[" * others_json.DEEPEST + "]" * others_json.DEEPEST
    assert others_json.loads(text)
    assert others_json.loads(b'{"a": [1, {"b": "\xc3\xa9"}]}') == {"a": [1, {"b": "é"}]}
    with pytest.raises(ValueError, match="Expecting value"):
        others_json.loads("")
