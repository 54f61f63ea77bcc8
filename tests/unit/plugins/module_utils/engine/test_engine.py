"""The engine's verbs with a hand-written client: what the SDK would give and raise, without an engine."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import answers, stopping
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine as engine_utils
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose, scrub
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Image
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import FINGERPRINT, LOOKS_AT, PARTS
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.registries import Login
from ansible_collections.morpheus.deploy.plugins.module_utils.health import gate
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import Killed
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import Mounted
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from docker.errors import APIError, ImageNotFound, NotFound
from urllib3.exceptions import ProtocolError

Details = dict[str, Any]


class Api:
    """The low-level client: what it knows, what it was asked, and what it raises instead of answering."""

    def __init__(self) -> None:
        self.listed: list[Details] = []
        self.details: dict[str, Details] = {}
        self.images: dict[str, Details] = {}
        self.networks: dict[str, Details] = {}
        self.volumes: dict[str, Details] = {}
        # Events of a container's ends.
        self.ended: dict[str, list[Details]] = {}
        self.log = b""
        self.pulls: dict[str, list[Details] | Exception] = {}
        # Of each pull, what it was asked with; username and password that the registry lets in.
        self.auths: list[Details | None] = []
        self.lets_in: tuple[str, str] | Exception = ("", "")
        self.distributions: dict[str, Details | Exception] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.raises: Exception | None = None
        # By its own clock, and how long a stop takes.
        self.now = self.takes = 0.0

    def _call(self, *call: Any) -> None:
        self.calls.append(call)
        if self.raises:
            raise self.raises

    def containers(self, **filters: Any) -> list[Details]:
        self._call("containers", filters)
        return self.listed

    def inspect_container(self, identity: str) -> Details:
        self._call("inspect", identity)
        if identity not in self.details:
            raise NotFound("no such container")
        return self.details[identity]

    def events(self, since: int, until: str, filters: Details, decode: bool) -> Iterator[Details]:
        """As the engine's: it waits for what is to come until then."""
        assert float(until) <= time.time()
        assert (since, filters["event"], decode) == (0, "die", True)
        return iter(self.ended.get(filters["container"], []))

    def inspect_image(self, reference: str) -> Details:
        self._call("inspect_image", reference)
        if reference not in self.images:
            raise ImageNotFound("no such image")
        return self.images[reference]

    def inspect_network(self, name: str) -> Details:
        self._call("inspect_network", name)
        if name not in self.networks:
            raise NotFound("no such network")
        return self.networks[name]

    def inspect_volume(self, name: str) -> Details:
        self._call("inspect_volume", name)
        if name not in self.volumes:
            raise NotFound("no such volume")
        return self.volumes[name]

    def stop(self, identity: str, timeout: int) -> None:
        self._call("stop", identity, timeout)
        self.now += self.takes

    def remove_container(self, identity: str, **options: Any) -> None:
        self._call("remove", identity, options)

    def pull(self, reference: str, *, stream: bool, decode: bool, auth_config: Details | None = None) -> Iterator[Details]:
        assert stream
        assert decode
        self.auths.append(auth_config)
        answer = self.pulls[reference]
        if isinstance(answer, Exception):
            raise answer
        for part in answer:
            if isinstance(part, Exception):
                raise part
            yield part

    def login(self, username: str, password: str, *, registry: str, reauth: bool) -> None:
        assert reauth
        self._call("login", username, registry)
        if isinstance(self.lets_in, Exception):
            raise self.lets_in
        if (username, password) != self.lets_in:
            raise APIError("500", explanation=f"login attempt to https://{registry}/v2/ failed with status: 401 Unauthorized")

    def inspect_distribution(self, reference: str, auth_config: Details | None = None) -> Details:
        self.auths.append(auth_config)
        found = self.distributions[reference]
        if isinstance(found, Exception):
            raise found
        return found

    def version(self) -> Details:
        return {"Arch": "amd64"}

    def logs(self, identity: str, tail: int) -> bytes:
        self._call("logs", identity, tail)
        return self.log


class Client:
    def __init__(self) -> None:
        self.api = Api()


REPLICA = Replica("id1", "shop-api-1", "api", 1, "f")


@pytest.fixture
def client() -> Client:
    return Client()


def engine(client: Client) -> Engine:
    return Engine(client, "shop", "edge")


def listed(**changes: Any) -> Details:
    labels = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "api",
        "com.docker.compose.container-number": "3",
        FINGERPRINT: "f1",
        PARTS: json.dumps({"image": "sha256:1"}),
    }
    return {
        "Id": "id3",
        "Names": ["/shop-api-3"],
        "State": "running",
        "Created": 1_700_000_000,
        "Image": "shop/api:1.0@sha256:1",
        "Labels": labels,
    } | changes


