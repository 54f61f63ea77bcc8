"""All hosts of production are lost, its database and its buckets with them: what docs/deployment.md says is typed, by the clock.

What is left is what no host holds: the repository with its inventory and vault, the registry, and the store of the backups.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-not-found,import-untyped,unused-ignore]
import pytest
import yaml
from moto.server import ThreadedMotoServer  # type: ignore[import-not-found,import-untyped,unused-ignore]

from sandbox.volumes import volume_name
from sandbox.world import STANDARD_HOSTS, SUBNETS, SUPABASE_PROJECTS, SUPABASE_TOKENS
from tests.acceptance.world import ROOT, Environment, Run, edit_vault, on, sandbox, says
from tests.backup import age
from tests.documented import Command, commands
from tests.hangs import HANGS_AFTER_SECONDS

# Staging's projects lie in the same stand-in, which is started again.
pytestmark = [pytest.mark.deep, pytest.mark.lane("rest")]

HEADING = "### All hosts are lost"
RELEASE = "1.1.0"
ROWS = 20_000
HOSTS = ",".join(host.name for host in STANDARD_HOSTS if host.place.environment == "production")
DATABASE, APIS = "supabase-production", "apis-supabase"
REF = SUPABASE_PROJECTS["production"]
# As the controller, which asks no name server of the sandbox, and the hosts reach it.
API = f"http://{SUBNETS['production']}.6"
STORAGE = f"{API}/{REF}/storage/v1"
PICTURE = "5eed/first.png"
CONTENT = b"\x89PNG of the first story" * 1000
STORE_KEYS = {"vault_backup_s3_access_key": "rebuild-access", "vault_backup_s3_secret_key": "rebuild-secret-canary"}
[TOKEN] = [token for token, environment in SUPABASE_TOKENS.items() if environment == "production"]

BACKUP = {"image": "postgres:17", "project_ref": REF, "buckets": ["pictures"], "storage_url": f"{API}/{REF}"}
DECLARED: dict[str, Any] = {
    "backup_database_url": "{{ vault_database_url }}",
    "backup_identity": "{{ vault_backup_identity }}",
    "backup_storage_key": "{{ vault_supabase_secret_key }}",
    "backup_s3_access_key": "{{ vault_backup_s3_access_key }}",
    "backup_s3_secret_key": "{{ vault_backup_s3_secret_key }}",
    "supabase_project": {
        "project_ref": REF,
        "token": "{{ vault_supabase_token }}",
        "secret_key": "{{ vault_supabase_secret_key }}",
        "api_url": API,
        "url": f"{API}/{REF}",
        "auth": {"site_url": "https://morpheus.app"},
        "network": {"allowed_addresses": [f"{SUBNETS['production']}.0/24"]},
    },
    "supabase_buckets": [{"name": "pictures", "public": False, "mime_types": ["image/png"]}],
}


def sql(statement: str) -> None:
    on(DATABASE, "psql", "--quiet", "--username=postgres", "--set=ON_ERROR_STOP=1", f"--command={statement}")


def data() -> str:
    """A digest of every row that the application and its migrations have written."""
    dumped = on(DATABASE, "pg_dump", "--username=postgres", "--data-only", "--exclude-schema=morpheus_deploy")
    # The keys of \restrict are other ones each time, and rows have no order.
    rows = sorted(line for line in dumped.splitlines() if not line.startswith(("\\", "--")))
    assert len(rows) > ROWS
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def docker(*command: str, given: str = "") -> None:
    done = subprocess.run(
        ["docker", *command], input=given, capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Project:
    """Production by an inventory of its own, with backups in a store that is no host's and a Supabase project that it keeps."""

    environment: Environment
    inventory: Path
    key: age.Key

    def write(self, store: Mapping[str, Any]) -> None:
        backup = {**BACKUP, "recipients": [self.key.recipient], "s3": dict(store)}
        directory = self.inventory / "group_vars" / "all"
        # All comments.
        (directory / "supabase.yml").unlink()
        (directory / "backup.yml").write_text(yaml.safe_dump({"backup": backup, **DECLARED}))
        edit_vault(self.inventory, vault_backup_identity=self.key.identity, vault_supabase_token=TOKEN, **STORE_KEYS)

    def done(self, playbook: str, *options: str) -> Run:
        run = self.environment.play(playbook, *options)
        assert run.code == 0, f"{playbook} {' '.join(options)}\n{run.output}"
        for secret in (self.key.identity, STORE_KEYS["vault_backup_s3_secret_key"], TOKEN):
            assert secret not in run.output, playbook
        return run

    def typed(self, command: Command, values: Mapping[str, str]) -> Run:
        assert command.environment == self.environment.name
        return self.done(command.playbook, *command.filled(values))

    def storage(self, method: str, path: str, content: bytes = b"", kind: str = "image/png") -> bytes:
        headers = {"Authorization": f"Bearer {self.environment.name}-service_role-demo-key", "Content-Type": kind}
        request = urllib.request.Request(f"{STORAGE}{path}", content or None, headers, method=method)
        with urllib.request.urlopen(request, timeout=HANGS_AFTER_SECONDS) as answer:
            return bytes(answer.read())


