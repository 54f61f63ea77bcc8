"""The example with users: registration, sign-in and sessions, by the vendor's client too, and whose stories are whose."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped,unused-ignore] # the stubs are not needed here
import pytest

from tests import postgres
from tests.supabase.standin import NAMES, PRODUCTION, STAGING, STAGING_TOKEN, TOOLS, StandIn, keys, node, standin

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
MIGRATIONS = ROOT / "stacks/morpheus/supabase/migrations"
PASSWORD = "a-long-password"


@dataclass
class Browser:
    """Keeps cookies, and sends them back."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    raw: list[str] = field(default_factory=list)

    def asks(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Content-Type": "application/json", **({"Cookie": cookie} if cookie else {}), **headers}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie") or []:
            self.raw.append(line)
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return answer.status, json.loads(answer.read() or b"null")

    def registers(self, email: str) -> tuple[int, Any]:
        return self.asks("POST", "/api/users", {"email": email, "password": PASSWORD})

    def tells(self, title: str) -> int:
        status, story = self.asks("POST", "/api/stories", {"title": title, "text": "It rained."})
        assert status == 201, story
        return int(story["id"])


@dataclass(frozen=True)
class Application:
    port: int
    database: str

    def browser(self) -> Browser:
        return Browser(self.port)


@contextmanager
def application(directory: Path, database: str, **environment: str) -> Iterator[Application]:
    directory.mkdir()
    (directory / "app").symlink_to(ROOT / "services/api")
    (directory / "logs.py").symlink_to(ROOT / "services/logs.py")
    port = postgres.free_port()
    given = {"DATABASE_URL": database, "API_READY_SECONDS": "0", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command: list[Path | str] = [
        TOOLS / "venv/bin/python",
        "-m",
        "uvicorn",
        "app.main:app",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with (directory / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=directory, env={**os.environ, **given}, stdout=log, stderr=log)
        try:
            while f"127.0.0.1:{port} (Press" not in (directory / "log").read_text():
                assert process.poll() is None, (directory / "log").read_text()
                # Whoever looks all the time takes one of two processors from whom it waits for.
                time.sleep(0.05)
            yield Application(port, database)
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with postgres.server("postgres", "listen_addresses=127.0.0.1", "fsync=off") as port:
        yield port


@pytest.fixture(scope="module")
def supabase() -> Iterator[StandIn]:
    with standin() as found:
        for ref, name in NAMES.items():
            token = STAGING_TOKEN.replace("staging", name)
            found.ask("PATCH", f"/v1/projects/{ref}/config/auth", token, {"mailer_autoconfirm": True})
        yield found


def execute(url: str, *statements: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    for statement in statements:
        connection.cursor().execute(statement)
    connection.close()


def migrated(port: int, name: str) -> str:
    """The URL of a database with the example's schema."""
    server = f"postgresql://postgres@127.0.0.1:{port}"
    execute(f"{server}/postgres", f"create database {name}")
    files = sorted((MIGRATIONS).glob("*.sql"))
    execute(f"{server}/{name}", *(path.read_text() for path in files))
    return f"{server}/{name}"


def by_command(directory: Path, database: str) -> dict[str, Any]:
    """What the application's own migration prints, of which previews and `make dev` have their schema."""
    if not directory.exists():
        directory.mkdir()
        (directory / "app").symlink_to(ROOT / "services/api")
    program = f"import pathlib; from app import migrate; migrate.DIRECTORY = pathlib.Path({str(MIGRATIONS)!r}); migrate.main()"
    given = {**os.environ, "DATABASE_URL": database, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([TOOLS / "venv/bin/python", "-c", program], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.fixture(scope="module")
def applications(
    server: int, supabase: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Application, Application]]:
    def of(ref: str) -> Any:
        place = tmp_path_factory.mktemp(NAMES[ref]) / "api"
        users = {"AUTH_URL": supabase.project_url(ref), "AUTH_KEY": keys(ref)["anon"]}
        return application(place, migrated(server, NAMES[ref]), **users)

    with of(STAGING) as staging, of(PRODUCTION) as production:
        yield staging, production


def test_the_applications_own_command_applies_each_file_once_also_one_that_runs_in_no_transaction(
    server: int, tmp_path: Path
) -> None:
    url = f"postgresql://postgres@127.0.0.1:{server}"
    execute(f"{url}/postgres", "create database commanded")
    versions = [path.name.partition("_")[0] for path in sorted(MIGRATIONS.glob("*.sql"))]
    told = {"applied": versions, "head": versions[-1]}
    assert by_command(tmp_path / "api", f"{url}/commanded") == told
    assert by_command(tmp_path / "api", f"{url}/commanded") == {**told, "applied": []}
    with application(tmp_path / "served", f"{url}/commanded") as found:
        found.browser().tells("The lamp")
        assert found.browser().asks("GET", "/health")[1]["schema"] == versions[-1]


def test_the_vendors_client_registers_signs_in_and_out(supabase: StandIn, applications: tuple[Application, Application]) -> None:
    auth = f"{supabase.project_url(STAGING)}/auth/v1"
    found = node(HERE / "auth.mjs", auth, keys(STAGING)["anon"], "vendor@example.com", PASSWORD)
    token = found.pop("token")
    assert found == {
        "registered": "vendor@example.com",
        "again": "user_already_exists",
        "wrong": "invalid_credentials",
        "signedIn": "bearer",
        "user": "vendor@example.com",
        "refreshed": True,
        "signedOut": "",
        "left": "AuthSessionMissingError",
    }
    # The same session opens the application, and no other environment's.
    staging, production = applications
    assert staging.browser().asks("GET", "/api/stories", Authorization=f"Bearer {token}") == (200, [])
    assert production.browser().asks("GET", "/api/stories", Authorization=f"Bearer {token}")[0] == 401


def test_a_session_lasts_until_it_is_signed_out_of(applications: tuple[Application, Application]) -> None:
    browser = applications[0].browser()
    assert browser.asks("GET", "/api/session") == (200, {"users": True, "signed_in": False})
    assert browser.asks("GET", "/api/stories") == (401, {"detail": "Sign in first"})
    assert browser.registers("ida@example.com") == (201, {"email": "ida@example.com", "signed_in": True})
    assert all("HttpOnly" in line and "Secure" in line and "SameSite=strict" in line for line in browser.raw)
    assert browser.asks("GET", "/api/session")[1]["signed_in"] is True
    kept = dict(browser.cookies)
    assert browser.asks("DELETE", "/api/session")[0] == 200
    assert browser.asks("GET", "/api/stories")[0] == 401
    # Whoever has kept the cookies has nothing of them.
    assert Browser(browser.port, kept).asks("GET", "/api/stories")[0] == 401
    again = browser.asks("POST", "/api/session", {"email": "ida@example.com", "password": PASSWORD})
    assert again == (200, {"email": "ida@example.com", "signed_in": True})
    refused = applications[0].browser().asks("POST", "/api/session", {"email": "ida@example.com", "password": "wrong"})
    assert refused == (400, {"detail": "Invalid login credentials"})


def test_a_token_that_has_ended_is_renewed_by_the_session(applications: tuple[Application, Application]) -> None:
    browser = applications[0].browser()
    browser.registers("tomas@example.com")
    browser.cookies["session"] = "ended"
    assert browser.asks("GET", "/api/stories")[0] == 401
    assert browser.asks("GET", "/api/session")[1]["signed_in"] is True
    assert browser.asks("GET", "/api/stories")[0] == 200


def test_two_tenants_never_see_each_others_stories(applications: tuple[Application, Application]) -> None:
    first, second = applications[0].browser(), applications[0].browser()
    first.registers("first@example.com")
    second.registers("second@example.com")
    mine, theirs = first.tells("The lamp"), second.tells("The clock")
    assert [one["id"] for one in first.asks("GET", "/api/stories")[1]] == [mine]
    assert [one["id"] for one in second.asks("GET", "/api/stories")[1]] == [theirs]
    for browser, own, other in ((first, mine, theirs), (second, theirs, mine)):
        assert browser.asks("GET", f"/api/stories/{own}")[0] == 200
        refused = browser.asks("GET", f"/api/stories/{other}")
        # Word for word what is said of a story that nobody has told.
        assert refused == (404, {"detail": f"There is no story {other}"})
        assert browser.asks("POST", "/api/transform", {"story_id": other})[0] == 404
    anonymous = applications[0].browser()
    assert anonymous.asks("GET", f"/api/stories/{mine}")[0] == 401
    assert anonymous.asks("POST", "/api/transform", {"text": "It rained."})[0] == 401


def test_a_session_of_one_environment_is_worthless_in_the_other(applications: tuple[Application, Application]) -> None:
    staging, production = applications
    for here, there in ((staging, production), (production, staging)):
        browser = here.browser()
        browser.registers("both@example.com")
        there.browser().registers("both@example.com")
        abroad = Browser(there.port, dict(browser.cookies))
        assert abroad.asks("GET", "/api/stories")[0] == 401
        assert abroad.asks("GET", "/api/session")[1]["signed_in"] is False


@pytest.mark.deep
def test_an_auth_service_that_is_away_lets_nobody_in(server: int, tmp_path: Path) -> None:
    away = {"AUTH_URL": f"http://127.0.0.1:{postgres.free_port()}", "AUTH_KEY": "canary-key"}
    with application(tmp_path / "api", migrated(server, "away"), **away) as found:
        status, said = found.browser().asks("GET", "/api/stories", Authorization="Bearer canary-token")
        assert (status, said) == (503, {"detail": "The auth service is away: ConnectError"})
    assert "canary" not in (tmp_path / "api/log").read_text()


@pytest.mark.deep
def test_without_an_auth_service_stories_are_everybodys_as_before(server: int, tmp_path: Path) -> None:
    with application(tmp_path / "api", migrated(server, "nobody")) as found:
        browser = found.browser()
        assert browser.asks("GET", "/api/session") == (200, {"users": False, "signed_in": False})
        story = browser.tells("The lamp")
        assert found.browser().asks("GET", f"/api/stories/{story}")[1]["title"] == "The lamp"
        assert browser.registers("a@example.com") == (404, {"detail": "There are no users here"})