def test_a_container_of_the_project_is_a_replica(client: Client) -> None:
    client.api.listed = [listed()]
    assert engine(client).observe({"shop-api-3"}) == [
        Replica(
            "id3",
            "shop-api-3",
            "api",
            3,
            "f1",
            State.RUNNING,
            True,
            1_700_000_000.0,
            "shop/api:1.0",
            {"image": "sha256:1"},
            word="running",
        )
    ]
    assert client.api.calls == [
        (
            "containers",
            {"all": True, "filters": {"label": ["com.docker.compose.project=shop", "com.docker.compose.oneoff=False"]}},
        )
    ]


MISLABELLED = [
    pytest.param(
        {"com.docker.compose.container-number": "abc"},
        'the label com.docker.compose.container-number="abc", which is not a number',
        id="a number that is none",
    ),
    pytest.param(
        {"com.docker.compose.container-number": "-1"},
        'the label com.docker.compose.container-number="-1", which is not a number',
        id="less than nothing",
    ),
    pytest.param({"com.docker.compose.service": ""}, "no label com.docker.compose.service", id="no service"),
]


@pytest.mark.parametrize(("labels", "what"), MISLABELLED)
def test_a_container_that_nobody_can_tell_a_replica_is_named_with_what_mends_it(
    client: Client, labels: dict[str, str], what: str
) -> None:
    good = listed()
    client.api.listed = [good, listed(Id="id4", Names=["/my-api"], Labels={**good["Labels"], **labels})]
    replicas, [problem] = engine(client).look(set())
    assert [one.name for one in replicas] == ["shop-api-3"]
    assert problem == (
        f"the container my-api carries the labels of the Compose project shop and has {what}, so it was made by hand. Labels "
        "cannot be changed: when nobody needs it, docker rm -f my-api on this host, then run this again"
    )
    with pytest.raises(EngineError) as caught:
        engine(client).observe(set())
    assert str(caught.value) == problem


ON = [
    pytest.param(
        {"NetworkSettings": {"Networks": {"edge": {}, "shop_default": {}}}}, frozenset({"edge", "shop_default"}), id="two"
    ),
    pytest.param({"NetworkSettings": {"Networks": {}}}, frozenset(), id="none any more"),
    pytest.param({"NetworkSettings": {"Networks": {"host": {}}}, "HostConfig": {"NetworkMode": "host"}}, None, id="the host's"),
    pytest.param({"NetworkSettings": {"Networks": {}}, "HostConfig": {"NetworkMode": "container:3f"}}, None, id="another's"),
    pytest.param({}, None, id="nobody says"),
]


@pytest.mark.parametrize(("says", "networks"), ON)
def test_the_networks_that_a_replica_is_on_are_observed(client: Client, says: Details, networks: frozenset[str] | None) -> None:
    client.api.listed = [listed(**says)]
    assert engine(client).observe(set())[0].networks == networks


STATES = [
    ("running", State.RUNNING),
    ("restarting", State.RESTARTING),
    ("exited", State.DEAD),
    ("created", State.DEAD),
    ("dead", State.DEAD),
    ("removing", State.DEAD),
]


@pytest.mark.parametrize(("word", "state"), STATES, ids=[word for word, _ in STATES])
def test_the_engines_words_are_three_states(client: Client, word: str, state: State) -> None:
    client.api.listed = [listed(State=word)]
    assert engine(client).observe(set())[0].state is state


@pytest.mark.parametrize("parts", ["", "not json", "[]", "null"])
def test_a_container_that_nobody_of_us_made_has_no_fingerprint_and_no_parts(client: Client, parts: str) -> None:
    client.api.listed = [listed(Labels={"com.docker.compose.service": "api", PARTS: parts})]
    [replica] = engine(client).observe(set())
    assert (replica.fingerprint, dict(replica.parts), replica.number, replica.admitted) == ("", {}, 0, False)


def state(**changes: Any) -> Details:
    running = {"Running": True, "Restarting": False, "ExitCode": 0, "OOMKilled": False}
    return {
        "State": running | {k: v for k, v in changes.items() if k != "RestartCount"},
        "RestartCount": changes.get("RestartCount", 0),
    }


FAILURES = [
    pytest.param(state(), "", id="it runs"),
    pytest.param(state(Running=False, ExitCode=3), "shop-api-1 exited with code 3", id="it ended"),
    pytest.param(state(Running=False, ExitCode=0), "shop-api-1 exited with code 0", id="it ended well"),
    pytest.param(state(Restarting=True, ExitCode=1), "shop-api-1 exited with code 1", id="it is about to be started again"),
    pytest.param(
        state(Running=False, ExitCode=137, OOMKilled=True),
        "shop-api-1 exited with code 137 (out of memory)",
        id="out of memory",
    ),
    pytest.param(state(RestartCount=2), "shop-api-1 ended and was started again by the engine", id="it was started again"),
    pytest.param(None, "shop-api-1 is gone", id="it is gone"),
]


@pytest.mark.parametrize(("details", "words"), FAILURES)
def test_a_candidate_that_ended_once_will_not_become_well(client: Client, details: Details | None, words: str) -> None:
    if details:
        client.api.details["id1"] = details
    assert engine(client).failure(REPLICA) == words


