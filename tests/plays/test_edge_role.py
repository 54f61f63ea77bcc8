"""The role edge as Ansible runs it, up to where it would contact a host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plays.played import LOCAL, OUT_OF_REACH, ROOT, play


@pytest.mark.parametrize("tags", [(), ("--tags", "edge")], ids=["provision.yml", "--tags edge"])
@pytest.mark.deep
def test_options_that_cannot_work_are_refused_before_any_host_is_contacted(tmp_path: Path, tags: tuple[str, ...]) -> None:
    wrong = {"edge_https_port": 80, "edge_trusted_proxies": ["10.0.0.5/24", "0.0.0.0/0"]}
    done = play(tmp_path, ROOT / "playbooks" / "provision.yml", *tags, hosts={"app-1": {**OUT_OF_REACH, **wrong}})
    assert done.returncode == 2
    for line in (
        "Nothing was changed. Problems in the options of the edge:",
        "edge_https_port: 80 is also edge_http_port; give each its own port",
        'edge_trusted_proxies[0]: \\"10.0.0.5/24\\" is one address of a network; write 10.0.0.0/24 for the network,',
        'edge_trusted_proxies[1]: \\"0.0.0.0/0\\" means everybody',
    ):
        assert line in done.stdout
    assert "UNREACHABLE" not in done.stdout


def test_a_balancer_learns_the_ports_of_its_hosts_from_the_inventory(tmp_path: Path) -> None:
    upstreams = [{"name": name, "address": f"{name}.example.com"} for name in ("app-1", "app-2", "elsewhere")]
    balancer: dict[str, Any] = {**LOCAL, "edge_upstreams": [*upstreams, {"name": "said", "address": "192.0.2.9", "port": 9443}]}
    playbook = tmp_path / "balance.yml"
    tasks = [
        {"ansible.builtin.import_role": {"name": "morpheus.deploy.edge", "tasks_from": "check"}},
        {"ansible.builtin.copy": {"content": "{{ __edge_options.upstreams | to_json }}", "dest": str(tmp_path / "found")}},
    ]
    given = {"edge_upstream_name": "shop.example", "edge_upstream_ca_path": "/secure/ca.pem"}
    playbook.write_text(yaml.safe_dump([{"hosts": "balancer", "gather_facts": False, "vars": given, "tasks": tasks}]))
    done = play(tmp_path, playbook, hosts={"balancer": balancer, "app-1": {"edge_https_port": 8443}, "app-2": {}})
    assert done.returncode == 0, done.stdout
    assert [one["port"] for one in yaml.safe_load((tmp_path / "found").read_text())] == [8443, 443, 443, 9443]
