"""The application as those who write it have it: `make dev`, a change of source, a migration, and `make dev-down`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.world import ROOT, eventually
from tests.commands import environment
from tests.hangs import HANGS_AFTER_SECONDS

# It needs no environment; here it makes the lanes even.
pytestmark = pytest.mark.lane("production")

# What `make dev` reads; a fresh clone has no .venv and no .sandbox.
CHECKOUT = ("Makefile", "sandbox", "services", "stacks")


@dataclass(frozen=True)
class Developer:
    """``here``: a checkout; ``project``: not the one of a person who works on this machine meanwhile."""

    here: Path
    project: str
    port: int

    def types(self, *command: str) -> str:
        """What it prints; it must succeed."""
        own = {"COMPOSE_PROJECT_NAME": self.project, "DEV_PORT": str(self.port)}
        done = subprocess.run(
            command,
            cwd=self.here,
            env=environment() | own,
            capture_output=True,
            text=True,
            check=False,
            timeout=HANGS_AFTER_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def asks(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def gets(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an answer, which must be a good one."""
        status, text = self.asks(method, path, body)
        assert status in (200, 201), f"{method} {path}: {status} {text}"
        return json.loads(text)

    def sees(self, status: int, words: str, method: str, path: str, body: object = None) -> None:
        """Sooner or later: what restarts may answer nothing meanwhile."""

        def shown() -> bool:
            try:
                seen, text = self.asks(method, path, body)
            except (OSError, HTTPException):
                return False
            return seen == status and words in text

        eventually(shown, f"{method} {path}: {status} {words}")

    def changes(self, path: str, old: str, new: str) -> None:
        file = self.here / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path}: {old!r} is there {text.count(old)} times"
        file.write_text(text.replace(old, new))

    def left(self) -> list[str]:
        """Everything that the engine has of this project."""
        mine = ("--quiet", "--filter", f"label=com.docker.compose.project={self.project}")
        kinds = (("ps", "--all"), ("volume", "ls"), ("network", "ls"), ("images",))
        listed = [f"{kind[0]} {line}" for kind in kinds for line in self.types("docker", *kind, *mine).split()]
        named = self.types("docker", "images", "--quiet", f"{self.project}-*").split()
        return [*listed, *(f"image {line}" for line in named)]


@pytest.fixture
def developer(tmp_path: Path) -> Iterator[Developer]:
    for name in CHECKOUT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, tmp_path / name)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    person = Developer(tmp_path, f"morpheus-dev-{os.getpid()}", port)
    try:
        yield person
    finally:
        person.types("make", "dev-down")


@pytest.mark.deep
def test_the_example_is_developed_on_one_machine_with_docker_alone(developer: Developer) -> None:
    said = developer.types("make", "dev")
    assert f"http://127.0.0.1:{developer.port} serves services/ as it is" in said
    health = developer.gets("GET", "/health")
    assert (health["status"], health["version"], health["environment"]) == ("ok", "0.0.0-dev", "development")

    # Only this machine gets in.
    mine = ("--filter", f"label=com.docker.compose.project={developer.project}", "--format", "{{.Ports}}")
    published = [line for line in developer.types("docker", "ps", *mine).splitlines() if "->" in line]
    assert published == [f"127.0.0.1:{developer.port}->8000/tcp"]

    # A seeded story becomes a comic, and so does one's own.
    assert developer.gets("GET", "/api/stories/1")["title"] == "The lamp at the end of the pier"
    comic = developer.gets("POST", "/api/transform", {"story_id": 1})
    assert [panel["caption"][:11] for panel in comic["panels"]] == ["Every night", "One evening", "Under it sa", "“You left o"]
    assert all(panel["svg"].startswith("<svg") for panel in comic["panels"])
    mine_too = developer.gets("POST", "/api/stories", {"title": "Rain", "text": "It rained. It stopped."})["id"]
    assert len(developer.gets("POST", "/api/transform", {"story_id": mine_too})["panels"]) == 2

    # Each service serves its source as it is now, and so does the page.
    developer.changes("services/api/main.py", '{"panels": panels,', '{"drawn_by": "the new api", "panels": panels,')
    developer.changes("services/ml-mock/main.py", '"caption": scene', '"caption": scene.upper()')
    developer.changes("services/web/index.html", "Tell a story.", "Tell a long story.")
    developer.sees(200, "Tell a long story.", "GET", "/")
    drawn = '{"drawn_by":"the new api","panels":[{"caption":"IT RAINED."'
    developer.sees(200, drawn, "POST", "/api/transform", {"text": "It rained."})

    # A source that cannot be loaded says so in the log and to users, and is mended by the next change.
    developer.changes("services/api/main.py", "Door(api)", "Door(api")
    logs = ("docker", "compose", "--project-name", developer.project, "logs", "api")
    eventually(lambda: "SyntaxError: '(' was never closed" in developer.types(*logs), "the error in the log")
    developer.sees(503, "No server is available", "GET", "/health")
    developer.changes("services/api/main.py", "Door(api", "Door(api)")
    developer.sees(200, '"status":"ok"', "GET", "/health")

    # The same command again brings a new migration, keeps the data, and seeds nothing twice.
    new = developer.here / "stacks/morpheus/supabase/migrations/20990101000000_notes.sql"
    new.write_text("alter table stories add note text;\n")
    developer.types("make", "dev")
    assert developer.gets("GET", "/health")["schema"] == "20990101000000"
    assert developer.gets("GET", f"/api/stories/{mine_too}")["title"] == "Rain"
    assert developer.asks("GET", f"/api/stories/{mine_too + 1}")[0] == 404

    developer.types("make", "dev-down")
    assert developer.left() == []
