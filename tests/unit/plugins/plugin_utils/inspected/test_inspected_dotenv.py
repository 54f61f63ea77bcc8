"""A team's .env: read as Compose does, and judged so that no secret lands in the inventory or on the screen."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import dotenv, inspection, written
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.inspection import Inspection
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import next_steps
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.asked import Asked
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.project import NewEnvironment

from tests.unit import compose_program

TEXT = """\
# PASSWORD=of-a-comment
PLAIN=value # a comment
export EXPORTED = "with # inside"
SINGLE='$PLAIN stays'
DOUBLE="line\\none $PLAIN"
URL=http://${HOST:-localhost}/#top
AGAIN=${PLAIN}-2
ESCAPED="\\$PLAIN and \\"quotes\\""
EMPTY=
LONG="first
second"
NAME_ONLY
"""


def test_it_is_read_as_compose_reads_it() -> None:
    assert dotenv.read(TEXT) == {
        "PLAIN": "value",
        "EXPORTED": "with # inside",
        "SINGLE": "$PLAIN stays",
        "DOUBLE": "line\none value",
        "URL": "http://localhost/#top",
        "AGAIN": "value-2",
        "ESCAPED": '$PLAIN and "quotes"',
        "EMPTY": "",
        "LONG": "first\nsecond",
    }


@pytest.mark.skipif(shutil.which("docker") is None, reason="this machine has no docker compose to compare with")
def test_compose_says_the_same(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(TEXT)
    names = [name for name in dotenv.read(TEXT) if name != "URL"]
    service = {"image": "a", "environment": {name: f"${{{name}}}" for name in names}}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"a": service}}))
    found = compose_program.config(tmp_path)
    assert found.error == ""
    # Compose's model is one of its own files again, with dollars doubled.
    said = {name: value.replace("$$", "$") for name, value in found.model["services"]["a"]["environment"].items()}
    assert said == {name: dotenv.read(TEXT)[name] for name in names}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("DB_PASSWORD", "hunter2", "by its name"),
        ("SECRET_KEY_BASE", "x", "by its name"),
        ("DATABASE_URL", "postgres://app:pw@db/app", "a URL with a password in it"),
        ("REDIS", "redis://:pw@cache:6379/0", "a URL with a password in it"),
        ("STRIPE", "sk_live_51Habc", "begins as a provider's keys do"),
        ("CI", "ghp_16C7e42F292c69", "begins as a provider's keys do"),
        ("CERT", "-----BEGIN RSA PRIVATE KEY-----\nMII", "holds a private key"),
        ("SEED", "9f86d081884c7d659a2feaa0c55ad015", "looks random"),
        ("APP", "kJ8s/Qm2Vx+7ZpL0aTb4NwYc=", "looks random"),
        ("DATABASE_URL", "postgres://db/app", ""),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/pg", ""),
        ("TOKEN_TTL", "3600", ""),
        ("API_KEY", "", "by its name; empty now"),
        ("MYSQL_PASSWORD", "", "by its name; empty now"),
        ("SECRET_KEY_BASE", "", "by its name; empty now"),
        ("TOKEN_TTL", "", ""),
        ("POSTGRES_PASSWORD_FILE", "", ""),
        ("MYSQL_DATABASE", "", ""),
        ("USE_TOKEN", "true", ""),
        ("PASSWORD", "123456", "by its name"),
        ("DB_PASSWORD", "1234", "by its name"),
        ("MAX_TOKENS", "4096", ""),
        ("PASSWORD_ROUNDS", "12", ""),
        ("RESET_PASSWORD", "1", ""),
        ("HOST", "db.internal.shop.example", ""),
        ("IMAGE", "registry.shop.example/shop/web-frontend", ""),
        ("LOG_FORMAT", "json", ""),
        ("VERSION", "2024.11.26-build.1234567", ""),
        ("PATH_TO", "/var/lib/postgresql/16/data", ""),
        ("GREETING", "a long sentence of 7 words, for people", ""),
    ],
)
def test_a_secret_is_known_by_its_name_or_by_what_it_is(name: str, value: str, why: str) -> None:
    assert dotenv.why_secret(name, value) == why


COMPOSE = """\
services:
  web:
    image: shop/web:1.2
    restart: unless-stopped
    ports: ["${PORT:-8080}:8080"]
    healthcheck: {test: [CMD, curl, "http://localhost:8080/healthz"]}
    environment:
      DATABASE_URL: ${DATABASE_URL}
      LEVEL: ${LEVEL:-info}
      TITLE: ${TITLE:?}
      OTHER: ${OTHER:-fine}
      SEED: ${SEED}
  mailer: {image: "shop/mailer:1.2", restart: unless-stopped, profiles: [extra]}
