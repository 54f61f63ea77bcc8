from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.opened import knowledge


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
    assert knowledge(play).masked("canary-of-the-vault canary-of-old https://a:b@c") == masked