def ended(code: object) -> Details:
    return {"Actor": {"Attributes": {"exitCode": code}}}


@pytest.mark.parametrize(
    ("events", "words"),
    [([ended("1"), ended("127")], " with code 127"), ([], ""), ([ended("none")], ""), ([{}], "")],
    ids=["the last of them", "forgotten", "no number", "no code"],
)
def test_a_candidate_that_runs_again_is_told_with_the_code_of_its_end(client: Client, events: list[Details], words: str) -> None:
    client.api.details["id1"] = state(RestartCount=1)
    client.api.ended["id1"] = events
    assert engine(client).failure(REPLICA) == f"shop-api-1 ended{words} and was started again by the engine"


def test_restarts_of_long_ago_are_no_failure(client: Client) -> None:
    client.api.details["id1"] = state(RestartCount=2)
    assert (engine(client).restarts(REPLICA), engine(client).failure(REPLICA, 2)) == (2, "")
    assert engine(client).failure(REPLICA, 1) == "shop-api-1 ended and was started again by the engine"
    del client.api.details["id1"]
    assert engine(client).restarts(REPLICA) == 0


HEALTHS = [
    pytest.param(state(Health={"Status": "healthy"}), "healthy", id="healthy"),
    pytest.param(state(Health={"Status": "starting"}), "starting", id="starting"),
    pytest.param(state(), "", id="no healthcheck"),
    pytest.param(state(Running=False, Health={"Status": "healthy"}), "unhealthy", id="was healthy when it ended"),
    pytest.param(None, "unhealthy", id="gone"),
]


@pytest.mark.parametrize(("details", "verdict"), HEALTHS)
def test_dockers_verdict_is_that_of_a_running_container(client: Client, details: Details | None, verdict: str) -> None:
    if details:
        client.api.details["id1"] = details
    assert engine(client).health(REPLICA) == verdict


NETWORKS = [
    pytest.param({"edge": {"IPAddress": "172.18.0.2"}, "default": {"IPAddress": "172.19.0.2"}}, "172.18.0.2", id="the edge's"),
    pytest.param({"default": {"IPAddress": "172.19.0.2"}}, "172.19.0.2", id="the only one"),
    pytest.param({}, "", id="none"),
]


@pytest.mark.parametrize(("networks", "address"), NETWORKS)
def test_a_replica_is_reached_on_the_network_of_the_edge(client: Client, networks: Details, address: str) -> None:
    client.api.details["id1"] = {"NetworkSettings": {"Networks": networks}}
    assert engine(client).addresses([REPLICA]) == {"shop-api-1": address}


def test_a_replica_that_is_gone_has_no_address(client: Client) -> None:
    with pytest.raises(EngineError, match=r"^shop-api-1 is gone: somebody has removed it meanwhile\. Run this again$"):
        engine(client).addresses([REPLICA])


def test_replicas_are_stopped_with_their_grace_period_and_removed_without_their_volumes(client: Client) -> None:
    engine(client).stop([REPLICA], 30.0)
    engine(client).remove([REPLICA])
    assert client.api.calls == [("stop", "id1", 30), ("inspect", "id1"), ("remove", "id1", {"v": False, "force": True})]


def test_a_volume_without_a_name_that_a_removed_replica_leaves_is_told(client: Client) -> None:
    nameless = "3f" * 32
    mounts = [
        {"Type": "bind", "Source": "/srv", "Destination": "/srv"},
        {"Type": "volume", "Name": "shop_db-data", "Destination": "/data"},
        {"Type": "volume", "Name": nameless, "Destination": "/var/lib/postgresql/data"},
    ]
    client.api.details["id1"] = {"Mounts": mounts}
    found = engine(client)
    found.remove([REPLICA])
    assert found.kept == [
        f"shop-api-1 wrote to a volume without a name at /var/lib/postgresql/data; it was kept as {nameless}. When its content "
        f"may go: docker volume rm {nameless}"
    ]


def test_an_images_own_volumes_are_known(client: Client) -> None:
    client.api.images = {"sha256:1": {"Config": {"Volumes": {"/b": {}, "/a": {}}}}, "sha256:2": {"Config": {"Volumes": None}}}
    assert engine(client).declared_volumes("sha256:1") == ["/a", "/b"]
    assert engine(client).declared_volumes("sha256:2") == engine(client).declared_volumes("sha256:3") == []


def test_mounts_of_running_replicas_are_told_with_the_service_that_has_them(client: Client) -> None:
    mounts = [
        {"Type": "volume", "Name": "shop_data", "Source": "/var/lib/docker/x", "Destination": "/data", "RW": True},
        {"Type": "bind", "Source": "/srv/shop", "Destination": "/srv", "RW": False},
    ]
    client.api.listed = [listed(Mounts=mounts)]
    assert engine(client).mounted() == [
        Mounted("shop-api-3", "api", "volume", "shop_data", "/data", True),
        Mounted("shop-api-3", "api", "bind", "/srv/shop", "/srv", False),
    ]
    [call] = client.api.calls
    assert "all" not in call[1]


