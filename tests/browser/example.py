"""The example with users, in two places: a site of this machine, from its sources (API and page at one origin, a mock that draws,
and stand-ins), and staging of the sandbox, behind its edge.

Users and buckets are those of Supabase's stand-in, which has a project of staging and one of production.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from sandbox.world import SUBNETS, SUPABASE_TOKENS, supabase_world
from tests import postgres
from tests.acceptance import world
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
    """``keys``: the secret key of each project, by its reference."""

    site: Site
    supabase: StandIn
    keys: Mapping[str, str]

    def objects(self, ref: str, prefix: str = "") -> list[str]:
        """What the bucket of a project holds, as its storage API tells it."""
        found = self.asked(ref, "POST", "/storage/v1/object/list/pictures", {"prefix": prefix})
        return [str(one["name"]) for one in found]

    def asked(self, ref: str, method: str, path: str, body: Any = None) -> Any:
        """By who holds the secret key of a project."""
        headers = {"apikey": self.keys[ref], "Authorization": f"Bearer {self.keys[ref]}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.supabase.project_url(ref)}{path}", content, headers, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)


@contextmanager
def example(directory: Path) -> Iterator[Example]:
    """From its sources, as staging."""
    for name, source in (("app", "api"), ("page", "web"), ("logs.py", "logs.py")):
        (directory / name).symlink_to(ROOT / "services" / source)
    (directory / "origin.py").write_text(ONE_ORIGIN)
    with standin() as supabase, postgres.server("postgres", "listen_addresses=127.0.0.1", "fsync=off") as server:
        projects = Example(Site("", ""), supabase, {ref: keys(ref)["service_role"] for ref in NAMES})
        for ref, name in NAMES.items():
            token = STAGING_TOKEN.replace("staging", name)
            supabase.ask("PATCH", f"/v1/projects/{ref}/config/auth", token, {"mailer_autoconfirm": True})
            projects.asked(ref, "POST", "/storage/v1/bucket", BUCKET)
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
                yield replace(projects, site=Site("127.0.0.1", "staging", port=port))


# Staging's project in the sandbox: as an inventory declares one whose users need no mail, and as the controller reaches it.
_APIS = f"http://{SUBNETS['staging']}.6"
[_TOKEN] = [token for token, environment in SUPABASE_TOKENS.items() if environment == "staging"]
_DECLARED: dict[str, Any] = {
    "supabase_project": {
        "project_ref": STAGING,
        "token": "{{ vault_supabase_token }}",
        "secret_key": "{{ vault_supabase_secret_key }}",
        "api_url": _APIS,
        "url": f"{_APIS}/{STAGING}",
        "auth": {"site_url": f"https://{world.STAGING.site}", "allow_signup": True, "confirm_email": False},
    },
    "supabase_buckets": [{"name": "pictures", "public": False, "max_file_bytes": 100_000, "mime_types": ["image/png"]}],
}


@contextmanager
def staging_with_users(directory: Path) -> Iterator[Example]:
    """By what its inventory says: the project is declared, and a deploy told where its auth service is. Afterwards the project,
    the stories and the example are as they were.
    """
    environment, supabase = world.STAGING.copied(directory), StandIn(_APIS)
    secret_keys = {ref: one["keys"]["service_role"] for ref, one in supabase_world()["projects"].items()}
    here = Example(Site(environment.site, "staging", f"127.0.0.1:{environment.port}", world.CA), supabase, secret_keys)
    inventory = directory / "inventories" / "staging"
    (inventory / "group_vars" / "all" / "supabase.yml").write_text(yaml.safe_dump(_DECLARED))
    world.edit_vault(inventory, vault_supabase_token=_TOKEN)
    settings = f"/v1/projects/{STAGING}/config/auth"
    before, newest = supabase.ask("GET", settings, _TOKEN), _told("select coalesce(max(id), 0) from public.stories")
    with ExitStack() as stack:
        stack.callback(_without_pictures, here)
        stack.callback(supabase.ask, "PATCH", settings, _TOKEN, before)
        stack.callback(_told, f"delete from public.stories where id > {newest}")
        stack.callback(world.STAGING.deployed, "1.0.0")
        for playbook in ("playbooks/fingerprint.yml", "playbooks/supabase.yml"):
            run = environment.play(playbook)
            assert run.code == 0, run.output
        environment.deployed("1.0.0", "-e", f"api_auth_url=http://{STAGING}.supabase.co")
        yield here


def _without_pictures(here: Example) -> None:
    """Nor a bucket for them, as before."""
    if "pictures" in [one["name"] for one in here.asked(STAGING, "GET", "/storage/v1/bucket")]:
        here.asked(STAGING, "POST", "/storage/v1/bucket/pictures/empty")
        here.asked(STAGING, "DELETE", "/storage/v1/bucket/pictures")


def _told(statement: str) -> str:
    """By staging's database."""
    psql = ("psql", "-XAtq", "--username=postgres", "--set=ON_ERROR_STOP=1", f"--command={statement}")
    return world.on("supabase-staging", *psql).strip()


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
