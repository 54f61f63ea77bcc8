"""Contracts of ML endpoints, asked of the provider's stub through a real gateway and of the real mock, and judged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.ml_gateway.world import KEY, ROOT, Process, World, answers, begin, wait_for
from tests.postgres import free_port

sys.path[:0] = [str(ROOT / "collections")]

from ansible_collections.morpheus.deploy.plugins.plugin_utils.contract.files import Contracts, unseen
from ansible_collections.morpheus.deploy.plugins.plugin_utils.contract.judge import judged

SOURCE = ROOT / "stacks" / "morpheus"
PIN = "aaaaaaaa"
NAME = "comic-panels"
PINS = {NAME: {"id": "ep-comic-panels", "model": "comic-xl", "version": "1.4.0", "called": f"{NAME}@{PIN}"}}


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[Process]:
    with ExitStack() as stack:
        yield begin_mock(stack, tmp_path / "mock", SOURCE / "ml-contract")


def begin_mock(stack: ExitStack, home: Path, contracts: Path, port: int = 0) -> Process:
    home.mkdir()
    (home / "app").symlink_to(ROOT / "services" / "ml-mock")
    port, log = port or free_port(), home / "mock.log"
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "ML_CONTRACTS": str(contracts)}
    process = Process(port, begin(stack, log, command, environment), log)
    wait_for(lambda: answers(f"{process.url}/healthz"), f"the mock answers; it said {process.said}")
    return process


def program(world: World, gateway: Process, **options: Any) -> dict[str, Any]:
    parts = [part for name, value in options.items() for part in (f"--{name}", value if name == "by" else json.dumps(value))]
    ended = world.control(*parts, UVICORN_PORT=str(gateway.port))
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def asks(contracts: Contracts) -> list[dict[str, Any]]:
    return [
        {"name": one.file, "endpoint": f"{NAME}@{PIN}", "request": one.request, "seconds": one.seconds, "bytes": one.bytes}
        for one in contracts.all
    ]


def parity(world: World, gateway: Process, source: Path = SOURCE) -> dict[str, list[str]]:
    """What is broken, by target."""
    contracts = Contracts.read(str(source))
    assert contracts.problems == []
    found = judged(contracts, program(world, gateway, ask=asks(contracts))["answers"], PINS)
    return {one["target"]: one["broken"] for one in found}


def started(world: World, mock: Process, provider: str = "") -> Process:
    world.config["endpoints"] = {}
    world.endpoint(NAME, pin=PIN)
    world.config["urls"] = {"runpod": f"{provider or world.stub.url}/v2", "mock": f"{mock.url}/v2"}
    return world.gateway()


@pytest.mark.deep
def test_mock_and_provider_keep_the_contract_of_the_example(wide: World, mock: Process) -> None:
    gateway = started(wide, mock)
    assert parity(wide, gateway) == {"staging": [], "mock": []}
    # It is a call as any other: priced, and told apart by its caller.
    [call] = wide.settled()
    assert (call["caller"], call["pin"], call["state"]) == ("contract", PIN, "settled")


@pytest.mark.deep
def test_in_the_tier_mock_contracts_can_be_asked_once_the_mock_runs_and_the_gateway_finds_it_then(
    wide: World, tmp_path: Path
) -> None:
    """In staging the mock is a service of the application, so a gateway that was deployed before it has none at first."""
    port = free_port()
    wide.config |= {"tier": "mock", "endpoints": {}, "urls": {"mock": f"http://127.0.0.1:{port}/v2"}}
    wide.endpoint(NAME, pin=PIN, provider="mock", price_per_second=None)
    gateway = wide.gateway()
    contracts = Contracts.read(str(SOURCE))
    broken = [one["broken"] for one in judged(contracts, program(wide, gateway, ask=asks(contracts))["answers"], PINS)]
    assert [lines[0][:43] for lines in broken] == [
        "comic-panels.yml: mock: answered HTTP 502: ",
        "comic-panels.yml: mock: gave no answer (Con",
    ]
    begin_mock(wide.stack, tmp_path / "mock", SOURCE / "ml-contract", port)
    found = judged(contracts, program(wide, gateway, ask=asks(contracts))["answers"], PINS)
    assert [(one["target"], one["model"], one["broken"]) for one in found] == [("mock", "comic-xl@1.4.0", []), ("mock", "", [])]
    [refused, drawn] = wide.settled()
    assert (refused["state"], drawn["state"], drawn["provider"], drawn["cost"]) == ("released", "settled", "mock", 0)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param(
            '"caption": sentence',
            '"title": sentence',
            "output.panels[0]: 'caption' is a required property",
            id="a field has another name",
        ),
        pytest.param(
            '"image_url": f"https://',
            '"image_url": f"ftp://',
            "output.panels[0].image_url: 'ftp://",
            id="a field has another look",
            marks=pytest.mark.deep,
        ),
        pytest.param(
            '"caption": sentence',
            '"caption": len(sentence)',
            "output.panels[0].caption: 28 is not of type 'string'",
            id="a field has another type",
            marks=pytest.mark.deep,
        ),
    ],
)
@pytest.mark.deep
def test_one_broken_field_of_the_provider_turns_parity_red_and_the_mock_stays_green(
    wide: World, mock: Process, tmp_path: Path, before: str, after: str, said: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(ROOT / "sandbox" / "images" / "runpod", broken)
    text = (broken / "jobs.py").read_text()
    assert before in text
    (broken / "jobs.py").write_text(text.replace(before, after))
    port, log = free_port(), broken / "stub.log"
    environment = {
        "PATH": os.environ["PATH"],
        "RUNPOD_API_KEYS": json.dumps({KEY: "production"}),
        "RUNPOD_PORT": str(port),
        "RUNPOD_LOG": str(broken / "calls.jsonl"),
    }
    begin(wide.stack, log, [sys.executable, str(broken / "server.py")], environment)
    wait_for(lambda: answers(f"http://127.0.0.1:{port}/log"), "the broken stub answers")
    found = parity(wide, started(wide, mock, f"http://127.0.0.1:{port}"))
    assert found["mock"] == []
    assert found["staging"][0].startswith(f"comic-panels.yml: staging: {said}")


@pytest.mark.deep
def test_a_field_that_is_added_to_the_contract_is_given_by_the_mock_and_not_by_the_provider(wide: World, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "ml-contract").mkdir(parents=True)
    text = (SOURCE / "ml-contract" / "comic-panels.yml").read_text()
    changed = text.replace("required: [caption]", "required: [caption, mood]").replace(
        "properties:\n          caption:", "properties:\n          mood: {enum: [calm, wild]}\n          caption:"
    )
    assert changed != text
    (source / "ml-contract" / "comic-panels.yml").write_text(changed)
    mock = begin_mock(wide.stack, tmp_path / "mock", source / "ml-contract")
    found = parity(wide, started(wide, mock), source)
    assert found["mock"] == []
    assert found["staging"][0] == "comic-panels.yml: staging: output.panels[0]: 'mood' is a required property"


@pytest.mark.deep
def test_a_mock_without_contracts_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "app").symlink_to(ROOT / "services" / "ml-mock")
    environment = {"PATH": os.environ["PATH"], "ML_CONTRACTS": str(tmp_path / "none"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", "import app.main"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.startswith("ML_CONTRACTS: there is no contract")) == (1, True), ended.stderr


@pytest.mark.deep
def test_what_was_seen_kept_is_so_for_one_pin_and_one_contract_in_every_gateway(wide: World, mock: Process) -> None:
    gateway = started(wide, mock)
    contracts = Contracts.read(str(SOURCE))
    keep = [{"endpoint": NAME, "pin": PIN, "contract": contracts.digest(NAME)}]
    assert unseen(contracts, PINS, program(wide, gateway)["kept"]) == [
        f"{NAME} is pinned to comic-xl 1.4.0 (ep-comic-panels), and its contract was never seen kept"
    ]
    program(wide, gateway, keep=keep, by="alice")
    kept = program(wide, wide.gateway(), keep=keep, by="bob")["kept"]
    assert [(one["endpoint"], one["pin"], one["by"]) for one in kept] == [(NAME, PIN, "alice")]
    assert unseen(contracts, PINS, kept) == []
    assert wide.stub.reached() == []


@pytest.mark.deep
def test_a_refused_call_and_an_answer_of_another_model_keep_no_contract(wide: World, mock: Process) -> None:
    gateway = started(wide, mock)
    wide.switch("off")
    assert "comic-panels.yml: staging: answered HTTP 503: " in parity(wide, gateway)["staging"][0]
    wide.switch("mock")
    # The mock in the provider's place shows nothing of the provider.
    assert parity(wide, gateway)["staging"] == ["comic-panels.yml: staging: was answered by mock, and not by comic-xl 1.4.0"]
    wide.switch("live")
    contracts = Contracts.read(str(SOURCE))
    small = [{**one, "bytes": 10} for one in asks(contracts)]
    [answer, _] = program(wide, gateway, ask=small)["answers"]
    assert (answer["content"], answer["bytes"] > 10) == ("", True)
