"""A rotation writes the vault under a lease only, as modules write hosts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.morpheus.deploy.plugins.action import rotation as rotation_action

from tests.unit.plugins.modules.test_without_lease import WORDS


@pytest.mark.parametrize("state", ["begun", "switched", "waiting", "revoked", "cancelled", "ended"])
def test_the_vault_is_not_written_without_a_lease(state: str) -> None:
    action = rotation_action.ActionModule.__new__(rotation_action.ActionModule)
    action._task = SimpleNamespace(args={"name": "key", "state": state}, check_mode=False, async_val=0, environment=[])
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action._supports_check_mode = True
    with pytest.raises(AnsibleActionFail) as refused:
        action.run(task_vars={})
    assert refused.value.message == WORDS
