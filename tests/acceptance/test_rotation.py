"""Secrets that get new values while users come and go: nobody notices, and the old value is worth nothing afterwards.

The rotations write into a copy of the inventories, so what is checked in stays as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from sandbox.world import RUNPOD_ADMIN_KEYS
from tests.acceptance.world import BASE, BIN, PRODUCTION, ROOT, STACK, STAGING, Environment, Run, activated, on, says
from tests.hangs import HANGS_AFTER_SECONDS

PLAYBOOK = "playbooks/rotate_secrets.yml"
RUNPOD = "http://10.77.2.3"
_TRY = """
import psycopg2, sys, time
cursor = psycopg2.connect(sys.stdin.read()).cursor()
cursor.execute("select current_user")
print(cursor.fetchone()[0])
time.sleep(float(sys.argv[1]))
"""


class Inventory:
    """An environment whose inventory is a copy; its vault is read as a person would."""

    def __init__(self, environment: Environment, directory: Path) -> None:
        self.environment = replace(environment, inventories=str(directory / "inventories"))
        self.path = directory / "inventories" / environment.name
        self.vault_path = self.path / "group_vars" / "vault.yml"

    @property
    def text(self) -> str:
        name = self.environment.name
        client = f"{name}@{ROOT}/inventories/vault-client.py"
        command = [str(BIN / "ansible-vault"), "view", "--vault-id", client, str(self.vault_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=HANGS_AFTER_SECONDS).stdout

    @property
    def vault(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = yaml.safe_load(self.text)
        return found

    def rotate(self, secret: str, *options: str) -> Run:
        return self.environment.play(PLAYBOOK, "-e", f"secret={secret}", *options)

    def rotated(self, secret: str) -> Run:
        run = self.rotate(secret)
        assert run.code == 0, run.output
        assert self.environment.verdict()["verdict"] == "deployed"
        assert "vault_rotation" not in self.vault
        return run

    def killed(self, secret: str, at: str) -> None:
        """Start a rotation and kill the controller as soon as it begins a task."""
        command = self.environment.command(PLAYBOOK, "-e", f"secret={secret}")
        with subprocess.Popen(
            command, cwd=ROOT, env=activated(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as run:
            assert run.stdout is not None
            for line in run.stdout:
                if line.startswith(f"TASK [{at}]"):
                    os.kill(run.pid, signal.SIGKILL)
                    return
        pytest.fail(f"there was no task {at}")


def copied(environment: Environment, directory: Path) -> Inventory:
    for name in ("stacks", "sandbox", ".sandbox"):
        (directory / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "inventories", directory / "inventories")
    return Inventory(environment, directory)


def logs_in_as(environment: Environment, url: str) -> str:
    """The role that a login acts as; empty when it is refused."""
    command = ["docker", "exec", "-i", environment.hosts[0], "python3", "-c", _TRY, "0"]
    done = subprocess.run(command, input=url, capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=False)
    assert done.returncode == 0 or "password authentication failed" in done.stderr, done.stderr
    return done.stdout.strip()


def role(url: str) -> str:
    return url.partition("://")[2].partition(":")[0]


def sql(environment: str, *statements: str) -> str:
    words = [word for statement in statements for word in ("-c", statement)]
    return on(f"supabase-{environment}", "psql", "-qAtU", "postgres", *words)


def untouched(environment: Environment) -> dict[str, Any]:
    """What a rotation of another environment must leave: the vault, the logins, the containers."""
    vault = ROOT / "inventories" / environment.name / "group_vars" / "vault.yml"
    return {
        "vault": hashlib.sha256(vault.read_bytes()).hexdigest(),
        "logins": sql(environment.name, "select rolname, rolpassword, rolcanlogin from pg_authid order by 1"),
        "containers": {host: environment.containers(host) for host in environment.hosts},
        "secrets": [
            on(host, "sh", "-c", f"find {BASE} -path '*/secrets/*' -type f -exec sha256sum {{}} +") for host in environment.hosts
        ],
    }


def key_works(key: str) -> bool:
    request = Request(f"{RUNPOD}/v2/comic-panels/health", headers={"Authorization": f"Bearer {key}"})
    try:
        with urlopen(request, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def administer(method: str, body: Mapping[str, str]) -> dict[str, str]:
    admin = next(key for key, environment in RUNPOD_ADMIN_KEYS.items() if environment == "production")
    request = Request(f"{RUNPOD}/keys", json.dumps(body).encode(), {"Authorization": f"Bearer {admin}"}, method=method)
    with urlopen(request, timeout=10) as answer:
        found: dict[str, str] = json.load(answer)
    return found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    """Staging with its database's logins made a pair, by a first rotation away from the administrator's login."""
    STAGING.deployed("1.0.0")
    inventory = copied(STAGING, tmp_path_factory.mktemp("staging"))
    try:
        says(inventory.rotated("database"), ["postgres is a login that is not of the pair and was left as it is"])
        yield inventory
    finally:
        STAGING.deployed("1.0.0")
        sql("staging", "drop role if exists morpheus_a", "drop role if exists morpheus_b")


@pytest.fixture
def production_keys(tmp_path: Path) -> Iterator[Inventory]:
    PRODUCTION.deployed("1.0.0")
    try:
        yield copied(PRODUCTION, tmp_path)
    finally:
        # The stub has forgotten nothing that it was started with.
        subprocess.run(
            ["docker", "restart", "--timeout", "1", "runpod"], check=True, capture_output=True, timeout=HANGS_AFTER_SECONDS
        )
        PRODUCTION.deployed("1.0.0")


@contextmanager
def started_by_hand(host: str, name: str, *options: str) -> Iterator[None]:
    """A container with a secret in it, as somebody leaves it behind after looking around."""
    image = on(host, "docker", "ps", "--filter", "name=morpheus-web", "--format", "{{.Image}}").split()[0]
    on(host, "docker", "run", "--detach", "--name", name, *options, "--entrypoint", "sleep", image, "600")
    try:
        yield
    finally:
        on(host, "docker", "rm", "--force", name)


@pytest.mark.lane("staging")
@pytest.mark.deep
def test_a_database_password_is_rotated_under_load_and_the_old_one_is_refused(database: Inventory) -> None:
    staging = database.environment
    text, old = database.text, database.vault["vault_database_url"]
    before = {service: staging.containers("staging-app-1", service) for service in ("api", "web", "ml")}
    with staging.load() as load:
        run = database.rotate("database", "-vvvv", "--diff")
    new = database.vault["vault_database_url"]
    assert run.code == 0, run.output
    says(run, ["VERDICT deployed: staging 1.0.0", f"every replica uses the new value, and {role(old)} is refused"])
    print(f"\nrotation of the database: {load.report.failed} failed of {load.report.sent}, {run.seconds:.1f} s")
    assert load.report.is_clean, load.report.failures
    assert (logs_in_as(staging, old), logs_in_as(staging, new)) == ("", "postgres")
    for url in (old, new):
        assert url.partition("@")[0].rpartition(":")[2] not in run.output
    after = {service: staging.containers("staging-app-1", service) for service in ("api", "web", "ml")}
    assert (after["web"], after["ml"]) == (before["web"], before["ml"])
    assert not set(after["api"].values()) & set(before["api"].values())
    assert staging.health()[1]["dependencies"]["database"] == "ok"
    assert database.text.replace(new, old) == text.replace(f"vault_database_url: {old}", f'vault_database_url: "{old}"')
    # A deploy from here finds its fingerprints and changes nothing.
    says(staging.deployed("1.0.0"), ["VERDICT unchanged: staging 1.0.0"])


@pytest.mark.lane("staging")
@pytest.mark.deep
@pytest.mark.parametrize("at", ["Open the new login", "Make sure that nobody uses the old value"])
def test_a_rotation_killed_after_the_vault_was_written_or_after_the_roll_is_finished_by_the_same_command(
    database: Inventory, at: str
) -> None:
    staging = database.environment
    old = database.vault["vault_database_url"]
    with staging.load() as load:
        database.killed("database", at)
        state = database.vault["vault_rotation"]
        assert state["old"] == old
        assert logs_in_as(staging, old) == "postgres"
        run = database.rotated("database")
    says(run, ["What is left to do:", "every replica uses the new value"])
    new = database.vault["vault_database_url"]
    assert new == state["new"]
    assert (logs_in_as(staging, old), logs_in_as(staging, new)) == ("", "postgres")
    print(f"\nkilled at {at!r} and run again: {load.report.failed} failed of {load.report.sent}")
    assert load.report.is_clean, load.report.failures


@pytest.mark.lane("staging")
@pytest.mark.deep
def test_a_container_with_the_old_login_blocks_the_revocation_and_a_cancelled_rotation_leads_back(database: Inventory) -> None:
    staging = database.environment
    before, old = database.text, database.vault["vault_database_url"]
    with started_by_hand("staging-app-1", "left-behind", "--env", f"DATABASE_URL={old}"):
        run = database.rotate("database")
        new = database.vault["vault_database_url"]
    assert run.code == 2
    says(run, ["nothing was revoked: left-behind (which is not a replica of the stack) still has the old value in its variable"])
    assert staging.verdict()["verdict"] == "failed"
    assert (logs_in_as(staging, old), logs_in_as(staging, new)) == ("postgres", "postgres")
    says(database.rotate("ml"), ['"ml" is not in stack_rotation'])
    back = database.rotate("database", "-e", "rotation_cancel=true")
    assert back.code == 0, back.output
    assert (logs_in_as(staging, old), logs_in_as(staging, new)) == ("postgres", "")
    assert yaml.safe_load(database.text) == yaml.safe_load(before)
    assert staging.health()[1]["dependencies"]["database"] == "ok"


@pytest.mark.lane("staging")
@pytest.mark.deep
def test_a_session_of_the_old_login_blocks_the_revocation(database: Inventory) -> None:
    staging = database.environment
    old = database.vault["vault_database_url"]
    limit = json.dumps({"stack_rotation": _with(database, "database", postgres={"wait_seconds": 2})})
    command = ["docker", "exec", "-i", "staging-app-1", "python3", "-c", _TRY, "301.5"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as session:
        assert session.stdin is not None
        session.stdin.write(old)
        session.stdin.close()
        try:
            run = database.rotate("database", "-e", limit)
        finally:
            on("staging-app-1", "pkill", "-f", "301.5$")
            session.wait(timeout=HANGS_AFTER_SECONDS)
    assert run.code == 2
    says(run, ["1 sessions are logged in as", "from 10.77.1.11", "nothing was revoked"])
    database.rotated("database")
    assert logs_in_as(staging, old) == ""


@pytest.mark.deep
def test_a_secret_in_a_file_is_rotated_under_load_and_a_container_with_the_old_one_is_named(database: Inventory) -> None:
    staging, others = database.environment, untouched(PRODUCTION)
    old = database.vault["vault_session_secret"]
    # What is mounted stays the old one in there when the file is replaced.
    left_behind = ("--volume", f"{STACK}/secrets/session_secret:/kept:ro")
    with staging.load() as load:
        with started_by_hand("staging-app-1", "left-behind", *left_behind):
            blocked = database.rotate("session", "-vvvv", "--diff")
        run = database.rotated("session")
    new = database.vault["vault_session_secret"]
    assert blocked.code == 2
    says(blocked, ["left-behind (which is not a replica of the stack) still has the old value in its file session_secret"])
    says(run, ["session: every replica uses the new value, and no container has the old one"])
    assert new != old
    for name in staging.containers("staging-app-1", "api"):
        assert on("staging-app-1", "docker", "exec", name, "cat", "/run/secrets/session_secret") == new
        assert new not in on("staging-app-1", "docker", "inspect", name)
    assert not [value for value in (old, new) if value in blocked.output + run.output]
    assert untouched(PRODUCTION) == others
    print(f"\nrotation of a secret in a file: {load.report.failed} failed of {load.report.sent}, {run.seconds:.1f} s")
    assert load.report.is_clean, load.report.failures
    says(staging.deployed("1.0.0"), ["VERDICT unchanged: staging 1.0.0"])


def rotated_under_load(keys: Inventory, *kills: str) -> None:
    """Rotate the ML key over both hosts, by a run that is killed at each of these tasks first."""
    production, old = keys.environment, keys.vault["vault_ml_api_key"]
    with production.load() as load:
        made = set()
        for at in kills:
            keys.killed("ml", at)
            made.add(keys.vault["vault_rotation"]["new"])
            assert key_works(old)
        run = keys.rotated("ml")
    new = keys.vault["vault_ml_api_key"]
    assert {*made, new} == {new}
    says(run, ["ml: every replica uses the new value, and the old value is refused"])
    assert (key_works(old), key_works(new)) == (False, True)
    assert old not in run.output
    assert new not in run.output
    counts = f"{load.report.failed} failed of {load.report.sent}, {run.seconds:.1f} s"
    print(f"\nrotation of the ML key over two hosts, killed {len(kills)} times: {counts}")
    assert load.report.is_clean, load.report.failures


@pytest.mark.lane("production")
@pytest.mark.deep
def test_an_ml_key_is_rotated_under_load_by_a_run_that_was_killed(production_keys: Inventory) -> None:
    rotated_under_load(production_keys, "Make sure that nobody uses the old value")


@pytest.mark.deep
def test_a_rotation_of_an_ml_key_that_was_killed_twice_is_finished_and_touches_nothing_of_staging(
    production_keys: Inventory,
) -> None:
    before = untouched(STAGING)
    rotated_under_load(production_keys, "See that the new value is accepted", "Make sure that nobody uses the old value")
    assert untouched(STAGING) == before


@pytest.mark.deep
@pytest.mark.lane("production")
def test_a_key_that_a_person_makes_and_revokes_is_rotated_in_two_runs(
    production_keys: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = production_keys.vault["vault_ml_api_key"]
    by_hand = ("-e", json.dumps({"stack_rotation": _with(production_keys, "ml", provider="manual", probe={"wait_seconds": 1})}))
    monkeypatch.setenv("MORPHEUS_NEW_SECRET", administer("POST", {"id": "by hand"})["key"])
    first = production_keys.rotate("ml", *by_hand)
    assert first.code == 0, first.output
    says(first, ["now revoke the old value at the provider, then run the same command again"])
    monkeypatch.delenv("MORPHEUS_NEW_SECRET")
    too_early = production_keys.rotate("ml", *by_hand)
    assert too_early.code == 2
    says(too_early, ["should refuse the old value, and answered with status 200"])
    administer("DELETE", {"key": old})
    last = production_keys.rotate("ml", *by_hand)
    assert last.code == 0, last.output
    assert "vault_rotation" not in production_keys.vault
    assert key_works(production_keys.vault["vault_ml_api_key"])


def _with(inventory: Inventory, name: str, **changes: Any) -> list[Any]:
    """``stack_rotation`` of the inventory with one entry changed; mappings are merged."""
    found = yaml.safe_load((inventory.path / "group_vars" / "all" / "rotation.yml").read_text())["stack_rotation"]
    for entry in found:
        if entry["name"] == name:
            for key, value in changes.items():
                entry[key] = {**entry[key], **value} if isinstance(value, dict) else value
    return list(found)
