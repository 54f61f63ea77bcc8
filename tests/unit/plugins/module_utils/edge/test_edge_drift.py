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


@pytest.mark.parametrize(
    "name", ["away.map", "challenges.map", "kept-off.map", "maintenance.html", "maintenance.map", "upstream-ca.pem"]
)
def test_whatever_the_configuration_reads_must_be_there_and_may_be_empty(paths: EdgePaths, name: str) -> None:
    (paths.conf / "haproxy.cfg").write_text(f"  use it if {{ str(a),map(/usr/local/etc/haproxy/{name}) -m str on }}\n")
    file = paths.conf / name
    assert drift.problems(paths) == [f"{file} is missing, and HAProxy would not start again: {PROVISION}"]
    file.write_text("state off\n" if name == "maintenance.map" else "")
    assert drift.problems(paths) == []
    file.unlink()
    file.mkdir()
    assert drift.problems(paths) == [
        f"{file} cannot be read (it is a directory): move it away (mv {file} {file}.damaged); then {PROVISION}"
    ]


def test_what_somebody_else_names_is_no_file_of_the_edge(paths: EdgePaths) -> None:
    (paths.conf / "haproxy.cfg").write_text("# /usr/local/etc/haproxy/certs/a.pem, /usr/local/etc/haproxy/stacks\n")
    assert drift.problems(paths) == []
