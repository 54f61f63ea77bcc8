from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.ml_mode import mode, used

SAID = {"environment": "staging", "mode": "off", "before": "live", "history": [{"mode": "off", "by": "alice", "why": "the bill"}]}


class Engine:
    """One container, whose program answers as it is told."""

    def __init__(self, code: int = 0, out: bytes = b"", err: bytes = b"", *, runs: bool = True) -> None:
        self.answer, self.runs = (code, (out, err)), runs
        self.asked: list[Any] = []

    @property
    def containers(self) -> Engine:
        return self

    def list(self, filters: dict[str, Any]) -> list[Engine]:
        self.asked.append(filters)
        return [self] if self.runs else []

    def exec_run(self, command: Sequence[str], *, demux: bool) -> tuple[int, tuple[bytes, bytes]]:
        self.asked.append(command)
        return self.answer


def test_it_is_switched_by_the_program_in_a_container_of_the_gateway() -> None:
    engine = Engine(out=json.dumps(SAID).encode())
    assert mode(engine, "ml-gateway", "gateway", {"mode": "off", "by": "alice", "why": "the bill"}) == SAID
    labels = ["com.docker.compose.project=ml-gateway", "com.docker.compose.service=gateway"]
    assert engine.asked == [
        {"label": labels, "status": "running"},
        ["python3", "-m", "app.control", "off", "--by", "alice", "--why", "the bill"],
    ]


def test_to_look_is_to_switch_nothing() -> None:
    engine = Engine(out=json.dumps(SAID).encode())
    mode(engine, "ml-gateway", "gateway", {})
    assert engine.asked[1] == ["python3", "-m", "app.control"]


def test_what_the_gateway_refuses_is_said_in_its_words() -> None:
    engine = Engine(1, err=b"Traceback\nMode mock is refused in production. Use live or off.\n")
    with pytest.raises(DeployError, match=r"^Mode mock is refused in production\. Use live or off\.$"):
        mode(engine, "ml-gateway", "gateway", {"mode": "mock", "by": "a", "why": "b"})


def test_a_program_that_says_nothing_has_an_exit_status() -> None:
    with pytest.raises(DeployError, match="the gateway's program ended with exit status 137"):
        mode(Engine(137), "ml-gateway", "gateway", {})


def test_a_host_without_a_gateway_switches_nothing() -> None:
    with pytest.raises(DeployError, match=r"no gateway runs on this host: .* The mode stays as it is"):
        mode(Engine(runs=False), "ml-gateway", "gateway", {})


def test_what_is_used_of_a_cap_is_a_sentence() -> None:
    cap = {"cap": "money_per_day", "used": "4.5", "limit": "5", "near": True, "period": "2026-11-26"}
    assert used(cap) == "money_per_day: 4.5 of 5 are used (2026-11-26), which is past warn_at"
    assert used({**cap, "near": False}) == "money_per_day: 4.5 of 5 are used (2026-11-26)"
