# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data for staging in playbooks: production's run exports, staging's imports, and neither opens the other's vault.

The vault client is the project's own. Which files a run opens is noted by a hook of Python in every process of the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.plays.staged import BACKUP, EXPORTS, HOSTS, IMPORTS, ROOT, VARIABLES, VAULT, Case, Done, Stage, encrypt, rule

ENVIRONMENTS = ("staging", "production")
PASSWORDS = {name: f"password-canary-of-{name}" for name in ENVIRONMENTS}
# What only the environment's own vault has.
IDENTITIES = {"production": f"AGE-SECRET-KEY-1{'Q' * 58}", "staging": f"AGE-SECRET-KEY-1{'P' * 58}"}
URLS = {name: f"postgresql://app:canary-{name}@db.{name}.example/app" for name in ENVIRONMENTS}
FROM_VAULT = {
    "backup_database_url": "{{ vault_url }}",
    "backup_identity": "{{ vault_identity }}",
    "staging_data_database_url": "{{ vault_url }}",
    "staging_data_identity": "{{ vault_identity }}",
}
NOTES_WHAT_IS_OPENED = """
import os, sys

def note(event, arguments):
    if event == "open" and str(arguments[0]).endswith("vault.yml"):
        os.write(stream, (os.path.realpath(str(arguments[0])) + "\\n").encode())

stream = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
sys.addaudithook(note)
"""
ANOTHERS = {"failed": True, "msg": "was given a secret of another environment"}
# Only who has the environment's own secrets is answered.
RULES = [
    rule("staging_data_export", {"changed": True, "export": BACKUP, "rows": 3}, identity=IDENTITIES["production"]),
    rule("staging_data_export", ANOTHERS),
    rule(
        "staging_data_import",
        {"changed": True, "name": BACKUP["name"], "at": BACKUP["at"], "rows": 3},
        identity=IDENTITIES["staging"],
        url=URLS["staging"],
    ),
    rule("staging_data_import", ANOTHERS),
]
NOTHING = rule("backup_store", {"changed": False, "records": [], "removed": [], "urls": {}})


def password_of(*names: str) -> dict[str, str]:
    """Nothing else is found where the client looks."""
    return {
        "MORPHEUS_VAULT_PASSWORD_DIR": "/nonexistent",
        **{f"MORPHEUS_VAULT_PASSWORD_{name.upper()}": PASSWORDS[name] for name in names},
    }


def case(environment: str, passwords: Mapping[str, str], *options: str, **more: object) -> Case:
    own = {**FROM_VAULT, "staging_data": EXPORTS if environment == "production" else IMPORTS}
    rules = more.get("rules", RULES)
    assert isinstance(rules, list)
    return Case(
        options=("-e", json.dumps(own), *options),
        inventory=f"{environment}/hosts.yml",
        environment=passwords,
        rules=rules,
    )


OTHER_VAULT = "stack_vault={{ inventory_dir }}/../%s/vault.yml"
CASES: dict[str, tuple[str, Case]] = {
    "exports": ("export_data", case("production", password_of("production"))),
    "exports with both": ("export_data", case("production", password_of(*ENVIRONMENTS))),
    "exports with the other": ("export_data", case("production", password_of("staging"))),
    "exports by the other's vault": (
        "export_data",
        case("production", password_of(*ENVIRONMENTS), "-e", OTHER_VAULT % "staging"),
    ),
    "exports in staging": ("export_data", case("staging", password_of("staging"))),
    "exports without a backup": ("export_data", case("production", password_of("production"), rules=[NOTHING])),
    "imports": ("import_data", case("staging", password_of("staging"))),
    "imports with both": ("import_data", case("staging", password_of(*ENVIRONMENTS))),
    "imports with the other": ("import_data", case("staging", password_of("production"))),
    "imports by the other's vault": (
        "import_data",
        case("staging", password_of(*ENVIRONMENTS), "-e", OTHER_VAULT % "production"),
    ),
    "imports in production": ("import_data", case("production", password_of("production"))),
    "imports without an export": ("import_data", case("staging", password_of("staging"), rules=[NOTHING])),
}


class TwoEnvironments(Stage):
    """Beside one another, as in a project: ``<environment>/hosts.yml`` and ``<environment>/vault.yml``."""

    def _set(self, name: str, playbook: str, case: Case) -> Path:
        own = super()._set(name, playbook, case)
        (own / "hook").mkdir()
        (own / "hook" / "sitecustomize.py").write_text(NOTES_WHAT_IS_OPENED)
        client = own / "vault-client.py"
        client.write_text((ROOT / "inventories" / "vault-client.py").read_text())
        client.chmod(0o755)
        variables = json.loads(json.dumps(VARIABLES).replace("inventory_dir }}/s", "inventory_dir }}/../s"))
        for environment in ENVIRONMENTS:
            (own / environment).mkdir()
            groups = {
                "all": {"vars": {**variables, "stack_environment": environment}},
                "app": {"hosts": {host: {} for host in HOSTS}},
            }
            (own / environment / "hosts.yml").write_text(yaml.safe_dump(groups))
            secrets = {**VAULT, "vault_identity": IDENTITIES[environment], "vault_url": URLS[environment]}
            encrypt(own / environment / "vault.yml", secrets, environment, PASSWORDS[environment])
        identities = ", ".join(f"{environment}@{client}" for environment in ENVIRONMENTS)
        config = (own / "ansible.cfg").read_text().replace(f"staging@{self.password}", identities)
        (own / "ansible.cfg").write_text(f"{config}vault_id_match = true\n")
        return own

    def opened(self, name: str) -> set[str]:
        """Which environments' vaults."""
        found = (self.directory / name.replace(" ", "-").replace("'", "") / "opened").read_text().splitlines()
        return {Path(path).parent.name for path in found}


