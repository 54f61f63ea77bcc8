"""What a host shows before a deploy, from files and an engine that exist only here."""

from __future__ import annotations

import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import meminfo
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import SERVICE
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import readiness

from tests.unit import certificates


class Engine:
    """engine.Everything with these containers; ``broken``: it does not answer."""

    def __init__(self, *containers: dict[str, Any], broken: bool = False) -> None:
        self._containers = containers
        self._broken = broken

    def info(self) -> dict[str, Any]:
        if self._broken:
            raise EngineError("the engine did not answer")
        return {"ServerVersion": "26.1.5", "DockerRootDir": "/"}

    def containers(self) -> tuple[dict[str, Any], ...]:
        return self._containers


def look(engine: Any, root: Path) -> dict[str, Any]:
    return readiness.look(engine, root, root / "edge")


def test_a_host_says_what_it_has_and_what_cannot_be_looked_at(tmp_path: Path) -> None:
    pem, key = certificates.make(["www.example.com"], 20)
    conf = tmp_path / "edge" / "conf"
    (conf / "certs").mkdir(parents=True)
    (conf / "certificates.list").write_text("/usr/local/etc/haproxy/certs/www.example.com.pem\n")
    (conf / "certs" / "www.example.com.pem").write_text(pem + key)
    (tmp_path / "backup").mkdir()
    news = {"format": 1, "backup": {"at": "2026-11-27T02:00:03Z", "name": "b"}}
    (tmp_path / "backup" / "news.json").write_text(json.dumps(news))
    before = time.time()
    found = look(Engine(), tmp_path)
    assert found["certificates"] == {"www.example.com": pem}
    assert "PRIVATE KEY" not in json.dumps(found)
    assert found["backups"] == {"backup": news["backup"]}
    assert found["versions"]["engine"] == "26.1.5"
    assert before <= found["time"] <= time.time()
    assert {one["path"] for one in found["disks"]} == {"/", str(tmp_path)}
    # Nobody has an edge here.
    assert "edge" in found["trouble"]
    assert found["versions"]["edge"] == ""


def test_an_engine_that_does_not_answer_is_told_beside_all_else(tmp_path: Path) -> None:
    found = look(Engine(broken=True), tmp_path)
    assert (found["trouble"]["engine"], found["versions"]["engine"]) == ("the engine did not answer", "")
    assert [one["path"] for one in found["disks"]] == [str(tmp_path)]


def test_versions_are_those_that_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Named(Engine):
        def info(self) -> dict[str, Any]:
            return {**super().info(), "OperatingSystem": "Debian GNU/Linux 13 (trixie)"}

    engine: Any = Named()
    monkeypatch.setattr(readiness, "compose", lambda: "2.26.1")
    assert readiness.versions(engine, tmp_path) == {
        "os": "Debian GNU/Linux 13 (trixie)",
        "engine": "26.1.5",
        "compose": "2.26.1",
    }

    def nothing() -> str:
        raise FileNotFoundError("docker")

    monkeypatch.setattr(readiness, "compose", nothing)
    engine = Named(broken=True)
    assert readiness.versions(engine, tmp_path) == {}


def test_a_damaged_file_of_backups_is_told_and_none_is_none(tmp_path: Path) -> None:
    assert readiness.backups(tmp_path) == {}
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "news.json").write_text("{")
    with pytest.raises(DeployError, match=r"news\.json cannot be read"):
        readiness.backups(tmp_path)


def test_a_disk_is_that_of_the_nearest_directory_that_is_there(tmp_path: Path) -> None:
    found = readiness.disk(str(tmp_path / "not" / "yet"))
    assert found["total"] == (about := os.statvfs(tmp_path)).f_blocks * about.f_frsize
    assert 0 <= found["free"] <= found["total"]


def container(service: str, *, running: bool = True, address: str = "172.18.0.7") -> dict[str, Any]:
    networks = {"monitoring_default": {"IPAddress": address}}
    return {
        "Config": {"Labels": {SERVICE: service}},
        "State": {"Running": running},
        "NetworkSettings": {"Networks": networks},
    }


def test_alertmanager_is_the_running_service_of_that_name() -> None:
    engine: Any = Engine(container("prometheus"), container("alertmanager", running=False), container("alertmanager"))
    assert readiness.alertmanager(engine) == "http://172.18.0.7:9093"
    for others in ((), (container("prometheus"),), (container("alertmanager", address=""),)):
        nobody: Any = Engine(*others)
        with pytest.raises(DeployError, match="no container of a service alertmanager runs"):
            readiness.alertmanager(nobody)


def test_memory_is_read_in_bytes_and_unknown_where_the_kernel_does_not_say(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:        8000 kB\nMemFree:          100 kB\nMemAvailable:    2000 kB\n")
    assert meminfo.read(file) == meminfo.Memory(2000 * 1024, 8000 * 1024)
    file.write_text("MemTotal:        8000 kB\n")
    assert meminfo.read(file) is None
    assert meminfo.read(tmp_path / "nothing") is None


def alert(**more: Any) -> dict[str, Any]:
    return {"labels": {"alertname": "Slow"}, **more}


GARBAGE: dict[str, bytes] = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "another status": b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n[]",
    "an answer that is cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[]",
    "headers in a flood": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n[]",
    "compressed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"[]"),
    **{
        f"the document {document}": b"HTTP/1.1 200 OK\r\n\r\n" + document.encode()
        for document in (
            "{}",
            '""',
            "null",
            "7",
            '"words"',
            "[7]",
            "[null]",
            '["labels"]',
            '[["labels"]]',
            json.dumps([{"labels": "alertname"}]),
            json.dumps([{"labels": ["alertname"]}]),
            json.dumps([{"labels": {}}]),
            json.dumps([alert(annotations="summary")]),
            json.dumps([alert(annotations=["summary"])]),
            "[" * 100_000,
        )
    },
}


def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    asked: list[bytes] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection = listening.accept()[0]
                with connection, suppress(OSError):
                    asked.append(connection.recv(4096))
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_list_of_alerts_is_an_error_in_words(name: str) -> None:
    with contextmanager(answering)(GARBAGE[name]) as (url, _), pytest.raises(DeployError, match=f"^{url}/api/v2/alerts: "):
        readiness.firing(url)


def test_no_redirect_of_whoever_answers_for_alertmanager_is_followed() -> None:
    """A container of any stack may be called so, and root on this host reaches what no container does."""
    with contextmanager(answering)(b"HTTP/1.1 200 OK\r\n\r\n[]") as (elsewhere, asked):
        led = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}/latest/meta-data/\r\nContent-Length: 0\r\n\r\n".encode()
        with contextmanager(answering)(led) as (url, _), pytest.raises(DeployError, match="status 302"):
            readiness.firing(url)
    assert asked == []
