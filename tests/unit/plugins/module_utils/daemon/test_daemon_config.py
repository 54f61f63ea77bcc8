from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.config import (
    Change,
    DaemonConfigError,
    Engine,
    change,
    merged,
    obstacle,
    read,
)

MERGES = [
    pytest.param({"bip": "10.9.0.1/16"}, {"dns": ["192.0.2.1"]}, {"bip": "10.9.0.1/16", "dns": ["192.0.2.1"]}, id="keys stay"),
    pytest.param({"debug": True}, {"debug": False}, {"debug": False}, id="what is wanted wins"),
    pytest.param({"dns": ["192.0.2.1"]}, {"dns": ["192.0.2.2"]}, {"dns": ["192.0.2.2"]}, id="a list is replaced"),
    pytest.param({"features": {"a": True}}, {"features": {"b": True}}, {"features": {"a": True, "b": True}}, id="mappings merge"),
    pytest.param({"dns": ["192.0.2.1"], "mtu": 1400}, {"dns": None}, {"mtu": 1400}, id="null takes a key away"),
    pytest.param({"features": {"a": True, "b": True}}, {"features": {"a": None}}, {"features": {"b": True}}, id="null below"),
    pytest.param({}, {"features": {"a": None}}, {"features": {}}, id="null where nothing is"),
    pytest.param(
        {"log-driver": "json-file", "log-opts": {"labels": "team"}},
        {"log-driver": "json-file", "log-opts": {"max-size": "20m"}},
        {"log-driver": "json-file", "log-opts": {"labels": "team", "max-size": "20m"}},
        id="options of the same log driver stay",
    ),
    pytest.param(
        {"log-driver": "journald", "log-opts": {"tag": "x"}},
        {"log-driver": "json-file", "log-opts": {"max-size": "20m"}},
        {"log-driver": "json-file", "log-opts": {"max-size": "20m"}},
        id="options of another log driver would stop the engine from starting",
    ),
    pytest.param(
        {"log-driver": "journald", "log-opts": {"tag": "x"}},
        {"log-opts": {"labels": "y"}},
        {"log-driver": "journald", "log-opts": {"tag": "x", "labels": "y"}},
        id="a log driver that is not named stays",
    ),
]


@pytest.mark.parametrize(("there", "wanted", "result"), MERGES)
def test_what_is_wanted_is_merged_into_what_is_there(
    there: dict[str, Any], wanted: dict[str, Any], result: dict[str, Any]
) -> None:
    assert merged(there, wanted) == result
    assert merged(result, wanted) == result


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("{nonsense", " is not JSON (Expecting property name", id="no JSON"),
        pytest.param("[]", " holds no JSON object.", id="a list"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_with_its_path(text: str, why: str) -> None:
    with pytest.raises(DaemonConfigError) as caught:
        read(text, "/etc/docker/daemon.json")
    assert str(caught.value).startswith("/etc/docker/daemon.json" + why)
    assert str(caught.value).endswith("Nothing was changed; mend or move it, and run again.")


def test_an_empty_file_says_nothing() -> None:
    assert read(" \n", "/etc/docker/daemon.json") == {}


CHANGES = [
    pytest.param({}, {}, [], Change(), id="nothing"),
    pytest.param({}, {"live-restore": True}, [], Change((), ("live-restore",)), id="live-restore is taken over by a reload"),
    pytest.param({"dns": ["a"]}, {"dns": ["b"]}, [], Change(("dns",)), id="resolvers are not"),
    pytest.param(
        {}, {"registry-mirrors": ["a"], "log-opts": {}}, [], Change(("log-opts",), ("registry-mirrors",)), id="one of each"
    ),
    pytest.param({"debug": True}, {}, [], Change(("debug",)), id="a key that is gone is not taken over by a reload"),
    pytest.param({"mtu": 1}, {"mtu": 1}, ["mtu"], Change(("mtu",)), id="a run was killed before the restart"),
    pytest.param({"debug": True}, {"debug": True}, ["debug"], Change((), ("debug",)), id="a run was killed before the reload"),
]


@pytest.mark.parametrize(("before", "after", "pending", "result"), CHANGES)
def test_an_engine_is_restarted_only_for_what_it_does_not_take_over_otherwise(
    before: dict[str, Any], after: dict[str, Any], pending: list[str], result: Change
) -> None:
    assert change(before, after, pending) == result


RESTART = Change(("dns",))
STOPS = "dns changed, which the engine takes over at a restart only, and without live-restore a restart stops the 2 containers"


@pytest.mark.parametrize(
    ("live_restore", "due", "engine", "allowed", "words"),
    [
        pytest.param(True, RESTART, Engine(2, True), False, "", id="containers live on"),
        pytest.param(True, RESTART, Engine(2, False), False, "", id="they will, after a reload"),
        pytest.param(False, RESTART, Engine(2, True), False, STOPS, id="the new file turns it off"),
        pytest.param(False, RESTART, Engine(2, True), True, "", id="a person allowed it"),
        pytest.param(False, RESTART, Engine(0, False), False, "", id="nothing runs"),
        pytest.param(False, Change((), ("debug",)), Engine(2, False), False, "", id="a reload is enough"),
    ],
)
def test_no_restart_stops_a_container_unless_told_so(
    live_restore: bool, due: Change, engine: Engine, allowed: bool, words: str
) -> None:
    found = obstacle({"live-restore": live_restore}, due, engine, allow_interruption=allowed)
    assert found.startswith(words)
    assert bool(found) == bool(words)
