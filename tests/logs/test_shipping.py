"""Logs on their way off a host: to the real rsyslog and to Loki's push API. Nothing is secret in them, and nothing waits."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.logs import shipper as shipping
from ansible_collections.morpheus.deploy.plugins.module_utils.logs import target
from ansible_collections.morpheus.deploy.plugins.module_utils.logs.shipper import Positions, Scrubber, Shipper

from tests.logs.world import Engine, Loki, Rsyslog, loki, wait_for

ABOUT = {"environment": "staging", "host": "app-1", "retention": "14d"}
SECRET = "correct-horse-battery"
ID = "7d1f2a36-95b4-4c5e-8f3e-2b8f6f6f1d11"
ASKED = json.dumps({"source": "edge", "level": "error", "request_id": ID, "path": "/api/a"})


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits two seconds for what can be seen."""
    monkeypatch.setattr(shipping, "LOOKS_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(shipping, "LONGEST_PAUSE_SECONDS", 0.05)


@pytest.fixture
def sink() -> Iterator[Loki]:
    with loki() as found:
        yield found


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    secrets = tmp_path / "stacks" / "shop" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "api.env").write_text(f'DATABASE_PASSWORD="{SECRET}"\n')
    return tmp_path / "stacks"


def syslog_config(server: Rsyslog) -> dict[str, Any]:
    place = {"address": f"127.0.0.1:{server.port}", "host": "127.0.0.1", "port": server.port}
    return {"target": "syslog", "about": ABOUT, **place, "tls": server.tls, "ca_path": str(server.ca)}


def loki_config(sink: Loki) -> dict[str, Any]:
    return {"target": "loki", "about": ABOUT, "url": sink.url, "tenant": "comics", "user": "me", "password": "pw", "ca_path": ""}


@contextmanager
def at_work(engine: Engine, config: dict[str, Any], root: Path) -> Iterator[Shipper]:
    """One that runs until the end of the test, and then as if it were killed."""
    found = Shipper(engine, target.of(config), Positions(root / "positions.json"), Scrubber(root / "stacks"))
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            found.step()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        # One whose target is away never ends by itself.
        thread.join(0.5)


def test_a_line_is_in_rsyslogs_files_with_what_the_host_knows_of_it(
    engine: Engine, server: Rsyslog, tmp_path: Path, stacks: Path
) -> None:
    server.start()
    with at_work(engine, syslog_config(server), tmp_path):
        edge, api = engine.run("edge", "haproxy"), engine.run("shop", "api", 3)
        engine.say(edge, ASKED)
        engine.say(api, "plain \u2603 text", "")
        found = wait_for(lambda: len(server.lines()) == 3 and server.lines(), f"three lines; {server.lines()}")
    assert server.files() == {"staging/api", "staging/edge"}
    told = {one["line"]: one for one in found}
    assert json.loads(told[ASKED]["line"])["path"] == "/api/a"
    assert {name: told[ASKED].get(name) for name in ("service", "stack", "level", "request_id")} == {
        "service": "edge",
        "stack": "edge",
        "level": "err",
        "request_id": ID,
    }
    snow = told["plain \u2603 text"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|\+00:00)", snow.pop("time"))
    assert snow == {
        "environment": "staging",
        "host": "app-1",
        "stack": "shop",
        "service": "api",
        "replica": "shop-api-3",
        "release": "1.2.0",
        "request_id": "",
        "level": "info",
        "line": "plain \u2603 text",
    }


def test_a_line_is_in_loki_with_few_labels_and_the_rest_beside_it(
    engine: Engine, sink: Loki, tmp_path: Path, stacks: Path
) -> None:
    with at_work(engine, loki_config(sink), tmp_path):
        engine.say(engine.run("shop", "api", 3), ASKED, "plain")
        found = wait_for(lambda: len(sink.lines()) == 2 and sink.lines(), "two lines")
    assert found[0][0] == {**ABOUT, "stack": "shop", "service": "api"}
    assert [(text, beside) for _, _, text, beside in found] == [
        (ASKED, {"replica": "shop-api-3", "release": "1.2.0", "request_id": ID, "level": "error"}),
        ("plain", {"replica": "shop-api-3", "release": "1.2.0"}),
    ]
    assert sink.headers[0]["X-Scope-OrgID"] == "comics"
    assert sink.headers[0]["Authorization"] == "Basic bWU6cHc="


