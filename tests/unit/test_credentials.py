"""No credential and no outside address is forgotten: each that a role, a module or an inventory has stands in one table."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.morpheus.deploy.plugins.filter.fingerprints import fingerprints
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

from tests.unit.credentials import ADDRESSES, CREDENTIALS, NEITHER, lines

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ("staging", "production")
SOUNDS_SECRET = re.compile(r"secret|passw|token|key|credential|cert|private|vault", re.IGNORECASE)
SOUNDS_OUTSIDE = re.compile(r"url|address|host|mirror|registr|upstream|prox|dns|source|repositor", re.IGNORECASE)
# What an item of a list of mappings is called where users give names.
NAMED = {"stack_secrets", "stack_secret_variables", "stack_secret_files", "edge_certificate_paths"}


def options(specification: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path of each option and of what is in it, as the table writes it."""
    for name, option in specification.items():
        path = f"{above}.{name}" if above else name
        yield path, option
        inner = f"{path}[]" if option.get("type") == "list" else path
        yield from options(option.get("options") or {}, inner)


def of_roles() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            yield from options(entry.get("options") or {})


class _StopError(BaseException):
    """Raised in the place of AnsibleModule."""


def of_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in sorted(ROOT.glob("plugins/modules/*.py")):
        module = importlib.import_module(f"ansible_collections.morpheus.deploy.plugins.modules.{path.stem}")
        seen: list[Mapping[str, Any]] = []

        def stop(argument_spec: Mapping[str, Any], seen: list[Mapping[str, Any]] = seen, **unused: Any) -> None:
            seen.append(argument_spec)
            raise _StopError

        monkeypatch.setattr(module, "AnsibleModule", stop)
        with pytest.raises(_StopError):
            module.main()
        yield from options(seen[0], path.stem)


def is_in(path: str, places: list[str]) -> bool:
    return any(place == path or place.startswith((f"{path}.", f"{path}[")) for place in places)


def missing_of_roles(found: Iterator[tuple[str, Mapping[str, Any]]]) -> list[str]:
    credentials = [one.place for one in CREDENTIALS]
    addresses = [one.place for one in ADDRESSES]
    forgotten = []
    for path, option in found:
        name = path.rpartition(".")[2]
        known = path in NEITHER
        if option.get("no_log") and not is_in(path, credentials):
            forgotten.append(f"{path}: has no_log and is no credential of the table")
        elif SOUNDS_SECRET.search(name) and not known and not is_in(path, credentials) and path != "stack_vault":
            forgotten.append(f"{path}: sounds like a secret")
        if SOUNDS_OUTSIDE.search(name) and not known and not is_in(path, addresses) and not is_in(path, credentials):
            forgotten.append(f"{path}: sounds like an outside address")
    return sorted(set(forgotten))


def test_every_option_of_a_role_that_is_secret_or_leads_outside_is_in_the_table() -> None:
    assert missing_of_roles(of_roles()) == []


@pytest.mark.parametrize(
    ("specification", "forgotten"),
    [
        ({"x_webhook": {"type": "str", "no_log": True}}, "x_webhook: has no_log and is no credential of the table"),
        ({"x_api_key": {"type": "str"}}, "x_api_key: sounds like a secret"),
        ({"x": {"type": "list", "options": {"url": {"type": "str"}}}}, "x[].url: sounds like an outside address"),
    ],
)
def test_a_new_one_is_noticed(specification: Mapping[str, Any], forgotten: str) -> None:
    assert missing_of_roles(options(specification)) == [forgotten]


def test_every_option_of_a_module_that_is_not_logged_carries_a_credential_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    carried = {option for one in CREDENTIALS for option in one.options}
    hidden = {path for path, option in of_modules(monkeypatch) if option.get("no_log")}
    assert hidden - carried - set(NEITHER) == set()
    assert carried - hidden == set()


def test_nothing_in_the_table_is_gone() -> None:
    paths = {path for path, _ in of_roles()}
    assert sorted(one for one in NEITHER if one not in paths and not one.startswith("rotation.")) == []
    for one in CREDENTIALS:
        root = re.split(r"[.\[,]", one.place)[0]
        assert root in paths or not root.startswith(("stack_", "edge_")) or root == "stack_vault", one.place


def references(found: Any, path: str) -> Iterator[tuple[str, str]]:
    """(Place in the table's words, variable) for each variable of the vault that an inventory refers to."""
    if isinstance(found, Mapping):
        for key, one in found.items():
            star = path.split(".")[0] in NAMED and not (path.startswith("stack_secret_files.") and key in ("content", "owner"))
            yield from references(one, f"{path}.{'*' if star else key}" if path else str(key))
    elif isinstance(found, list):
        for one in found:
            yield from references(one, f"{path}[]")
    elif isinstance(found, str):
        templates = " ".join(re.findall(r"\{\{.*?\}\}", found))
        yield from ((path, name) for name in re.findall(r"\bvault_\w+", templates))


