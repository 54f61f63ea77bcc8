"""The example as a site of this machine, from its sources: API and page at one origin, a mock that draws, and stand-ins.

Users and buckets are those of Supabase's stand-in, which has a project of staging and one of production.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import postgres
from tests.browser.sites import Site
from tests.supabase.standin import NAMES, STAGING, STAGING_TOKEN, TOOLS, StandIn, keys, standin
from tests.supabase.test_application import migrated

ROOT = Path(__file__).parents[2]
BUCKET = {"name": "pictures", "file_size_limit": 100_000, "allowed_mime_types": ["image/png"]}
# What the edge does on hosts: which path is whose.
ONE_ORIGIN = """
from app.main import app as api
from page.main import app as page

async def app(scope, receive, send):
    is_api = scope["type"] != "http" or scope["path"].startswith("/api/") or scope["path"] == "/health"
    await (api if is_api else page)(scope, receive, send)
"""


@dataclass(frozen=True)
class Example:
    site: Site
    supabase: StandIn

    def objects(self, ref: str, prefix: str = "") -> list[str]:
        """What the bucket of a project holds, as its storage API tells it."""
        found = _asked(self.supabase, ref, "/storage/v1/object/list/pictures", {"prefix": prefix})
        return [str(one["name"]) for one in found]


def _asked(supabase: StandIn, ref: str, path: str, body: Any = None) -> Any:
    key = keys(ref)["service_role"]
    headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{supabase.project_url(ref)}{path}", content, headers)) as response:
        return json.load(response)


@contextmanager
def example(directory: Path) -> Iterator[Example]:
    """As staging."""
    for name, source in (("app", "api"), ("page", "web"), ("logs.py", "logs.py")):
        (directory / name).symlink_to(ROOT / "services" / source)
    (directory / "origin.py").write_text(ONE_ORIGIN)
    with standin() as supabase, postgres.server("postgres", "listen_addresses=127.0.0.1", "fsync=off") as server:
        for ref, name in NAMES.items():
            token = STAGING_TOKEN.replace("staging", name)
            supabase.ask("PATCH", f"/v1/projects/{ref}/config/auth", token, {"mailer_autoconfirm": True})
            _asked(supabase, ref, "/storage/v1/bucket", BUCKET)
        contracts = str(ROOT / "stacks/morpheus/ml-contract")
        mock = ROOT / "services/ml-mock"
        with _served("main:app", mock, directory / "mock.log", ML_CONTRACTS=contracts, ML_API_KEY="canary-ml") as ml:
            given = {
                "APP_ENVIRONMENT": "staging",
                "API_READY_SECONDS": "0",
                "DATABASE_URL": migrated(server, "browsed"),
                "ML_BASE_URL": f"http://127.0.0.1:{ml}",
                "ML_API_KEY": "canary-ml",
                "AUTH_URL": supabase.project_url(STAGING),
                "AUTH_KEY": keys(STAGING)["anon"],
                "STORAGE_BUCKET": "pictures",
                "STORAGE_KEY": keys(STAGING)["service_role"],
            }
            with _served("origin:app", directory, directory / "log", **given) as port:
                yield Example(Site("127.0.0.1", "staging", port=port), supabase)


@contextmanager
def _served(app: str, directory: Path, log: Path, **environment: str) -> Iterator[int]:
    port = postgres.free_port()
    command = [str(TOOLS / "venv/bin/python"), "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port)]
    given = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=directory, env=given, stdout=stream, stderr=stream)
        try:
            while f"127.0.0.1:{port} (Press" not in log.read_text():
                assert process.poll() is None, log.read_text()
            yield port
        finally:
            process.terminate()
            process.wait()
