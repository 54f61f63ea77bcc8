"""Feature flags of a host, as Ansible brings and reads them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.release import release as releases_module
from ansible_collections.morpheus.deploy.plugins.module_utils.release.live_flags import LiveFlags, digest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.endings.ran import module, run
from tests.unit.flags_file import share, text

CAPSYS = pytest.CaptureFixture[str]
OLD, NEW = text({"loud": share(0)}, 1).encode(), text({"loud": share(50)}, 2).encode()
CHANGES = ["loud: on 0 %, off 100 % -> on 50 %, off 50 %"]


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


BRING = {
    "stack": "shop",
    "content": encoded(NEW),
    "before": digest(OLD),
    "by": "alice",
    "why": "half of them",
    "without_lease": True,
}


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiveFlags:
    """On a host with a live release that reads flags."""
    serves(tmp_path, monkeypatch, ["flags"])
    found = LiveFlags(tmp_path / "shop")
    found.bring(OLD, digest(b""), by="a deploy", why="release 1.0.0", at="2026-11-26T09:00:00Z")
    return found


def serves(root: Path, monkeypatch: pytest.MonkeyPatch, live_files: list[str], live: str = "1.0.0-aa") -> None:
    class Here(Releases):
        def __init__(self, stack: str) -> None:
            super().__init__(stack, root)

        def live(self) -> str:
            return live

        def read(self, identity: str) -> Any:
            assert identity == live
            return type("Manifest", (), {"stack": Stack.of({"name": "shop", "live_files": live_files})})

    monkeypatch.setattr(module("stack_flags"), "Releases", Here)
    assert releases_module.Releases is Releases


def test_flags_are_brought_once_with_who_and_why(flags: LiveFlags, capsys: CAPSYS) -> None:
    result = run("stack_flags", capsys, BRING)
    assert (result["changed"], result["changes"], flags.content) == (True, CHANGES, NEW)
    assert result["diff"] == {"before": "loud: on 0 %, off 100 %\n", "after": "loud: on 50 %, off 50 %\n"}
    last = result["history"][0]
    assert (last["by"], last["why"], last["version"], last["changes"]) == ("alice", "half of them", 2, CHANGES)
    again = run("stack_flags", capsys, BRING)
    assert (again["changed"], again["changes"], len(again["history"])) == (False, [], 2)


@pytest.mark.parametrize(
    ("options", "check_mode", "changes"),
    [({"stack": "shop"}, False, []), ({**BRING, "without_lease": False}, True, CHANGES)],
    ids=["a look", "check mode"],
)
def test_flags_are_told_and_nothing_is_written(
    flags: LiveFlags, capsys: CAPSYS, options: dict[str, Any], check_mode: bool, changes: list[str]
) -> None:
    result = run("stack_flags", capsys, options, check_mode=check_mode)
    assert (result["changed"], result["changes"]) == (bool(changes), changes)
    assert (result["flags"], result["version"], result["digest"]) == (encoded(OLD), 1, digest(OLD))
    assert (flags.content, [one["by"] for one in result["history"]]) == (OLD, ["a deploy"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"by": ""}, "by and why are needed: the history says who changed the flags, and for what. Nothing was changed."),
        ({"why": ""}, "by and why are needed: the history says who changed the flags, and for what. Nothing was changed."),
        ({"before": digest(b"others")}, "the flags have been changed meanwhile, to version 1 (a deploy, "),
    ],
)
def test_a_change_that_is_refused_changes_nothing(flags: LiveFlags, capsys: CAPSYS, more: dict[str, str], said: str) -> None:
    assert run("stack_flags", capsys, {**BRING, **more})["msg"].startswith(said)
    assert flags.content == OLD


@pytest.mark.parametrize(
    ("live", "said"),
    [
        ("", "no release of the stack is live on this host. "),
        ("1.0.0-aa", "release 1.0.0-aa, which is live here, reads no flags. "),
    ],
)
def test_where_nobody_would_read_them_none_are_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: CAPSYS, live: str, said: str
) -> None:
    serves(tmp_path, monkeypatch, ["other"], live)
    expected = f"{said}Deploy the stack with stack_flags, which brings them, too. Nothing was changed."
    assert run("stack_flags", capsys, BRING)["msg"] == expected
    assert not LiveFlags(tmp_path / "shop").content
