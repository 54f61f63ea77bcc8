"""A service that must not run on every host, on the hosts of production behind their balancer."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.acceptance.test_jobs_and_followers import sleeper
from tests.acceptance.world import Environment, says

FIRST, SECOND = "production-app-1", "production-app-2"
BEAT, MORE = "beat", "compose.more.yml"


def placed(root: Path, host: str) -> None:
    """In the copies below ``root``."""
    (root / "stacks" / "morpheus" / MORE).write_text(yaml.safe_dump({"services": {BEAT: sleeper()}}))
    path = root / "inventories" / "production" / "group_vars" / "all" / "stack.yml"
    variables = yaml.safe_load(path.read_text())
    stack = variables["stack"]
    stack["compose_files"] = [*(name for name in stack["compose_files"] if name != MORE), MORE]
    stack["services"] = [*(one for one in stack["services"] if one["name"] != BEAT), {"name": BEAT, "hosts": host}]
    path.write_text(yaml.safe_dump(variables))


def running(environment: Environment) -> dict[str, int]:
    return {host: len(environment.containers(host, BEAT)) for host in (FIRST, SECOND)}


@pytest.mark.deep
def test_a_service_of_one_host_runs_there_alone_moves_to_another_and_comes_back(production: Environment, tmp_path: Path) -> None:
    own = production.copied(tmp_path)
    try:
        with production.load() as load:
            placed(tmp_path, FIRST)
            own.deployed("1.0.0")
            assert running(production) == {FIRST: 1, SECOND: 0}
            says(own.deploy("1.0.0"), ["VERDICT unchanged"])

            placed(tmp_path, SECOND)
            own.deployed("1.0.0")
            assert running(production) == {FIRST: 0, SECOND: 1}

            # As it was, by what hosts know.
            back = production.play("rollback.yml")
            assert back.code == 0, back.output
            assert running(production) == {FIRST: 1, SECOND: 0}
        print(f"\na service of one host: {load.report.failed} failed of {load.report.sent}")
        assert load.report.is_clean, load.report.failures
    finally:
        production.deployed("1.0.0")
    assert running(production) == {FIRST: 0, SECOND: 0}