def test_a_network_is_found_by_its_name_alone(client: Client) -> None:
    client.api.networks = {"shop_back": {"Name": "shop_back"}, "db90": {"Name": "another"}}
    found = engine(client)
    assert (found.network("shop_back"), found.network("db90"), found.network("x")) == ({"Name": "shop_back"}, None, None)


def test_a_volume_is_found_or_is_none(client: Client) -> None:
    client.api.volumes = {"shop_data": {"Name": "shop_data"}}
    assert (engine(client).volume("shop_data"), engine(client).volume("x")) == ({"Name": "shop_data"}, None)


@pytest.mark.parametrize(
    ("config", "seconds"),
    [({"StopTimeout": 45}, 45), ({"StopTimeout": None}, 10), ({}, 10), ({"StopTimeout": 0}, 0)],
    ids=["its own", "null", "none", "zero"],
)
def test_without_a_grace_period_each_container_gets_the_one_it_was_made_with(
    client: Client, config: dict[str, Any], seconds: int
) -> None:
    client.api.details["id1"] = {"Config": config}
    engine(client).stop([REPLICA], None)
    assert client.api.calls[-1] == ("stop", "id1", seconds)


def that_ended(code: int = 137, *, oom: bool = False, **config: Any) -> Details:
    return {"Config": config, "State": {"ExitCode": code, "OOMKilled": oom}}


@pytest.mark.parametrize(
    ("takes", "grace", "details", "killed"),
    [
        pytest.param(10.2, 9.5, that_ended(), Killed("shop-api-1", 10), id="its time was over"),
        pytest.param(45.1, None, that_ended(StopTimeout=45), Killed("shop-api-1", 45), id="its own time"),
        pytest.param(10.2, 10.0, that_ended(StopSignal="SIGQUIT"), Killed("shop-api-1", 10, "SIGQUIT"), id="its own signal"),
        pytest.param(10.2, 10.0, that_ended(StopSignal="15"), Killed("shop-api-1", 10, "signal 15"), id="a number"),
        pytest.param(0.4, 10.0, that_ended(), None, id="it ended so by itself"),
        pytest.param(10.2, 10.0, that_ended(143), None, id="it ended at the last moment"),
        pytest.param(10.2, 10.0, that_ended(oom=True), None, id="out of memory"),
        pytest.param(0.3, 0.0, that_ended(), None, id="no time was given"),
        pytest.param(10.2, 10.0, None, None, id="it is gone"),
    ],
)
def test_what_was_killed_because_its_time_was_over_is_known(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    takes: float,
    grace: float | None,
    details: Details | None,
    killed: Killed | None,
) -> None:
    monkeypatch.setattr(stopping, "monotonic", lambda: client.api.now)
    client.api.takes = takes
    if details:
        client.api.details["id1"] = details
    assert engine(client).stop([REPLICA], grace) == ([killed] if killed else [])


def test_what_is_gone_already_need_not_be_stopped_or_removed(client: Client) -> None:
    client.api.raises = NotFound("no such container")
    engine(client).stop([REPLICA], 1.0)
    engine(client).stop([REPLICA], None)
    engine(client).remove([REPLICA])


def test_the_sdk_waits_for_the_end_of_a_long_grace_period() -> None:
    """Ten minutes are more than any other answer may take."""
    waited: list[float] = []

    class Api(docker.APIClient):
        def _post(self, url: str, **options: Any) -> Any:
            waited.append(options["timeout"])
            raise NotFound("no such container")

    with pytest.raises(NotFound):
        Api(version="1.43", timeout=120).stop("id1", timeout=600)
    assert waited == [720]


VERBS: list[tuple[str, Callable[[Engine], object]]] = [
    ("list containers", lambda engine: engine.observe(set())),
    ("stop id1", lambda engine: engine.stop([REPLICA], 1.0)),
    ("remove shop-api-1", lambda engine: engine.remove([REPLICA])),
    ("look at shop-api-1", lambda engine: engine.health(REPLICA)),
    ("look at image shop/api:1.0", lambda engine: engine.image("shop/api:1.0")),
    ("look at image sha256:1", lambda engine: engine.declared_volumes("sha256:1")),
    ("look at network shop_back", lambda engine: engine.network("shop_back")),
    ("look at volume shop_data", lambda engine: engine.volume("shop_data")),
]


@pytest.mark.parametrize(("what", "verb"), VERBS, ids=[what for what, _ in VERBS])
def test_every_error_of_the_sdk_is_one_of_ours_in_words(client: Client, what: str, verb: Callable[[Engine], object]) -> None:
    client.api.raises = APIError("500", explanation="no space left on device")
    with pytest.raises(EngineError) as refused:
        verb(engine(client))
    assert str(refused.value) == f"the engine could not {what}: no space left on device"
    client.api.raises = ConnectionError("connection reset")
    with pytest.raises(EngineError) as lost:
        verb(engine(client))
    assert str(lost.value) == f"the engine did not answer when asked to {what}: connection reset. {answers.LOOK}"