@pytest.mark.parametrize(
    "text", [SECRET, f"postgres://shop:{SECRET}@db/shop", json.dumps({"a": SECRET}), SECRET[:7] + "\x1b[1m" + SECRET[7:]]
)
def test_no_secret_and_no_escape_sequence_leaves_the_host(
    engine: Engine, sink: Loki, tmp_path: Path, stacks: Path, text: str
) -> None:
    with at_work(engine, loki_config(sink), tmp_path):
        engine.say(engine.run("shop", "api"), text, "the end \x1b]0;title\x07")
        found = wait_for(lambda: len(sink.lines()) == 2 and sink.lines(), "two lines")
    assert "***" in found[0][2]
    assert SECRET[7:] not in json.dumps(sink.pushed)
    assert found[1][2] == "the end \\x1b]0;title\\x07"


def test_a_rotated_secret_and_the_one_before_are_masked(engine: Engine, sink: Loki, tmp_path: Path, stacks: Path) -> None:
    with at_work(engine, loki_config(sink), tmp_path):
        api = engine.run("shop", "api")
        engine.say(api, SECRET)
        wait_for(lambda: len(sink.lines()) == 1, "a line")
        (stacks / "shop" / "secrets" / "api.env").write_text('DATABASE_PASSWORD="another-horse-battery"\n')
        engine.say(api, "another-horse-battery", SECRET)
        found = wait_for(lambda: len(sink.lines()) == 3 and sink.lines(), "three lines")
    assert [text for _, _, text, _ in found] == ["***"] * 3


def test_what_a_container_was_started_with_is_masked_when_it_is_called_like_a_secret(
    engine: Engine, sink: Loki, tmp_path: Path, stacks: Path
) -> None:
    with at_work(engine, loki_config(sink), tmp_path):
        engine.say(engine.run("shop", "api", 1, ("DATABASE_PASSWORD=yesterdays-own-value",)), "yesterdays-own-value")
        assert wait_for(sink.lines, "a line")[0][2] == "***"


def numbers(texts: list[str]) -> list[int]:
    return [int(text.removeprefix("line ")) for text in texts]


def shipped_through(
    engine: Engine,
    config: dict[str, Any],
    root: Path,
    away: Callable[[], None],
    back: Callable[[], None],
    texts: Callable[[], list[str]],
) -> None:
    """While the target is away a container logs far more than is read ahead; when it is back, all of it comes, in order."""
    with at_work(engine, config, root):
        api = engine.run("shop", "api")
        engine.say(api, "line 0")
        wait_for(lambda: "line 0" in texts(), "the first line")
        away()
        # As many as nobody could hold back: whoever logs is not kept.
        engine.say(api, *(f"line {number}" for number in range(1, 3001)))
        back()
        wait_for(lambda: "line 3000" in texts(), "the last line")
    found = numbers(texts())
    assert sorted(set(found)) == list(range(3001))
    # Once more than once is what a lost connection leaves open; out of order nothing is.
    first = list(dict.fromkeys(found))
    assert first == sorted(first)


def test_nothing_waits_for_an_rsyslog_that_is_away_and_nothing_is_lost(
    engine: Engine, server: Rsyslog, tmp_path: Path, stacks: Path
) -> None:
    server.start()

    def texts() -> list[str]:
        return [one["line"] for one in server.lines()]

    shipped_through(engine, syslog_config(server), tmp_path, server.kill, server.start, texts)


def test_nothing_waits_for_a_loki_that_is_away_and_nothing_is_lost(
    engine: Engine, sink: Loki, tmp_path: Path, stacks: Path
) -> None:
    def away() -> None:
        sink.answers += [503, 500, 429, 401, 502]

    shipped_through(engine, loki_config(sink), tmp_path, away, lambda: None, lambda: [text for _, _, text, _ in sink.lines()])


