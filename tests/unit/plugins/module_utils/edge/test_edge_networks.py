"""The network of each stack: made once, internal, with the edge on it; what is somebody else's is left alone and named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import Format, NewerFormatError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import networks
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine

from tests.unit.damage.memory_docker import INTERNAL, Docker

EDGE_BOX = "edge-haproxy-1"
OWN = {"morpheus.deploy.stack": "shop", INTERNAL: "true"}
LABELS = {"com.docker.compose.project": "edge", "com.docker.compose.service": "haproxy", "com.docker.compose.oneoff": "False"}


@pytest.fixture
def docker() -> Iterator[Docker]:
    found = Docker(lambda box: {})
    found.networks["edge"] = {"com.docker.compose.network": "edge"}
    found.create(EDGE_BOX, "sha256:haproxy", LABELS, ["edge"])
    found.start(EDGE_BOX)
    found.changes.clear()
    yield found
    found.close()


@pytest.fixture
def engine(docker: Docker) -> Engine:
    return Engine(docker.client, "edge")


def test_the_first_rollout_makes_it_and_puts_the_edge_on_it_and_the_next_changes_nothing(docker: Docker, engine: Engine) -> None:
    networks.join(engine, "shop")
    assert docker.changes == ["make the network edge.shop", f"connect {EDGE_BOX} to edge.shop"]
    assert docker.networks["edge.shop"] == OWN
    docker.changes.clear()
    networks.join(engine, "shop")
    assert docker.changes == []


def test_each_stack_has_its_own_and_the_edge_is_on_all(docker: Docker, engine: Engine) -> None:
    networks.join(engine, "shop")
    networks.join(engine, "blog")
    assert docker.box(EDGE_BOX).networks == {"edge", "edge.shop", "edge.blog"}
    docker.disconnect("edge.shop", EDGE_BOX)
    assert networks.apart(engine) == ["edge.shop"]
    assert networks.troubles(engine, "shop") == ['the edge is not on the network "edge.shop", so it reaches no replica of shop']
    assert networks.troubles(engine, "blog") == []
    networks.connect(engine)
    assert networks.apart(engine) == []


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({}, id="without our label"),
        pytest.param({**OWN, "morpheus.deploy.stack": "blog"}, id="with the label of another stack"),
        pytest.param({"morpheus.deploy.stack": "shop"}, id="with a way out"),
    ],
)
def test_one_that_somebody_else_made_is_refused_before_anything_is_changed(
    docker: Docker, engine: Engine, labels: dict[str, str]
) -> None:
    docker.networks["edge.shop"] = labels
    docker.create("tool", "sha256:tool", {}, ["edge.shop"])
    docker.changes.clear()
    with pytest.raises(EdgeError) as caught:
        networks.join(engine, "shop")
    assert str(caught.value) == (
        'the network "edge.shop" of this host was made by hand, and the edge does not use it. On this host: '
        "docker network disconnect -f edge.shop tool; docker network rm edge.shop; then run this again. Nothing was changed"
    )
    assert docker.changes == []
    assert networks.troubles(engine, "shop") == ['the network "edge.shop" was made by hand, so the edge does not use it']


def test_another_rollout_may_have_put_the_edge_on_it_meanwhile(
    docker: Docker, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.networks["edge.shop"] = dict(OWN)

    def first(network: str, replicas: object) -> None:
        docker.box(EDGE_BOX).networks.add(network)
        raise EngineError("endpoint with name edge-haproxy-1 already exists in network edge.shop")

    monkeypatch.setattr(engine, "connect", first)
    networks.connect(engine)


def test_an_engine_that_does_not_connect_is_not_passed_over(
    docker: Docker, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.networks["edge.shop"] = dict(OWN)

    def refuses(network: str, replicas: object) -> None:
        raise EngineError("no free address")

    monkeypatch.setattr(engine, "connect", refuses)
    with pytest.raises(EngineError, match="no free address"):
        networks.connect(engine)


def test_an_older_version_refuses_a_host_that_has_gone_over_and_a_second_mark_writes_nothing(tmp_path: Path) -> None:
    paths = EdgePaths(tmp_path)
    paths.settings.write_text(json.dumps({"image": "haproxy:3.0", "user": "99:99"}))
    networks.mark(paths)
    assert json.loads(paths.settings.read_text()) == {"format": 2, "image": "haproxy:3.0", "user": "99:99"}
    before = paths.settings.stat()
    networks.mark(paths)
    assert paths.settings.stat() == before
    with pytest.raises(NewerFormatError, match=r"has format 2, and this version of morpheus.deploy knows .* only up to format 1"):
        Format("settings of an edge", "provision", "remove it").load(paths.settings)