@dataclass
class Runs:
    """Each is played when somebody looks at it, and once."""

    stage: TwoEnvironments
    played: dict[str, Done] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Done:
        if name not in self.played:
            playbook, played = CASES[name]
            place = self.stage.directory / name.replace(" ", "-").replace("'", "")
            more = {**played.environment, "PYTHONPATH": str(place / "hook"), "OPENED": str(place / "opened")}
            played = Case(played.options, played.rules, inventory=played.inventory, environment=more)
            self.played[name] = self.stage.play(name.replace("'", ""), playbook, played)
        return self.played[name]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(TwoEnvironments(tmp_path_factory.mktemp("stage")))


def asked(done: Done) -> list[tuple[str, str]]:
    """Which modules of data were asked what, in order."""
    modules = ("backup_store", "staging_data_export", "staging_data_import", "lease")
    return [(str(one["module"]), str(one.get("state") or "")) for one in done.asked if one["module"] in modules]


def changes(done: Done) -> list[str]:
    return [str(one["module"]) for one in done.asked if one["module"] in ("staging_data_export", "staging_data_import")]


@pytest.mark.parametrize(
    ("name", "own", "module"),
    [
        ("exports", "production", "staging_data_export"),
        pytest.param("exports with both", "production", "staging_data_export", marks=pytest.mark.deep),
        pytest.param("imports", "staging", "staging_data_import", marks=pytest.mark.deep),
        ("imports with both", "staging", "staging_data_import"),
    ],
)
def test_a_run_goes_through_by_its_own_vault_and_never_opens_the_others(runs: Runs, name: str, own: str, module: str) -> None:
    done = runs[name]
    assert done.code == 0, done.output
    assert changes(done) == [module]
    assert runs.stage.opened(name) == {own}
    assert "canary" not in done.output
    assert not any(identity in done.output for identity in IDENTITIES.values())


@pytest.mark.parametrize(
    ("name", "own"),
    [
        pytest.param("exports with the other", "production", marks=pytest.mark.deep),
        ("imports with the other", "staging"),
    ],
)
def test_the_others_password_opens_nothing(runs: Runs, name: str, own: str) -> None:
    done = runs[name]
    assert (done.code, done.asked) == (2, []), done.output
    assert runs.stage.opened(name) == {own}
    assert "Nothing was contacted or changed." in done.verdict


@pytest.mark.parametrize(
    ("name", "other"),
    [
        pytest.param("exports by the other's vault", "staging", marks=pytest.mark.deep),
        ("imports by the other's vault", "production"),
    ],
)
@pytest.mark.deep
def test_who_names_the_others_vault_is_refused_though_both_passwords_are_there(runs: Runs, name: str, other: str) -> None:
    done = runs[name]
    assert (done.code, done.asked) == (2, []), done.output
    assert "Nothing was contacted or changed." in done.verdict
    assert other in done.verdict


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exports in staging", "this environment imports, and this playbook is for one that exports"),
        ("imports in production", "this environment exports, and this playbook is for one that imports"),
    ],
)
@pytest.mark.deep
def test_an_environment_does_not_do_the_others_part(runs: Runs, name: str, said: str) -> None:
    done = runs[name]
    assert (done.code, done.asked) == (2, []), done.output
    assert said in done.verdict


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exports without a backup", "There is no verified backup to make an export of"),
        ("imports without an export", "There is no export to import"),
    ],
)
@pytest.mark.deep
def test_where_there_is_nothing_to_bring_nothing_is_brought(runs: Runs, name: str, said: str) -> None:
    done = runs[name]
    assert done.code == 2, done.output
    assert changes(done) == []
    assert said in done.verdict


def test_an_export_is_made_of_the_last_backup_and_old_ones_go_afterwards(runs: Runs) -> None:
    assert asked(runs["exports"])[-4:] == [
        ("backup_store", "signed"),
        ("backup_store", "signed"),
        ("staging_data_export", ""),
        ("backup_store", "pruned"),
    ]
    assert "3 rows with the data of 2026-01-01T12:00:00Z" in runs["exports"].output


def test_an_import_is_made_under_the_lease(runs: Runs) -> None:
    done = runs["imports with both"]
    modules = [module for module, _ in asked(done)]
    assert modules.index("lease") < modules.index("staging_data_import")
    [imported] = [one for one in done.asked if one["module"] == "staging_data_import"]
    assert imported["token"] == 7
    assert "3 rows with the data of 2026-01-01T12:00:00Z" in done.output
