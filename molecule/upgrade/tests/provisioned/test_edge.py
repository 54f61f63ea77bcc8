"""A bare host has become one that can run stacks: the edge."""

from __future__ import annotations

import pytest
from moments import EDGE, Moment
from testinfra.host import Host
from user import ask


def test_one_edge_runs_and_comes_back_after_a_crash(moment: Moment) -> None:
    [edge] = moment.replicas("haproxy", project="edge")
    assert edge["State"]["Running"]
    assert edge["HostConfig"]["RestartPolicy"]["Name"] == "always"


def test_the_edge_can_do_no_more_than_it_must(moment: Moment) -> None:
    [edge] = moment.replicas("haproxy", project="edge")
    assert edge["HostConfig"]["ReadonlyRootfs"]
    assert edge["HostConfig"]["CapDrop"] == ["ALL"]
    assert edge["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]
    assert edge["Config"]["User"] not in ("", "0", "0:0", "root")


@pytest.mark.parametrize("port", [80, 443])
def test_users_can_connect(host: Host, port: int) -> None:
    assert host.socket(f"tcp://0.0.0.0:{port}").is_listening


def test_metrics_are_published_on_the_host_alone(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:8405").is_listening
    assert not host.socket("tcp://0.0.0.0:8405").is_listening
    assert "haproxy_process_uptime_seconds" in host.check_output("curl --silent --fail http://127.0.0.1:8405/metrics")


def test_the_private_key_is_readable_by_the_edge_alone(host: Host) -> None:
    file = host.file(f"{EDGE}/conf/certs/molecule.morpheus.app.pem")
    assert (file.uid, file.mode) == (99, 0o400)


def test_http_redirects_to_https() -> None:
    answer = ask("/health?full=1", port=80)
    assert answer.status == 308
    assert answer.headers["location"] == "https://molecule.morpheus.app/health?full=1"


def test_without_a_stack_nothing_is_reached() -> None:
    assert ask("/").status == 404