def of_inventory(environment: str) -> list[tuple[str, str]]:
    files = sorted((ROOT / "inventories" / environment / "group_vars" / "all").glob("*.yml"))
    return [one for path in files for one in references(yaml.safe_load(path.read_text()), "")]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_whatever_an_inventory_takes_from_its_vault_is_in_the_table(environment: str) -> None:
    places = {one.place for one in CREDENTIALS}
    found = of_inventory(environment)
    assert len(found) >= 5
    # Whether the secrets are the demo's is no secret.
    assert {place for place, _ in found} - places == {"stack_demo_secrets"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_whatever_a_vault_holds_is_taken_by_its_inventory(environment: str) -> None:
    # The passwords of the demo's vaults are public.
    vault = VaultLib([(environment, VaultSecret(f"{environment}-demo-vault".encode()))])
    text = vault.decrypt((ROOT / "inventories" / environment / "group_vars" / "vault.yml").read_bytes())
    assert set(yaml.safe_load(text)) == {name for _, name in of_inventory(environment)}


def test_what_the_table_says_has_a_fingerprint_gets_one(tmp_path: Path) -> None:
    variables = {
        "preflight_environments": ["staging"],
        "stack_environment": "staging",
        "stack_fingerprints": str(tmp_path / "fingerprints.json"),
        "stack_fingerprint_key": "one key for all environments",
        "stack_secrets": {"api": {"KEY": "first-canary"}},
        "stack_secret_variables": {"KEY": "fifth-canary"},
        "stack_secret_files": {"token": {"content": "second-canary"}},
        "stack_registries": [
            {"server": "GHCR.io", "username": "deploy", "password": "fifth-canary"},
            {"server": "r.example:5000", "token": "sixth-canary"},
        ],
        "stack_rotation": [
            {"name": "database", "postgres": {"admin_url": "postgresql://a:third-canary@db/x"}},
            {"name": "ml", "command": {"admin_key": "fourth-canary"}},
        ],
        "supabase_project": {"token": "canary of the project's token", "secret_key": "canary of the project's secret key"},
        "notifications": {
            "channels": [
                {"name": "ops", "url": "https://seventh-canary", "token": "eighth-canary"},
                {"name": "team", "password": "ninth-canary"},
            ]
        },
    }
    made = fingerprints(variables)
    assert made["problems"] == []
    names = {
        "<env file>.<VARIABLE>": "api.KEY",
        "variables.<VARIABLE>": "variables.KEY",
        "files.<name>": "files.token",
        "registries.<server>.password": "registries.ghcr.io.password",
        "registries.<server>.token": "registries.r.example:5000.token",
        "rotation.<name>.admin_url": "rotation.database.admin_url",
        "rotation.<name>.admin_key": "rotation.ml.admin_key",
        "supabase_project.token": "supabase_project.token",
        "supabase_project.secret_key": "supabase_project.secret_key",
        "notifications.<channel>.url": "notifications.ops.url",
        "notifications.<channel>.token": "notifications.ops.token",
        "notifications.<channel>.password": "notifications.team.password",
    }
    kinds = {one.fingerprint for one in CREDENTIALS if not one.fingerprint.startswith(("no: ", "that of "))}
    assert kinds == set(names)
    assert made["changes"] == [f"{name} is new" for name in sorted(names.values())]
    assert "canary" not in made["text"]


def test_what_the_table_says_is_masked_on_hosts_is_what_hosts_have(tmp_path: Path) -> None:
    secrets = tmp_path / "shop" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "api.env").write_text('KEY="first-canary"\n')
    (secrets / "token").write_text("second-canary")
    (secrets / "variables.env").write_text('KEY="third-canary"\n')
    # Of a variable that is gone since, or that somebody wrote there.
    (secrets / "values").mkdir()
    (secrets / "values" / "key").write_text("fourth-canary")
    with said.knowing() as knowledge:
        knowledge.know_directory(secrets)
        assert said.masked("first-canary second-canary third-canary fourth-canary") == "*** *** *** ***"


def test_each_column_says_what_covers_it_or_why_nothing_does() -> None:
    for one in CREDENTIALS:
        for text in (one.fingerprint, one.audit, one.rotation, one.sentinel):
            assert text, one.place
            assert not re.match(r"no\b", text) or re.match(r"no: \w", text), one.place


def test_the_documentation_has_the_table() -> None:
    assert "\n".join(lines()) in (ROOT / "docs" / "security.md").read_text()
