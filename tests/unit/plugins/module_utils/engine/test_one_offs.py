"""One-off containers with a hand-written client: what the SDK would give and raise, without an engine."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import MIGRATION, OneOff, OneOffs
from docker.errors import APIError, NotFound

Details = dict[str, Any]
LABELS = {"com.docker.compose.project": "shop", "com.docker.compose.oneoff": "True", "com.docker.compose.service": "migrate"}


class Api:
    def __init__(self) -> None:
        self.details: dict[str, Details] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.raises: Exception | None = None

    def _call(self, *call: Any) -> None:
        self.calls.append(call)
        if self.raises:
            raise self.raises

    def containers(self, **filters: Any) -> list[Details]:
        self._call("containers", filters)
        return [{"Id": identity, "Labels": found["Config"]["Labels"]} for identity, found in self.details.items()]

    def inspect_container(self, identity: str) -> Details:
        self._call("inspect", identity)
        if identity not in self.details:
            raise NotFound("no such container")
        return self.details[identity]

    def stop(self, identity: str, timeout: int) -> None:
        self._call("stop", identity, timeout)

    def remove_container(self, identity: str, **options: Any) -> None:
        self._call("remove", identity, options)

    def logs(self, identity: str, **options: Any) -> bytes:
        self._call("logs", identity, options)
        return b"\xffrow 1\n"


@pytest.fixture
def api() -> Api:
    return Api()


def one_offs(api: Api) -> OneOffs:
    return OneOffs(SimpleNamespace(api=api), "shop")


def details(labels: Details | None = None, **state: Any) -> Details:
    running = {"Running": True, "ExitCode": 0, "StartedAt": "2026-11-26T01:02:03.123456789Z"}
    return {
        "Id": "id1",
        "Name": "/shop-migrate-run-1",
        "State": running | state,
        "Config": {"Labels": LABELS | {MIGRATION: "1.0-a"} if labels is None else labels, "StopTimeout": 30},
    }


ONE = OneOff("id1", "shop-migrate-run-1", "1.0-a", True, 0, "2026-11-26T01:02:03Z", 1795654923.0, 30.0, service="migrate")


def test_a_migration_is_found_by_its_label_or_its_service_among_one_off_containers(api: Api) -> None:
    api.details = {
        "id1": details(),
        "id2": details(LABELS) | {"Id": "id2"},
        "id3": details({**LABELS, "com.docker.compose.service": "seed"}) | {"Id": "id3"},
        "id4": details({**LABELS, "com.docker.compose.service": "renamed", MIGRATION: "0.9-b"}) | {"Id": "id4"},
    }
    assert [(one.id, one.release) for one in one_offs(api).find("migrate")] == [("id1", "1.0-a"), ("id2", ""), ("id4", "0.9-b")]
    assert api.calls[0] == (
        "containers",
        {"all": True, "filters": {"label": ["com.docker.compose.project=shop", "com.docker.compose.oneoff=True"]}},
    )


STATES = [
    pytest.param({}, True, id="it runs"),
    pytest.param({"Paused": True}, True, id="it is paused"),
    pytest.param({"Running": False, "Paused": True}, True, id="it is paused by an engine that says so only"),
    pytest.param({"Running": False, "ExitCode": 137}, False, id="it has ended"),
    pytest.param({"Running": False, "StartedAt": "0001-01-01T00:00:00Z"}, False, id="it was never started"),
]


@pytest.mark.parametrize(("state", "at_work"), STATES)
def test_whether_it_is_at_work(api: Api, state: Details, at_work: bool) -> None:
    api.details["id1"] = details(**state)
    found = one_offs(api).look("id1")
    assert found
    assert (found.at_work, found.exit_code) == (at_work, state.get("ExitCode", 0))


def test_all_that_is_told_of_one(api: Api) -> None:
    api.details["id1"] = details()
    assert one_offs(api).look("id1") == ONE
    assert one_offs(api).look("id2") is None


def test_it_is_stopped_with_its_own_grace_period_and_what_is_gone_need_not_be(api: Api) -> None:
    one_offs(api).stop(ONE)
    assert api.calls == [("stop", "id1", 30)]
    api.raises = NotFound("no such container")
    one_offs(api).stop(ONE)
    one_offs(api).remove(ONE)


def test_its_output_is_what_it_printed_and_its_last_words_are_both_streams(api: Api) -> None:
    assert one_offs(api).output(ONE) == "\ufffdrow 1"
    assert one_offs(api).last_words(ONE) == "\ufffdrow 1"
    asked = [call for call in api.calls if call[0] == "logs"]
    assert asked == [("logs", "id1", {"tail": 200, "stdout": True, "stderr": False}), ("logs", "id1", {"tail": 15})]
    api.raises = ConnectionError("the engine restarts")
    assert one_offs(api).last_words(ONE) == ""


VERBS: list[tuple[str, Callable[[OneOffs], object]]] = [
    ("list containers", lambda found: found.find("migrate")),
    ("look at container id1", lambda found: found.look("id1")),
    ("stop shop-migrate-run-1", lambda found: found.stop(ONE)),
    ("remove shop-migrate-run-1", lambda found: found.remove(ONE)),
]


@pytest.mark.parametrize(("what", "verb"), VERBS, ids=[what for what, _ in VERBS])
def test_every_error_of_the_sdk_is_one_of_ours_in_words(api: Api, what: str, verb: Callable[[OneOffs], object]) -> None:
    api.raises = APIError("500", explanation="no")
    with pytest.raises(EngineError, match=rf"^the engine could not {what}: no$"):
        verb(one_offs(api))
