"""An audit asks for the names of a certificate that an authority has issued, not for a site that is called as its file is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import disk, host
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.host import HostAudit

EDGE: Mapping[str, Any] = {
    "Config": {"Labels": {"com.docker.compose.project": "edge"}},
    "State": {"Status": "running"},
    "HostConfig": {"PortBindings": {"8443/tcp": [{"HostIp": "", "HostPort": "443"}]}},
    "Mounts": [],
}


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        (["shop.example", "acme"], ["a.example", "b.example", "shop.example"]),
        (["acme"], ["a.example", "b.example"]),
        (["shop.example"], ["shop.example"]),
    ],
)
def test_each_of_its_names_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: list[str], asked: list[str]
) -> None:
    conf = disk.own(tmp_path) / "edge" / "conf"
    (conf / "certs").mkdir(parents=True)
    for name in listed:
        (conf / "certs" / f"{name}.pem").write_text("pem")
    (conf / "certificates.list").write_text("".join(f"{HAPROXY_DIRECTORY}/certs/{name}.pem\n" for name in listed))
    monkeypatch.setattr(host, "_served", lambda site, port: {"site": site, "port": port})
    engine: Any = SimpleNamespace(volumes=dict, containers=lambda: [EDGE])
    releases: Any = None
    found = HostAudit(engine, releases, tmp_path)._certificates(["b.example", "a.example"])
    assert found == [{"site": site, "port": 443} for site in asked]
