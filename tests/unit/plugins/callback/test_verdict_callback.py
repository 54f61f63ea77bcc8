from __future__ import annotations

import gc
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from ansible_collections.morpheus.deploy.plugins.callback.verdict import CallbackModule


@pytest.fixture
def collector() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
def test_what_is_here_when_a_play_begins_is_kept_from_the_workers_garbage_collectors() -> None:
    before = gc.get_freeze_count()
    CallbackModule().v2_playbook_on_play_start(SimpleNamespace(check_mode=False, get_variable_manager=lambda: None))
    assert gc.get_freeze_count() > before
