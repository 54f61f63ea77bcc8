"""A balancer is told which hosts have the routes of a stack: what the module says, in check mode and for real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import state
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.modules import edge_placed

from tests.unit.plugins.module_utils.edge.test_placed import Balancer

ROUTES = {"shop/": {"hosts": ["app-1", "app-2"]}, "shop/a/": {"hosts": ["app-2"], "guarded": True}}


@pytest.fixture
def balancer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Balancer:
    found = Balancer(tmp_path / "edge")
    found.edge.settings.write_text('{"image": "haproxy:3.0", "user": "99:99"}\n')
    monkeypatch.setattr(edge_placed, "EDGE_ROOT", found.edge.root)
    monkeypatch.setattr(edge_placed, "STACKS_ROOT", tmp_path / "stacks")
    monkeypatch.setattr(engine, "connect", lambda: None)
    monkeypatch.setattr(state, "require_whole", lambda _: None)
    monkeypatch.setattr(edge_placed, "validate_edge", lambda *_: found.complaint)
    return found


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    with pytest.raises(SystemExit), patch_module_args({"stack": "shop", "routes": ROUTES, **options}):
        edge_placed.main()
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_it_is_told_once(balancer: Balancer, capsys: pytest.CaptureFixture[str]) -> None:
    would = run(capsys, _ansible_check_mode=True)
    assert (would["changed"], balancer.told()) == (True, {})
    done = run(capsys, token=7, run="a")
    assert (done["changed"], done["diff"]["before"], json.loads(done["diff"]["after"])["shop/a/"]["hosts"]) == (
        True,
        "{}\n",
        ["app-2"],
    )
    assert balancer.told()["shop"]["shop/a/"].guarded
    assert not run(capsys, token=7, run="a")["changed"]
    assert "has lost its lease" in run(capsys, token=6, run="b", routes={})["msg"]


def test_what_it_cannot_be_told(balancer: Balancer, capsys: pytest.CaptureFixture[str]) -> None:
    assert "may hold only lower-case letters" in run(capsys, token=7, run="a", stack="../shop")["msg"]
    wrong = run(capsys, token=7, run="a", routes={"shop/": {"hosts": "app-1"}})
    assert wrong["msg"] == "routes: each must say its hosts, a list of names (the hosts of shop/ are no list)"
    balancer.complaint = "no such server"
    assert "no such server" in run(capsys, token=7, run="a")["msg"]
    assert balancer.told() == {}
