"""A host's certificate and its answers to an authority, as Ansible reads and changes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.endings.ran import run
from tests.unit.endings.worlds import World
from tests.unit.plugins.module_utils.edge import test_edge_certificate as certificate
from tests.unit.plugins.module_utils.edge import test_maintenance as maintenance
from tests.unit.plugins.module_utils.edge.test_edge_certificate import NEW, OLD, paths

CAPSYS = pytest.CaptureFixture[str]
EDGE, CHALLENGES = "edge_certificate", "edge_challenges"
ALLOWED = {"without_lease": True}
__all__ = ["paths"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: Any) -> World:
    found = World(tmp_path, monkeypatch)
    for name in (EDGE, f"{EDGE}_info", CHALLENGES):
        found.put(name, EDGE_ROOT=paths.root)
    return found


@pytest.fixture
def haproxy(paths: Any) -> Iterator[certificate.HAProxy]:
    fake = certificate.HAProxy(paths.root)
    with fake:
        yield fake


def test_a_certificate_is_replaced_once(world: World, paths: Any, haproxy: certificate.HAProxy, capsys: CAPSYS) -> None:
    asked = {"content": NEW, **ALLOWED}
    assert run(EDGE, capsys, {"content": NEW}, check_mode=True)["changed"]
    assert haproxy.commands == []
    done = run(EDGE, capsys, asked)
    assert (done["changed"], done["path"]) == (True, str(paths.conf / "certs" / "acme.pem"))
    assert not run(EDGE, capsys, asked)["changed"]
    assert not run(EDGE, capsys, {"content": NEW}, check_mode=True)["changed"]


def test_what_haproxy_says_against_it_has_no_key_in_it(world: World, haproxy: certificate.HAProxy, capsys: CAPSYS) -> None:
    secret = "MIGHAgEAMBMGByqGSM49canary"
    haproxy.refuses["set"] = f"unable to load private key from {secret}"
    done = run(EDGE, capsys, {"content": NEW.replace("\nkey\n", f"\n{secret}\n"), **ALLOWED})
    assert done["failed"]
    assert "canary" not in str(done)


def test_a_certificate_is_read_without_its_key(world: World, paths: Any, capsys: CAPSYS) -> None:
    found = run(f"{EDGE}_info", capsys, {})
    assert found["certificate"] == OLD.partition("-----BEGIN PRIVATE")[0]
    (paths.conf / "certs" / "acme.pem").unlink()
    assert run(f"{EDGE}_info", capsys, {})["certificate"] == ""


def test_an_authority_is_answered_for_each_name_once(world: World, paths: Any, capsys: CAPSYS) -> None:
    (paths.conf / "challenges.map").write_text("a.example old\n")
    asked = {"names": ["a.example", "b.example"], "thumbprint": "t"}
    haproxy = _Workers(paths.root)
    with haproxy:
        haproxy.maps[maintenance.CURRENT] = {"a.example": "old"}
        assert run(CHALLENGES, capsys, asked, check_mode=True)["names"] == ["a.example", "b.example"]
        done = run(CHALLENGES, capsys, {**asked, **ALLOWED})
        assert (done["changed"], done["names"]) == (True, ["a.example", "b.example"])
        assert haproxy.maps[maintenance.CURRENT] == {"a.example": "t", "b.example": "t"}
        again = run(CHALLENGES, capsys, {**asked, **ALLOWED})
    assert (again["changed"], again["names"]) == (False, [])
    assert sorted((paths.conf / "challenges.map").read_text().split("\n")) == ["", "a.example t", "b.example t"]


class _Workers(maintenance.HAProxy):
    """As for maintenance, with another map."""

    def _ask_worker(self, pid: int, command: str) -> str:
        return super()._ask_worker(pid, command.replace("challenges.map", "maintenance.map"))