def refused(server: Rsyslog, how: str) -> tuple[dict[str, Any], str]:
    """A configuration that cannot be, and what is said of it."""
    config = syslog_config(server)
    place = config["address"]
    if how == "a stranger's certificate":
        return {
            **config,
            "ca_path": "",
        }, f"the certificate of {place} is not trusted: self-signed certificate; logs_ca_path names"
    if how == "another name":
        server.certify("logs.example.com")
        return config, f"the certificate of {place} is not trusted: IP address mismatch, certificate is not valid for '127.0.0.1'"
    if how == "no TLS":
        return {**config, "tls": False}, "perhaps it wants TLS, which is logs_tls"
    return config, "perhaps it wants a certificate of this host"


@pytest.mark.parametrize("server", ["tls"], indirect=True)
@pytest.mark.parametrize("how", ["a stranger's certificate", "another name", "no TLS", "a certificate of ours"])
def test_lines_wait_for_a_server_that_would_not_take_them_and_the_reason_is_said(
    engine: Engine, server: Rsyslog, tmp_path: Path, stacks: Path, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    wrong, reason = refused(server, how)
    server.start(asks_for_certificates=how == "a certificate of ours")
    said = ""

    def told() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return reason in said

    api = engine.run("shop", "api")
    with at_work(engine, wrong, tmp_path):
        engine.say(api, "line 1", "line 2")
        wait_for(told, reason)
    assert server.lines() == []
    server.kill()
    server.certify("127.0.0.1")
    server.start()
    # As after a run of the role: what was not taken is still the engine's.
    with at_work(engine, syslog_config(server), tmp_path):
        # What was sent before a connection was lost is sent again, so a line may come twice.
        wait_for(lambda: {one["line"] for one in server.lines()} == {"line 1", "line 2"}, "both lines")


def test_what_loki_refuses_for_ever_is_said_and_does_not_keep_the_rest_back(
    engine: Engine, sink: Loki, tmp_path: Path, stacks: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sink.answers.append(400)
    with at_work(engine, loki_config(sink), tmp_path):
        api = engine.run("shop", "api")
        engine.say(api, "too old")
        wait_for(lambda: sink.headers, "a refusal")
        engine.say(api, "new")
        assert [text for _, _, text, _ in wait_for(sink.lines, "the line behind it")] == ["new"]
    assert "the target of the logs: it refuses 1 lines with HTTP 400" in capfd.readouterr().err


def test_after_a_restart_it_goes_on_where_it_was(engine: Engine, sink: Loki, tmp_path: Path, stacks: Path) -> None:
    with at_work(engine, loki_config(sink), tmp_path):
        api = engine.run("shop", "api")
        engine.say(api, "one", "two")
        wait_for(lambda: len(sink.lines()) == 2, "two lines")
        wait_for(lambda: api in (tmp_path / "positions.json").read_text(), "positions")
    # What is said while it does not run, and what begins and ends meanwhile as far as the engine has it.
    engine.say(api, "three")
    engine.say(engine.run("shop", "api", 2), "four")
    with at_work(engine, loki_config(sink), tmp_path):
        wait_for(lambda: len(sink.lines()) == 4, f"four lines; {sink.lines()}")
    assert sorted(text for _, _, text, _ in sink.lines()) == ["four", "one", "three", "two"]


def test_where_positions_cannot_be_written_lines_are_sent_all_the_same(
    engine: Engine, sink: Loki, tmp_path: Path, stacks: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "positions.json"))

    monkeypatch.setattr(shipping, "write_atomically", full)
    with at_work(engine, loki_config(sink), tmp_path):
        api = engine.run("shop", "api")
        engine.say(api, "one")
        wait_for(lambda: len(sink.lines()) == 1, "a line")
        engine.say(api, "two")
        wait_for(lambda: len(sink.lines()) == 2, "two lines")
    assert "No space left on device" in capfd.readouterr().err


def test_a_container_that_is_gone_is_forgotten(engine: Engine, sink: Loki, tmp_path: Path, stacks: Path) -> None:
    with at_work(engine, loki_config(sink), tmp_path):
        one, other = engine.run("shop", "api", 1), engine.run("shop", "api", 2)
        engine.say(one, "one")
        wait_for(lambda: len(sink.lines()) == 1, "a line")
        engine.remove(one)

        def forgotten() -> bool:
            engine.say(other, "more")
            found = json.loads((tmp_path / "positions.json").read_text())["times"]
            return other in found and one not in found

        wait_for(forgotten, "only what is there")