@pytest.fixture
def store() -> Iterator[dict[str, Any]]:
    """A bucket on the controller's side of the network."""
    server = ThreadedMotoServer(f"{SUBNETS['production']}.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        # All stores of a process share what they hold.
        with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST"), timeout=60):
            pass
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket="backups")
        yield {"bucket": "backups", "prefix": "production", "endpoint": endpoint}
    finally:
        server.stop()


@pytest.fixture
def project(production: Environment, store: dict[str, Any], tmp_path: Path) -> Iterator[Project]:
    with age.on_the_path():
        found = Project(production.copied(tmp_path), tmp_path / "inventories" / "production", age.key())
        found.write(store)
        try:
            yield found
        finally:
            # Whatever is left: the sandbox as `make provisioned` brings it up.
            docker("restart", APIS)
            sandbox("up", HOSTS)
            for playbook, *options in (("provision",), ("claim", "-e", "audit_renew_baseline=true")):
                run = production.play(f"playbooks/{playbook}.yml", *options)
                assert run.code == 0, run.output
            production.deployed("1.0.0")
            sql("truncate public.stories restart identity cascade")


def lose_everything() -> str:
    """All hosts with their volumes, the database with its own, and what the storage API held; the statements that make the
    roles of the database, which whoever runs the server has.
    """
    roles = on(DATABASE, "pg_dumpall", "--username=postgres", "--roles-only")
    sandbox("down", HOSTS)
    docker("rm", "--force", "--volumes", DATABASE)
    docker("volume", "rm", volume_name(DATABASE))
    docker("restart", APIS)
    return roles


def bring_machines(roles: str) -> None:
    """Empty ones, and an empty database, as a provider hands them over."""
    sandbox("up", HOSTS)
    # The one that is there already is told, and does not end it.
    docker("exec", "--interactive", DATABASE, "psql", "--quiet", "--username=postgres", given=roles)


def test_from_repository_registry_and_backup_to_served(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    environment = project.environment
    for playbook, *options in (
        ("playbooks/fingerprint.yml",),
        ("playbooks/provision.yml", "--tags", "backup"),
        ("playbooks/supabase.yml",),
        ("deploy.yml", "-e", f"stack_release={RELEASE}"),
    ):
        project.done(playbook, *options)
    # Recorded of the machines that will be lost, as in a repository where somebody has committed it.
    project.done("playbooks/claim.yml", "-e", "audit_renew_baseline=true")
    sql("truncate public.stories restart identity cascade")
    sql(f"insert into public.stories (title, text) select 't' || n, 'text ' || n from generate_series(1, {ROWS}) n")
    project.storage("POST", f"/object/pictures/{PICTURE}", CONTENT)
    before = data()
    says(project.done("playbooks/backup.yml"), ["verified by a restore at", "1 objects of pictures"])

    roles = lose_everything()
    began = time.monotonic()
    bring_machines(roles)
    took = [("new machines, and an empty database", time.monotonic() - began)]
    values = {"release": RELEASE}
    for command in commands("deployment.md", HEADING):
        run = project.typed(command, values)
        took.append((command.line, run.seconds))
        # The youngest one is shown first.
        if names := re.findall(r"\b(\d{8}t\d{6}z)\s+\S+\s+verified\s", run.output):
            values["name"] = names[0]
    minutes = (time.monotonic() - began) / 60

    assert data() == before
    assert project.storage("GET", f"/object/pictures/{PICTURE}") == CONTENT
    status, body = environment.health()
    assert (status, body["version"]) == (200, RELEASE)
    assert environment.ask("/")[0] == 200
    report = json.loads((ROOT / ".deploy" / "production" / "status.json").read_text())
    assert {name: host["drift"] for name, host in report["hosts"].items()} == {host: [] for host in environment.hosts}
    audit = json.loads((ROOT / ".deploy" / "production" / "audit.json").read_text())
    assert [one for one in audit["findings"] if one["level"] == "high"] == []
    with capsys.disabled():
        told = "\n".join(f"  {seconds:6.1f} s  {what}" for what, seconds in took)
        print(f"\nproduction was lost and is served again after {minutes:.1f} minutes, {ROWS} rows:\n{told}")
