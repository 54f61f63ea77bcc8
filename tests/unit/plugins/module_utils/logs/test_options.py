"""Where logs are sent: what an inventory may say of it, and the files that a host gets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.logs import program
from ansible_collections.morpheus.deploy.plugins.modules import log_shipping

from tests.unit import certificates
from tests.unit.endings.ran import run
from tests.unit.endings.worlds import World

SYSLOG = {"target": "syslog", "address": "logs.example.com:6514"}
LOKI = {"target": "loki", "url": "https://loki.example.com", "user": "me", "password": "hunter2-hunter2"}
Asked = Callable[..., dict[str, Any]]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asked:
    World(tmp_path, monkeypatch)
    monkeypatch.setattr(log_shipping, "LOGS_ROOT", tmp_path / "logs")

    def ask(check_mode: bool = False, **options: Any) -> dict[str, Any]:
        given = {"environment": "staging", "host": "app-1", **options}
        result: dict[str, Any] = run("log_shipping", capsys, given, check_mode=check_mode)
        return result

    return ask


def files(tmp_path: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "logs").glob("*")}


@pytest.mark.parametrize("options", [SYSLOG, LOKI, {**SYSLOG, "retention_days": 14, "ca": certificates.make(["ca"])[0]}])
def test_a_target_is_brought_once_and_taken_away_again(asked: Asked, tmp_path: Path, options: dict[str, Any]) -> None:
    wanted = {"shipper.pyz": 0o644, "config.json": 0o600, **({"ca.pem": 0o644} if "ca" in options else {})}
    assert (asked(check_mode=True, **options)["changed"], files(tmp_path)) == (True, {})
    first = asked(**options)
    assert (first["changed"], sorted(first["changes"]), files(tmp_path)) == (True, sorted(wanted), wanted)
    assert first["program"] == str(tmp_path / "logs" / "shipper.pyz")
    assert asked(**options)["changed"] is False
    (tmp_path / "logs" / "config.json").chmod(0o644)
    assert asked(**options)["changes"] == ["config.json"]
    gone = asked()
    assert (gone["changed"], gone["program"], files(tmp_path)) == (True, "", {})
    assert asked()["changed"] is False


def test_the_configuration_says_environment_host_and_retention(asked: Asked, tmp_path: Path) -> None:
    asked(**SYSLOG, retention_days=14)
    found = json.loads((tmp_path / "logs" / "config.json").read_text())
    assert found["about"] == {"environment": "staging", "host": "app-1", "retention": "14d"}
    assert (found["host"], found["port"], found["tls"]) == ("logs.example.com", 6514, True)


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({"target": "syslog"}, ['logs_address: "" is no <host>:<port>, such as logs.example.com:6514']),
        ({**SYSLOG, "address": "logs"}, ['logs_address: "logs" is no <host>:<port>, such as logs.example.com:6514']),
        ({**SYSLOG, "address": "a:70000"}, ['logs_address: "a:70000" is no <host>:<port>, such as logs.example.com:6514']),
        ({**SYSLOG, "url": "https://x"}, ["logs_url: means nothing with logs_target: syslog, which takes logs_address"]),
        ({**SYSLOG, "retention_days": -1}, ["logs_retention_days: -1 must be 0 (not said) or more"]),
        ({**SYSLOG, "ca": "no PEM"}, ["logs_ca_path: the file holds no certificate in PEM"]),
        (
            {**LOKI, "url": "loki.example.com"},
            ["logs_url: must be the URL of a Loki, such as https://loki.example.com, to which /loki/api/v1/push is added"],
        ),
        ({**LOKI, "url": "https://me:pw@loki"}, ["logs_url: holds a login; write it as logs_user and logs_password"]),
        ({**LOKI, "url": "http://loki"}, ["logs_url: would send logs_password in the clear; write https"]),
        ({**LOKI, "user": ""}, ["logs_password: means nothing without logs_user"]),
        (
            {"address": "a:1", "url": "https://x"},
            [
                "logs_address: means nothing without logs_target; write syslog or loki there",
                "logs_url: means nothing without logs_target; write syslog or loki there",
            ],
        ),
    ],
)
def test_what_cannot_be_is_refused_with_all_of_it_before_anything_changes(
    asked: Asked, tmp_path: Path, options: dict[str, Any], problems: list[str]
) -> None:
    message = asked(**options)["msg"]
    assert [line.removeprefix("  - ") for line in message.splitlines()[1:]] == problems
    assert files(tmp_path) == {}
    assert "hunter2" not in message


def test_the_program_runs_without_ansible_and_is_made_the_same_each_time(tmp_path: Path) -> None:
    assert program.archive() == program.archive()
    (tmp_path / "shipper.pyz").write_bytes(program.archive())
    (tmp_path / "config.json").write_text('{"target": "nowhere"}')
    # It comes as far as the engine, which answers nobody there.
    command = [sys.executable, "-I", str(tmp_path / "shipper.pyz"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={"DOCKER_HOST": "tcp://127.0.0.1:9"}, check=False)
    assert "the Docker engine of this host does not answer" in done.stderr, done.stderr
