"""What HAProxy reads when it starts, and nobody else before: the addresses at which it answers for metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import drift
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths

PROVISION = "run playbooks/provision.yml for this inventory, which restores it"


@pytest.fixture
def paths(tmp_path: Path) -> EdgePaths:
    found = EdgePaths(tmp_path / "edge")
    found.conf.mkdir(parents=True)
    (found.root / "compose.json").write_text('{"services": {"haproxy": {"ports": ["80:8080"]}}}')
    (found.conf / "haproxy.cfg").write_text("frontend metrics\n  http-request deny unless { dst -f /etc/haproxy/home.list }\n")
    (found.conf / "home.list").write_text("172.18.0.0/16\nfd00:18::/64\n")
    return found


def test_nothing_is_said_of_an_edge_that_is_whole(paths: EdgePaths) -> None:
    assert drift.problems(paths) == []


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"services": {"haproxy": []}}'])
def test_json_that_is_not_the_edges_is_none_of_its_files(paths: EdgePaths, text: str) -> None:
    path = paths.root / "compose.json"
    path.write_text(text)
    assert drift.problems(paths) == [f"{path} cannot be read: run playbooks/provision.yml for this inventory, which restores it"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, f"is missing, and HAProxy would not start again: {PROVISION}", id="missing"),
        pytest.param("172.18.", f"cannot be read: {PROVISION}", id="torn"),
        pytest.param("edge\n", f"cannot be read: {PROVISION}", id="a name"),
        pytest.param("", f"is empty, so nobody gets the edge's metrics: {PROVISION}", id="empty"),
    ],
)
def test_where_metrics_are_answered_is_a_file_that_haproxy_needs(paths: EdgePaths, content: str | None, said: str) -> None:
    home = paths.conf / "home.list"
    home.unlink() if content is None else home.write_text(content)
    assert drift.problems(paths) == [f"{home} {said}"]


def test_an_edge_of_an_older_version_has_no_such_file_and_lacks_none(paths: EdgePaths) -> None:
    (paths.conf / "haproxy.cfg").write_text("frontend metrics\n")
    (paths.conf / "home.list").unlink()
    assert drift.problems(paths) == []
