"""The stand-in of Supabase on a free port, with a project of staging and one of production."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.postgres import free_port

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "sandbox/images/supabase/server.py"
TOOLS = ROOT / ".cache/supabase"
STAGING, PRODUCTION = "stagingmorpheusproja", "productionmorpheuspr"
TOKENS = {"staging-token-canary": [STAGING], "production-token-canary": [PRODUCTION], "wide-token-canary": None}
STAGING_TOKEN, PRODUCTION_TOKEN, WIDE_TOKEN = TOKENS
# What no answer of a read holds in the clear and no message may say.
NAMES = {STAGING: "staging", PRODUCTION: "production"}


def keys(ref: str) -> dict[str, str]:
    return {role: f"{NAMES[ref]}-{role}-canary" for role in ("anon", "service_role")}


def publishable(ref: str) -> str:
    return f"{NAMES[ref]}-publishable-canary"


def jwt_secret(ref: str) -> str:
    """The legacy one."""
    return f"{NAMES[ref]}-jwt-canary"


@dataclass(frozen=True)
class StandIn:
    url: str

    def project_url(self, ref: str) -> str:
        return f"{self.url}/{ref}"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}") as response:
            return json.load(response)

    def ask(self, method: str, path: str, token: str, body: Any = None) -> Any:
        """As the Management API is asked by whoever holds the token."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def drift(self, section: str, **values: Any) -> None:
        """Staging's settings are changed by hand."""
        self.ask("POST", "/drift", "", {"ref": STAGING, "section": section, "values": values})

    def is_at(self, seconds: float) -> None:
        """Its clock stands there until somebody says something else."""
        self.ask("POST", "/clock", "", {"at": seconds})

    def writes(self) -> list[str]:
        return [f"{one['method']} {one['path']}" for one in self.get("/log") if one["method"] != "GET"]

    def options(self, **more: Any) -> dict[str, Any]:
        """Of a module that asks the Management API for staging."""
        return {"project_ref": STAGING, "token": STAGING_TOKEN, "api_url": self.url, **more}


def node(script: Path, *arguments: str) -> Any:
    """What a script for node prints as JSON. It finds the clients where make has put them."""
    # Node looks for packages beside the script's real place, so the script goes beside them.
    place = TOOLS / script.name
    place.write_text(script.read_text())
    done = subprocess.run(["node", place, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def standin(**more: Any) -> Iterator[StandIn]:
    """``more``: of SUPABASE_WORLD, beside projects and tokens."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    database = {"host": "db.example", "port": 5432, "user": "postgres", "password": "branch-canary"}
    projects = {
        ref: {
            "name": name,
            "url": f"{url}/{ref}",
            "database": database,
            "keys": {**keys(ref), "publishable": publishable(ref)},
            "jwt_secret": jwt_secret(ref),
        }
        for ref, name in NAMES.items()
    }
    world = {"organization": "morpheus", "projects": projects, "tokens": TOKENS, "base_url": url, **more}
    with _served({"SUPABASE_WORLD": json.dumps(world), "SUPABASE_PORT": str(port), "SUPABASE_ADDRESS": "127.0.0.1"}):
        yield StandIn(url)


@contextmanager
def _served(environment: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, SERVER], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        # It says its port when it listens.
        assert process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait()
