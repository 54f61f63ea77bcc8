"""The mode of ML gateways, as Ansible switches it, and what their other programs say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine

from tests.unit.endings.ran import run
from tests.unit.endings.worlds import World
from tests.unit.plugins.module_utils.operations import test_ml_mode as switching

CAPSYS = pytest.CaptureFixture[str]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


OFF = {"stack": "ml-gateway", "mode": "off", "by": "alice", "why": "the bill", "without_lease": True}
HISTORY = [{"at": "2026-11-26 19:33:51+00:00", "mode": "live", "by": "bob", "why": "it was a test"}]
PROGRAM = ["python3", "-m", "app.control"]


def gateway(world: World, answer: Mapping[str, Any] | None = None, *, refuses: str = "", runs: bool = True) -> list[Any]:
    """A gateway whose program answers so. What it is asked."""
    out = json.dumps(answer or {}).encode()
    found = switching.Engine(1, err=refuses.encode()) if refuses else switching.Engine(out=out, runs=runs)
    world.monkeypatch.setattr(engine, "connect", lambda: found)
    return found.asked


def test_the_mode_of_the_ml_gateways_is_switched_once_with_who_and_why(world: World, capsys: CAPSYS) -> None:
    asked = gateway(world, switching.SAID)
    result = run("ml_mode", capsys, OFF)
    assert asked[-1] == [*PROGRAM, "off", "--by", "alice", "--why", "the bill"]
    assert (result["changed"], result["mode"], result["history"]) == (True, "off", switching.SAID["history"])
    assert result["diff"] == {"before": "live\n", "after": "off\n"}
    gateway(world, {**switching.SAID, "before": "off"})
    assert not run("ml_mode", capsys, OFF)["changed"]


@pytest.mark.parametrize(
    ("options", "check_mode", "changed", "after"),
    [
        ({"stack": "ml-gateway"}, False, False, "live"),
        ({**OFF, "without_lease": False}, True, True, "off"),
        ({**OFF, "mode": "live"}, True, False, "live"),
    ],
    ids=["no mode is named", "check mode", "check mode, and it is so already"],
)
def test_the_mode_of_the_ml_gateways_is_told_and_nothing_is_switched(
    world: World, capsys: CAPSYS, options: dict[str, Any], check_mode: bool, changed: bool, after: str
) -> None:
    asked = gateway(world, {"mode": "live", "history": HISTORY})
    result = run("ml_mode", capsys, options, check_mode=check_mode)
    assert asked[-1] == PROGRAM
    assert (result["changed"], result["mode"], result["history"]) == (changed, "live", HISTORY)
    assert result["diff"] == {"before": "live\n", "after": f"{after}\n"}


@pytest.mark.parametrize("left_out", ["by", "why"])
def test_a_mode_is_not_switched_without_who_and_why(world: World, capsys: CAPSYS, left_out: str) -> None:
    asked = gateway(world)
    said = "by and why are needed: the history says who switched, and for what. Nothing was switched."
    assert run("ml_mode", capsys, {**OFF, left_out: ""})["msg"] == said
    assert asked == []


def test_a_mode_that_the_gateway_refuses_or_nobody_can_switch_is_said_in_words(world: World, capsys: CAPSYS) -> None:
    refused = "Mode mock is refused in production. Use live or off."
    gateway(world, refuses=f"Traceback\n{refused}\n")
    assert run("ml_mode", capsys, {**OFF, "mode": "mock"})["msg"] == refused
    gateway(world, runs=False)
    assert run("ml_mode", capsys, OFF)["msg"] == (
        "no gateway runs on this host: there is no container of the service gateway of the stack ml-gateway. "
        "Deploy it, or name a host that has one with --limit. The mode stays as it is."
    )


def test_what_is_used_of_the_caps_is_told_with_the_mode_and_by_an_older_gateway_nothing(world: World, capsys: CAPSYS) -> None:
    cap = {"cap": "money_per_day", "used": "4.5", "limit": "5", "near": True, "period": "2026-11-26"}
    gateway(world, {"mode": "live", "history": HISTORY, "caps": [cap]})
    result = run("ml_mode", capsys, {"stack": "ml-gateway"})
    assert (result["caps"], result["used"]) == ([cap], ["money_per_day: 4.5 of 5 are used (2026-11-26), which is past warn_at"])
    gateway(world, {"mode": "live", "history": HISTORY})
    result = run("ml_mode", capsys, {"stack": "ml-gateway"})
    assert (result["caps"], result["used"]) == ([], [])


def test_what_calls_have_cost_is_read_from_the_books(world: World, capsys: CAPSYS) -> None:
    books = {"environment": "staging", "tier": "staging", "calls": [], "caps": []}
    asked = gateway(world, {**books, "mode": "live", "history": HISTORY, "kept": []})
    result = run("ml_costs", capsys, {"stack": "ml-gateway", "days": 90})
    assert (result["changed"], result["books"]) == (False, books)
    assert asked[-1] == [*PROGRAM, "--days", "90"]
    gateway(world, runs=False)
    said = run("ml_costs", capsys, {"stack": "ml-gateway"})["msg"]
    assert said.startswith("no gateway runs on this host: ")
    assert said.endswith("What was spent is not known.")


@pytest.mark.parametrize("check_mode", [False, True])
def test_contracts_are_asked_for_and_remembered_and_in_check_mode_neither(world: World, capsys: CAPSYS, check_mode: bool) -> None:
    said = {"answers": [{"name": "comic.yml", "status": 200}], "kept": [{"endpoint": "comic", "pin": "a", "contract": "b"}]}
    asked = gateway(world, said)
    ask, keep = [{"name": "comic.yml", "endpoint": "comic@a"}], [{"endpoint": "comic", "pin": "a", "contract": "b"}]
    result = run("ml_contract", capsys, {"stack": "ml-gateway", "ask": ask, "keep": keep, "by": "alice"}, check_mode=check_mode)
    assert (result["changed"], result["answers"], result["kept"]) == (not check_mode, said["answers"], said["kept"])
    parts = [] if check_mode else ["--ask", json.dumps(ask), "--keep", json.dumps(keep)]
    assert asked[-1] == [*PROGRAM, *parts, "--by", "alice"]