def test_the_last_words_are_text_whatever_was_printed(client: Client) -> None:
    client.api.log = b"\xffTraceback\n  boom\n"
    assert engine(client).last_words(REPLICA) == "\ufffdTraceback\n  boom"
    client.api.raises = APIError("no log driver")
    assert engine(client).last_words(REPLICA) == ""


def test_no_last_words_are_no_reason_to_fail(client: Client) -> None:
    """They are asked for while a failure is being reported, which must not be hidden by another one."""
    client.api.raises = ConnectionError("the engine restarts")
    assert engine(client).last_words(REPLICA) == ""


DIGESTS = [
    pytest.param(
        "shop/api:1.0", ["other/api@sha256:x", "shop/api@sha256:a"], "sha256:a", "shop/api:1.0@sha256:a", id="of this name"
    ),
    pytest.param("shop/api:1.0", ["other/api@sha256:x"], "", "sha256:id", id="of another name only"),
    pytest.param("shop/api:1.0", [], "", "sha256:id", id="none"),
    pytest.param(
        "r.example:5000/api:1.0",
        ["r.example:5000/api@sha256:a"],
        "sha256:a",
        "r.example:5000/api:1.0@sha256:a",
        id="registry with a port",
    ),
    pytest.param("r.example:5000/api", ["r.example:5000/api@sha256:a"], "sha256:a", "r.example:5000/api@sha256:a", id="no tag"),
    pytest.param("shop/api@sha256:a", ["shop/api@sha256:a"], "sha256:a", "shop/api@sha256:a", id="digest given"),
]


@pytest.mark.parametrize(("reference", "digests", "digest", "pinned"), DIGESTS)
def test_an_image_is_run_by_its_digest_or_by_its_id(
    client: Client, reference: str, digests: list[str], digest: str, pinned: str
) -> None:
    client.api.images[reference] = {"Id": "sha256:id", "RepoDigests": digests}
    image = engine(client).image(reference)
    assert image == Image(reference, "sha256:id", digest)
    assert image.pinned == pinned


def test_an_image_that_is_not_here_is_none(client: Client) -> None:
    assert engine(client).image("shop/api:9") is None


PULLING = {"status": "Pulling from shop/api", "id": "1.0"}
PULLED = [PULLING, {"status": "Status: Downloaded newer image for shop/api:1.0"}]


def test_a_pulled_image_is_here(client: Client) -> None:
    client.api.pulls = {"shop/api:1.0": PULLED}
    client.api.images["shop/api:1.0"] = {"Id": "sha256:id", "RepoDigests": None}
    assert engine(client).pull("shop/api:1.0") == Image("shop/api:1.0", "sha256:id", "")


def test_an_image_that_is_gone_right_after_its_pull_says_so(client: Client) -> None:
    client.api.pulls = {"shop/api:1.0": PULLED}
    with pytest.raises(EngineError) as caught:
        engine(client).pull("shop/api:1.0")
    assert str(caught.value) == "image shop/api:1.0 was pulled but is not there; is something pruning images on this host?"


ERRORS = [
    pytest.param({"errorDetail": {"message": "write /var/lib/x: no space left on device"}}, "does not fit", id="a full disk"),
    pytest.param({"errorDetail": {"code": 1, "message": "unauthorized"}, "error": "unauthorized"}, "to nobody", id="no access"),
    pytest.param({"error": "manifest unknown"}, "has no image", id="the old form only"),
    pytest.param({"errorDetail": {}, "error": "Get: dial tcp: i/o timeout"}, "could not be pulled", id="no registry"),
    pytest.param({"errorDetail": {"message": ""}, "error": ""}, "could not be pulled", id="an error without words"),
]


@pytest.mark.parametrize(("error", "words"), ERRORS)
def test_an_error_in_the_middle_of_a_pull_is_no_pull_whatever_is_here_under_that_tag(
    client: Client, error: Details, words: str
) -> None:
    client.api.pulls = {"shop/api:1.0": [PULLING, error]}
    client.api.images["shop/api:1.0"] = {"Id": "sha256:old", "RepoDigests": None}
    with pytest.raises(EngineError) as caught:
        engine(client).pull("shop/api:1.0")
    assert words in str(caught.value)


PULLS = [
    pytest.param(
        NotFound("404", explanation="manifest unknown"),
        "the registry docker.io has no image shop/api:1.0: manifest unknown. Was it built and pushed?",
        id="unknown",
    ),
    pytest.param(
        APIError("500", explanation="dial tcp: timeout"),
        "image shop/api:1.0 could not be pulled from docker.io: dial tcp: timeout. ",
        id="no registry",
    ),
    pytest.param(
        OSError("reset"), f"the engine did not answer when asked to pull shop/api:1.0: reset. {answers.LOOK}", id="no engine"
    ),
    pytest.param(
        [PULLING, ProtocolError("broken")],
        f"the engine did not answer when asked to pull shop/api:1.0: broken. {answers.LOOK}",
        id="an engine that dies meanwhile",
    ),
]


