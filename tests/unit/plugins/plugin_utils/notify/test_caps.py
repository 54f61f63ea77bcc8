"""A cap that is nearly used up is told of once in its day or month."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify import caps


def cap(near: bool = True, period: str = "2026-11-26", name: str = "money_per_day") -> dict[str, Any]:
    return {"cap": name, "used": "4.5", "limit": "5", "near": near, "period": period}


def tell(*found: dict[str, Any]) -> list[str]:
    named = [str(one["cap"]) for one in caps.untold("staging", found)]
    caps.tell("staging", found)
    return named


def test_each_cap_is_told_of_once_in_its_period(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    month = cap(period="2026-11", name="money_per_month")
    assert tell(cap(near=False)) == []
    assert not (tmp_path / ".deploy").exists()
    assert tell(cap()) == ["money_per_day"]
    assert tell(cap(), month) == ["money_per_month"]
    assert tell(cap(), month) == []
    assert tell(cap(period="2026-11-27"), month) == ["money_per_day"]
    assert (tmp_path / ".deploy" / "staging" / "caps.json").stat().st_mode & 0o777 == 0o600


def test_what_is_used_is_told_as_a_share() -> None:
    assert caps.words(cap()) == {"cap": "money_per_day", "used": "4.5", "limit": "5", "share": "90"}
