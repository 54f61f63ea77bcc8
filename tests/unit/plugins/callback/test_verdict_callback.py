from __future__ import annotations

import gc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

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


def _play(variables: dict[str, Any], *, hosts: int = 1) -> Any:
    groups = {"app": SimpleNamespace(get_hosts=lambda: [f"app-{number}" for number in range(hosts)])}
    manager = SimpleNamespace(_inventory=SimpleNamespace(groups=groups), get_vars=lambda play, host: variables)
    return SimpleNamespace(get_variable_manager=lambda: manager)


OPENED = {"__preflight_vault": {"variables": {"vault_key": "canary-of-the-vault", "vault_rotation": {"old": "canary-of-old"}}}}


@pytest.mark.parametrize(
    ("play", "masked"),
    [
        (_play(OPENED), "*** *** https://a:***@c"),
        (_play({}), "canary-of-the-vault canary-of-old https://a:***@c"),
        (_play(OPENED, hosts=0), "canary-of-the-vault canary-of-old https://a:***@c"),
        (None, "canary-of-the-vault canary-of-old https://a:***@c"),
        # Nothing keeps a run from its word.
        (SimpleNamespace(), "canary-of-the-vault canary-of-old https://a:***@c"),
    ],
    ids=["opened", "not opened", "no host", "no play", "broken"],
)
def test_what_ansible_itself_says_of_a_failure_holds_no_secret_of_the_vault(play: Any, masked: str) -> None:
    callback = CallbackModule()
    callback._play = play
    assert callback._knowledge().masked("canary-of-the-vault canary-of-old https://a:b@c") == masked