@pytest.mark.parametrize(("answer", "words"), PULLS)
def test_an_image_that_cannot_be_had_says_why(client: Client, answer: list[Details] | Exception, words: str) -> None:
    client.api.pulls = {"shop/api:1.0": answer}
    with pytest.raises(EngineError) as caught:
        engine(client).pull("shop/api:1.0")
    assert str(caught.value).startswith(words)


PRIVATE = "ghcr.io/shop/api:1.0"
LOGIN = Login("ghcr.io", "deploy", "pass-canary")


def with_login(client: Client) -> Engine:
    found = engine(client)
    found.logins = {"ghcr.io": LOGIN}
    return found


def test_each_image_is_pulled_with_the_login_of_its_own_registry_only(client: Client) -> None:
    client.api.pulls = {PRIVATE: PULLED, "shop/api:1.0": PULLED}
    client.api.images = {name: {"Id": "sha256:id"} for name in client.api.pulls}
    for name in client.api.pulls:
        with_login(client).pull(name)
    assert client.api.auths == [LOGIN.auth, None]


@pytest.mark.parametrize(
    ("lets_in", "said"),
    [
        pytest.param(("deploy", "pass-canary"), 'accepts the login "deploy"', id="accepted"),
        pytest.param(("deploy", "another"), 'refuses the login "deploy"', id="refused"),
        pytest.param(APIError("500", explanation="dial tcp: connection refused"), 'gives the login "deploy"', id="down by now"),
        pytest.param(OSError("reset"), 'gives the login "deploy"', id="no engine"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_when_an_image_is_refused_the_registry_is_asked_for_the_login_itself(
    client: Client, lets_in: tuple[str, str] | Exception, said: str, streamed: bool
) -> None:
    refusal: list[Details] | Exception = [{"error": "unauthorized"}] if streamed else APIError("500", explanation="unauthorized")
    client.api.pulls, client.api.lets_in = {PRIVATE: refusal}, lets_in
    with pytest.raises(EngineError) as caught:
        with_login(client).pull(PRIVATE)
    assert str(caught.value).startswith(f"the registry ghcr.io {said} of stack_registries")
    assert "canary" not in str(caught.value)
    assert ("login", "deploy", "ghcr.io") in client.api.calls


def test_what_is_no_refusal_asks_for_no_login(client: Client) -> None:
    client.api.pulls = {PRIVATE: APIError("500", explanation="manifest unknown")}
    with pytest.raises(EngineError, match="has no image"):
        with_login(client).pull(PRIVATE)
    assert client.api.calls == []


ASKED = [
    pytest.param(APIError("500", explanation="unauthorized"), 'refuses the login "deploy"', id="a wrong password"),
    pytest.param(NotFound("404", explanation="manifest unknown"), "has no image", id="a missing image"),
    pytest.param(
        {"Platforms": [{"architecture": "arm64", "os": "linux"}]},
        "was not built for this host's platform: no matching manifest for linux/amd64, it has linux/arm64",
        id="another platform",
    ),
    pytest.param(OSError("reset"), "the engine did not answer when asked about", id="no engine"),
]


@pytest.mark.parametrize(("answer", "said"), ASKED)
def test_what_a_pull_would_fail_with_is_told_without_one(client: Client, answer: Details | Exception, said: str) -> None:
    client.api.distributions = {PRIVATE: answer}
    with pytest.raises(EngineError) as caught:
        with_login(client).ask(PRIVATE)
    assert said in str(caught.value)
    assert client.api.auths == [LOGIN.auth]


@pytest.mark.parametrize("platforms", [[], [{"architecture": "arm64"}, {"architecture": "amd64"}], [{"architecture": "386"}]])
def test_an_image_that_this_host_runs_can_be_had(client: Client, platforms: list[Details]) -> None:
    client.api.distributions = {PRIVATE: {"Platforms": platforms}}
    with_login(client).ask(PRIVATE)


@pytest.mark.parametrize(("built", "foreign"), [("amd64", ""), ("", ""), ("386", ""), ("arm64", "arm64"), ("s390x", "s390x")])
def test_an_image_for_another_processor_is_told(client: Client, built: str, foreign: str) -> None:
    client.api.images["shop/api:1.0"] = {"Id": "sha256:id", "Architecture": built}
    assert engine(client).foreign("shop/api:1.0") == foreign


# What Compose 2.26 prints when an env file cannot be parsed, as it was printed; "canary" stands for a secret.
QUOTING = [
    'line 2: unterminated quoted value "unterminated-canary\n',
    "line 2: unterminated quoted value 'unterminated-canary\n",
    'Invalid template: "${canary"\n',
    'Invalid template: "x ${canary"\n',
    'line 1: unexpected character "!" in variable name "canary!"\n',
    'line 2: unexpected character "\\"" in variable name "canary line two\\""\n',
    'time="2026-01-01T00:00:00Z" level=warning msg="The \\"canary\\" variable is not set. Defaulting to a blank string."\n',
]


@pytest.mark.parametrize("message", QUOTING)
def test_what_compose_quotes_from_an_env_file_is_not_repeated(message: str) -> None:
    assert "canary" not in scrub(message)


NAMES = [
    'Conflict. The container name "/shop-api-2" is already in use by container "3f9a". You have to remove (or rename) it.',
    'network "edge" not found',
    'endpoint with name shop-api-2 already exists in network "edge"',
    'driver failed programming external connectivity on endpoint "shop-api-2"',
    'get volume "shop_data": no such volume',
    'cannot use image "shop/api:1.0@sha256:3f9a"',
]


@pytest.mark.parametrize("words", NAMES)
def test_names_of_the_engines_own_objects_are_shown(words: str) -> None:
    """A person who reads that "…" is in use by "…" cannot mend it."""
    assert scrub(f"Error response from daemon: {words}") == f"Error response from daemon: {words}"


SECRETIVE = [
    'service "canary" is bad',
    'line 3: unexpected character in variable name near "canary"',
    'Error response from daemon: invalid value "canary value" of network "edge"',
    'Error response from daemon: invalid environment variable "canary"',
    'failed to read env: "A=service \\"canary\\"" Error response from daemon: no',
]


@pytest.mark.parametrize("words", SECRETIVE)
def test_what_may_come_out_of_an_env_file_is_blotted_out_all_the_same(words: str) -> None:
    assert "canary" not in scrub(words)


def test_what_compose_says_without_quoting_is_kept_on_one_line() -> None:
    assert scrub("no space left\n  on device\n") == "no space left on device"
    assert len(scrub("x" * 5000)) == 600


@pytest.mark.parametrize("code", [0, 1])
def test_bytes_of_compose_that_are_no_text_are_no_crash_in_mid_rollout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """It quotes paths and what an engine says as they are. Of a host whose module has crashed nobody knows what runs."""
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\nprintf 'caf\\351\\n'; printf 'no such file: caf\\351\\n' >&2; exit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(EngineError, match="no such file: caf\ufffd") if code else nullcontext():
        Compose("shop", tmp_path, []).up()


def test_compose_runs_without_the_variables_of_whoever_calls_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell variable would beat an env file: a stray STACK_RELEASE would deploy another release."""
    (tmp_path / "docker").write_text(
        '#!/bin/sh\nprintf \'{"environment": "%s", "arguments": "%s"}\' "$(env | cut -d= -f1 | tr "\\n" " ")" "$*"\n'
    )
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("STACK_RELEASE", "stray")
    model = Compose("shop", tmp_path, [tmp_path / "compose.yml"], [tmp_path / "release.env"]).model()
    assert "STACK_RELEASE" not in model["environment"]
    assert "PATH" in model["environment"]
    for part in (
        "--project-name shop",
        f"--project-directory {tmp_path}",
        f"--env-file {tmp_path}/release.env",
        f"--file {tmp_path}/compose.yml",
        "--profile * config --format json",
    ):
        assert part in model["arguments"]


def test_compose_that_fails_says_what_it_was_without_quoted_values(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'service \"canary\" failed to build' >&2\nexit 17\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(EngineError) as caught:
        Compose("shop", tmp_path, []).scale_up("api", 2)
    assert str(caught.value) == 'docker compose failed for shop: service "…" failed to build'


@pytest.mark.parametrize(
    "said",
    [
        "Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
        "failed to bind host port for 0.0.0.0:80:172.18.0.2:8080/tcp: address already in use",
        "Bind for 0.0.0.0:80 failed: port is already allocated",
    ],
)
def test_a_port_that_another_program_has_is_named_with_what_shows_that_program(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho 'Error response from daemon: {said}' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(EngineError) as caught:
        Compose("edge", tmp_path, []).scale_up("haproxy", 1)
    mend = "Another program has port 80 of this host: see which with ss -ltnp 'sport = :80', and stop it"
    assert str(caught.value) == f"docker compose failed for edge: Error response from daemon: {said}. {mend}"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("#!/bin/sh\nexit 17\n", f"docker compose failed for shop: it ended with 17 and said nothing. {answers.LOOK}"),
        (
            "#!/bin/sh\necho canary\n",
            "docker compose config printed no JSON for shop. See what this host has with: docker compose version; "
            "playbooks/provision.yml for this inventory installs one that fits",
        ),
        (
            "no program",
            f"docker compose could not be started on this host: [Errno 8] Exec format error: 'docker'. {answers.LOOK}",
        ),
        ("", "this host has no docker command: run playbooks/provision.yml for this inventory"),
    ],
    ids=["nothing said", "no JSON", "no program", "no docker"],
)
def test_whatever_is_wrong_with_compose_says_where_to_look(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, program: str, message: str
) -> None:
    if program:
        (tmp_path / "docker").write_text(program)
        (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError) as caught:
        Compose("shop", tmp_path, []).model()
    assert str(caught.value) == message


def test_a_command_of_compose_without_end_is_named_by_what_it_was_to_do(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(command: list[str], **options: Any) -> None:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", never)
    compose = Compose("shop", tmp_path, [])
    acts: dict[str, Callable[[], Any]] = {
        "config": compose.model,
        "up": lambda: compose.scale_up("api", 2),
        "run": lambda: compose.run_detached("migrate", {}),
    }
    for verb, act in acts.items():
        with pytest.raises(EngineError) as caught:
            act()
        words = f"docker compose {verb} did not end within 300 s for shop, in {tmp_path}. {answers.LOOK}"
        assert str(caught.value) == words


def test_a_one_off_container_is_started_apart_from_us_with_its_labels_and_without_our_input(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/arguments\n')
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    Compose("shop", tmp_path, []).run_detached("migrate", {"morpheus.deploy.migration": "1.0-a"})
    assert (
        (tmp_path / "arguments")
        .read_text()
        .endswith("--profile * run --detach --no-deps -T --interactive=false --label morpheus.deploy.migration=1.0-a migrate\n")
    )


def test_a_host_without_the_library_is_told_what_installs_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_utils, "import_error", ImportError())
    with pytest.raises(
        DeployError,
        match=r"^docker is not installed for .* on this host \(.+\); install it with: ansible-playbook playbooks/provision.yml ",
    ):
        engine_utils.connect()
    monkeypatch.setattr(gate, "import_error", ImportError())
    with pytest.raises(DeployError, match=r"^jmespath is not installed for .* on this host "):
        StackHost("shop", None)


def test_a_host_without_docker_says_what_to_run(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError) as caught:
        Compose("shop", tmp_path, []).model()
    assert str(caught.value) == "this host has no docker command: run playbooks/provision.yml for this inventory"


def test_what_stopped_containers_have_mounted_counts_too() -> None:
    mounts: list[Any] = [{"Type": "bind", "Source": "/content/a"}, {"Type": "tmpfs", "Source": ""}, {"Type": "volume"}]
    seen: list[Any] = []

    class Api:
        def containers(self, **options: Any) -> list[dict[str, Any]]:
            seen.append(options)
            return [{"Mounts": mounts}, {"Mounts": None}, {}]

    assert Engine(SimpleNamespace(api=Api()), "shop").mounts() == {"/content/a"}
    assert seen == [{"all": True}]


ENDS = [
    pytest.param("2026-11-26T03:35:26.123456789Z", 1795664126.123456789, id="with nanoseconds"),
    pytest.param("2026-11-26T03:35:26Z", 1795664126.0, id="to the second"),
    pytest.param("0001-01-01T00:00:00Z", None, id="it runs"),
    pytest.param("", None, id="nothing is said"),
]


@pytest.mark.parametrize(("said", "ended"), ENDS)
def test_when_a_replica_ended_is_read_from_the_engine(client: Client, said: str, ended: float | None) -> None:
    client.api.details = {"id1": {"State": {"FinishedAt": said}}}
    found = engine(client).ended_at(REPLICA)
    assert found == (None if ended is None else pytest.approx(ended, abs=1e-3))


class Tool:
    """A short-lived container that goes when it is told to."""

    def __init__(self, there: list[Tool], labels: Mapping[str, str], gone: bool = False) -> None:
        self.labels, self._there, self._gone = labels, there, gone
        there.append(self)

    def start(self) -> None:
        """It has begun."""

    def wait(self, timeout: int) -> Details:
        return {"StatusCode": 0}

    def logs(self) -> bytes:
        return b"well"

    def remove(self, force: bool) -> None:
        assert force
        self._there.remove(self)
        if self._gone:
            raise NotFound("no such container")


@pytest.mark.parametrize("is_quick", [False, True], ids=["stays", "is just being removed"])
def test_a_tool_whose_directory_is_gone_was_left_by_a_killed_process_and_goes(tmp_path: Path, is_quick: bool) -> None:
    there: list[Tool] = []
    Tool(there, {LOOKS_AT: str(tmp_path / "gone")}, gone=is_quick)
    at_work = Tool(there, {LOOKS_AT: str(tmp_path)})

    def create(image: str, command: list[str], labels: Mapping[str, str], **_: Any) -> Tool:
        assert there == [at_work]
        return Tool(there, labels)

    def found(filters: Mapping[str, str], **_: Any) -> list[Tool]:
        return [one for one in there if filters["label"] in one.labels]

    engine = Engine(SimpleNamespace(api=Api(), containers=SimpleNamespace(create=create, list=found)), "edge")
    assert engine.run_tool("haproxy:3.0", ["haproxy", "-c"], {tmp_path: "/etc/haproxy"}, "99:99") == (0, "well")
    assert there == [at_work]