"""
DOTENV = """\
COMPOSE_PROJECT_NAME=store
COMPOSE_PROFILES=extra
DATABASE_URL=postgres://app:canary-1@db/app
LEVEL=debug
TITLE="A shop"
SEED=canary9f86d081884c7d659a2feaa0c5
UNUSED=canary-2
"""


def looked(tmp_path: Path, text: str = DOTENV, name: str = ".env", **options: str) -> Inspection:
    (tmp_path / "compose.yml").write_text(COMPOSE)
    (tmp_path / name).write_text(text)
    return Inspection(tmp_path / "compose.yml", "staging", site="shop.example", **options)  # type: ignore[arg-type]


def test_plain_values_go_to_the_inventory_and_secrets_to_the_vault_by_name(tmp_path: Path) -> None:
    found = looked(tmp_path)
    lines = yaml.safe_load(found.inventory)
    assert lines["stack"]["variables"] == {"LEVEL": "debug", "TITLE": "A shop"}
    assert lines["stack_secret_variables"] == {"DATABASE_URL": "{{ vault_database_url }}", "SEED": "{{ vault_seed }}"}
    assert lines["stack"]["name"] == "store"
    assert "canary" not in "\n".join(inspection.said(found))
    rows = {row.place: row.said for row in found.needed.rows if row.place in ("stack_secret_variables", ".env", "stack.profiles")}
    assert rows == {
        "stack_secret_variables": "DATABASE_URL (a URL with a password in it), SEED (looks random), from the vault; the values "
        "stand in .env",
        ".env": "UNUSED: no line of the Compose file asks for it, so it was left out",
        "stack.profiles": "COMPOSE_PROFILES of .env says extra",
    }
    assert lines["stack"]["profiles"] == ["extra"]


def test_without_one_a_variable_is_left_to_a_person(tmp_path: Path) -> None:
    lines = yaml.safe_load(looked(tmp_path, "", "other.txt").inventory)
    assert lines["stack"]["variables"] == {"DATABASE_URL": "change-me", "TITLE": "change-me", "SEED": "change-me"}


def test_another_file_can_be_named(tmp_path: Path) -> None:
    found = looked(tmp_path, DOTENV.replace("debug", "warning"), "production.env", env=str(tmp_path / "production.env"))
    assert yaml.safe_load(found.inventory)["stack"]["variables"]["LEVEL"] == "warning"


def test_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"^env: .*/nowhere\.env does not exist; name the file that docker compose reads now"):
        looked(tmp_path, env=str(tmp_path / "nowhere.env"))


READS_A_FILE = """\
services:
  web:
    image: shop/web:1.2
    ports: ["8080:8080"]
    healthcheck: {test: [CMD, curl, "http://localhost:8080/healthz"]}
    env_file: web.env
    environment: {DATABASE_URL: "${DATABASE_URL}", PIN: "${PIN_SECRET}", LATER: "${LATER_PASSWORD}"}
"""
VAULT = "inventories/staging/group_vars/vault.yml"
NASTY = "canary: #1 '{{ nobody }}' \\"


def environment(root: Path, *, imports: bool, opened: Mapping[str, Any] | None = None) -> NewEnvironment:
    """What is encrypted stays readable here."""
    (root / "compose.yml").write_text(READS_A_FILE)
    lines = ("DATABASE_URL=postgres://app:canary-1@db/app", "PIN_SECRET=0123", "LATER_PASSWORD=", "UNUSED_PASSWORD=canary-2")
    (root / ".env").write_text("\n".join(lines))
    (root / "web.env").write_text(f'LEVEL=debug\nAPI_KEY="{NASTY.replace(chr(92), chr(92) * 2)}"\n')
    asked = Asked(name="staging", hosts=["10.0.0.1"], site="shop.example", compose=str(root / "compose.yml"))
    found = Inspection(root / "compose.yml", "staging", site="shop.example")
    assert "canary" not in "\n".join([*inspection.said(found), repr(found.needed)])
    made = written.environment(
        root, asked, found, lambda path: opened, lambda text, *unused: f"$ANSIBLE_VAULT\n{text}", {}, imports=imports
    )
    assert "canary" not in "\n".join(next_steps.said(made))
    return made


def vault(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / VAULT).read_text().partition("\n")[2])
    del found["vault_fingerprint_key"]
    return found


def test_secrets_of_a_teams_env_files_come_into_the_new_vault_and_nowhere_else(tmp_path: Path) -> None:
    made = environment(tmp_path, imports=True)
    made.write()
    # As text, whatever they look like. What is empty is filled in by a person, and what no service reads comes nowhere.
    assert vault(tmp_path) == {
        "vault_api_key": NASTY,
        "vault_database_url": "postgres://app:canary-1@db/app",
        "vault_pin_secret": "0123",
    }
    assert [file.path for file in made.files if "canary" in file.text] == [VAULT]
    said = "\n".join(next_steps.said(made))
    assert f"{VAULT} has the values of vault_api_key, vault_database_url, vault_pin_secret; see that they are" in said
    assert "# a line each: vault_later_password: <value>\n" in said


def test_without_being_asked_for_they_are_only_named(tmp_path: Path) -> None:
    made = environment(tmp_path, imports=False)
    made.write()
    assert vault(tmp_path) == {}
    names = ("vault_api_key", "vault_database_url", "vault_later_password", "vault_pin_secret")
    assert f"# a line each: {', '.join(f'{name}: <value>' for name in names)}\n" in "\n".join(next_steps.said(made))


def test_a_vault_that_is_there_is_not_written_over_and_what_it_lacks_is_named(tmp_path: Path) -> None:
    environment(tmp_path, imports=False).write()
    before = (tmp_path / VAULT).read_text()
    readable: tuple[Mapping[str, Any] | None, ...] = ({}, None)
    for opened in readable:
        with pytest.raises(DeployError) as caught:
            environment(tmp_path, imports=True, opened=opened)
        assert str(caught.value) == (
            f"{VAULT}: is there already and stays as it is, so nothing can be imported into it. Leave import_secrets out, and "
            f"write vault_api_key, vault_database_url, vault_pin_secret into it: ansible-vault edit {VAULT}"
        )
    # The same command typed again, whatever the values have become.
    again = environment(
        tmp_path, imports=True, opened=dict.fromkeys(("vault_api_key", "vault_database_url", "vault_pin_secret"), "x")
    )
    assert again.files == []
    assert (tmp_path / VAULT).read_text() == before


def test_a_mark_of_its_encoding_is_no_part_of_the_first_name() -> None:
    assert dotenv.read("\ufeffONE=1\r\nTWO=2\r\n") == {"ONE": "1", "TWO": "2"}
