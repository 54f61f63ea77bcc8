"""stack.pools: the size reaches the application, and what would reach nobody is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import pools


def stack(env: Any = None, **pool: Any) -> dict[str, Any]:
    given = {"service": "api", "variable": "api.POOL_SIZE", "size": 5, "processes": 1, **pool}
    return {"env": env or {}, "pools": [given]}


def test_the_size_stands_in_the_env_file_that_the_service_reads() -> None:
    found = stack({"api": {"MODE": "fast"}, "web": {}})
    assert pools.place(found) == []
    assert found["env"] == {"api": {"MODE": "fast", "POOL_SIZE": "5"}, "web": {}}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param(
            stack({"api": {"POOL_SIZE": "9"}}), "stack.env.api.POOL_SIZE: is set by stack.pools[0]; take the line out", id="twice"
        ),
        pytest.param(
            stack(variable="POOL_SIZE"),
            'stack.pools[0].variable: "POOL_SIZE" is not <env file>.<VARIABLE>, as in api.DATABASE_POOL_SIZE',
            id="no env file",
        ),
        pytest.param(stack(size=0), "stack.pools[0].size: must be 1 or more", id="no connections"),
        pytest.param(stack(processes=0), "stack.pools[0].processes: must be 1 or more", id="no processes"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(given: dict[str, Any], problem: str) -> None:
    assert pools.place(given) == [problem]


READS = {"env_file": ["env/api.env"]}


@pytest.mark.parametrize("entry", ["env/api.env", "./env/api.env", {"path": "env/api.env"}])
def test_a_service_that_reads_the_file_is_told(entry: Any) -> None:
    assert pools.problems(stack(), {"api": {"env_file": [entry]}}) == []


def test_what_no_service_reads_is_refused() -> None:
    assert pools.problems(stack(), {"web": {}}) == ['stack.pools[0].service: the Compose files have no service "api"']
    assert pools.problems(stack(), {"api": {"env_file": ["env/web.env"]}}) == [
        "stack.pools[0].variable: services.api.env_file does not read env/api.env, so the size would reach nobody; add it there, "
        "or name a variable of a file that the service reads"
    ]


@pytest.mark.parametrize(
    ("service", "order"),
    [
        pytest.param({}, "start-first", id="nothing said"),
        pytest.param({"deploy": {"update_config": {"order": "stop-first"}}}, "stop-first", id="said"),
        pytest.param({"ports": ["80:80"]}, "stop-first", id="what only one can have"),
    ],
)
def test_how_replicas_are_replaced_is_what_the_compose_files_say(service: dict[str, Any], order: str) -> None:
    model = {"services": {"api": {"deploy": {"replicas": 3}, **service}}}
    model["services"]["api"]["deploy"] = {"replicas": 3, **service.get("deploy", {})}
    [found] = pools.wanted(Stack.of(stack()), model, {}, {"api": ["app-1"]})
    assert found == {"service": "api", "size": 5, "processes": 1, "replicas": 3, "order": order, "hosts": ["app-1"]}
