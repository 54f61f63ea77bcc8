from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import credentials, fingerprints
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.isolation import (
    Comparison,
    database_problems,
    fingerprint_problems,
    secrets_problems,
    value_problems,
)

KEY = "one key for all environments"
STAGING = {"api.DATABASE_URL": "postgresql://staging", "api.SESSION_SECRET": "correct horse"}
PRODUCTION = {"api.DATABASE_URL": "postgresql://production", "api.SESSION_SECRET": "battery staple"}


@pytest.fixture
def inventories(tmp_path: Path) -> Path:
    """Two environments with fingerprints that are up to date."""
    for name, secrets in {"staging": STAGING, "production": PRODUCTION}.items():
        (tmp_path / name / "group_vars").mkdir(parents=True)
        (tmp_path / name / "fingerprints.json").write_text(fingerprints.text(fingerprints.make(name, KEY, secrets, "2026-11-24")))
    return tmp_path


def problems(
    inventories: Path, secrets: dict[str, str] = STAGING, endpoints: dict[str, str] | None = None, **options: Any
) -> list[str]:
    wanted = {"environment": "staging", "path": str(inventories / "staging" / "fingerprints.json"), "key": KEY}
    found = secrets_problems(Comparison(**{**wanted, "others": None, "allowed": (), **options}), secrets, endpoints=endpoints)
    return [problem.replace(str(inventories), "inventories") for problem in found]


def test_secrets_that_match_their_file_and_no_other_have_no_problems(inventories: Path) -> None:
    assert problems(inventories) == []


def test_a_secret_of_production_is_named_though_the_own_file_is_not_up_to_date(inventories: Path) -> None:
    assert problems(inventories, STAGING | {"api.SESSION_SECRET": "battery staple"}) == [
        "stack_fingerprints: api.SESSION_SECRET is not the value recorded in inventories/staging/fingerprints.json; "
        "if it is meant, run playbooks/fingerprint.yml",
        "stack_fingerprints: api.SESSION_SECRET has the same value as api.SESSION_SECRET of production; "
        "give each environment its own",
    ]


def test_a_secret_that_may_be_shared_is_no_problem(inventories: Path) -> None:
    secrets = STAGING | {"api.SESSION_SECRET": "battery staple"}
    own = inventories / "staging" / "fingerprints.json"
    own.write_text(fingerprints.text(fingerprints.make("staging", KEY, secrets, "2026-11-24")))
    assert problems(inventories, secrets, allowed=["api.SESSION_SECRET"]) == []


def test_new_changed_and_gone_secrets_are_all_named(inventories: Path) -> None:
    found = problems(inventories, {"api.DATABASE_URL": "postgresql://elsewhere", "ml.ML_API_KEY": "a new key"})
    assert [problem.split(";")[0].removeprefix("stack_fingerprints: ") for problem in found] == [
        "api.DATABASE_URL is not the value recorded in inventories/staging/fingerprints.json",
        "api.SESSION_SECRET is recorded in inventories/staging/fingerprints.json and is there no longer",
        "ml.ML_API_KEY is not in inventories/staging/fingerprints.json",
    ]


KEYS = [
    pytest.param(
        "",
        "stack_fingerprint_key: required, because stack_fingerprints is set; the same text in the vault of every environment",
        id="fingerprints without their key",
    ),
    pytest.param(
        "short", "stack_fingerprint_key: 5 characters are too few for a key; use at least 16", id="a short key of fingerprints"
    ),
]


@pytest.mark.parametrize(("key", "problem"), KEYS)
def test_without_a_key_nothing_is_compared_and_that_is_a_problem(inventories: Path, key: str, problem: str) -> None:
    assert problems(inventories, key=key) == [problem]


def test_another_key_is_one_problem_for_each_file_and_none_for_each_secret(inventories: Path) -> None:
    assert problems(inventories, key="another key than before") == [
        "stack_fingerprints: inventories/staging/fingerprints.json: was made with another key than stack_fingerprint_key; "
        "run playbooks/fingerprint.yml",
        "stack_fingerprints: the fingerprints of production were made with another key than those of staging, so no secret can "
        "be compared; give both vaults the same vault_fingerprint_key and run playbooks/fingerprint.yml for both",
    ]


Change = Callable[[Path], object]


def as_they_are(inventories: Path) -> None:
    """The files of both environments."""


def written(name: str, environment: str, secrets: dict[str, str], key: str = KEY) -> Change:
    def write(inventories: Path) -> None:
        text = fingerprints.text(fingerprints.make(environment, key, secrets, "2026-11-24"))
        (inventories / name / "fingerprints.json").write_text(text)

    return write


SHARED = STAGING | {"api.SESSION_SECRET": "battery staple"}
OWN_FILE = "inventories/staging/fingerprints.json"
FINGERPRINTS = [
    pytest.param(
        written("staging", "staging", SHARED),
        SHARED,
        "stack_fingerprints: api.SESSION_SECRET has the same value as api.SESSION_SECRET of production; "
        "give each environment its own",
        id="a secret of another environment",
    ),
    pytest.param(
        as_they_are,
        STAGING | {"api.SESSION_SECRET": "changed since"},
        f"stack_fingerprints: api.SESSION_SECRET is not the value recorded in {OWN_FILE}; if it is meant, "
        "run playbooks/fingerprint.yml",
        id="a secret that was changed",
    ),
    pytest.param(
        as_they_are,
        STAGING | {"ml.ML_API_KEY": "a new key"},
        f"stack_fingerprints: ml.ML_API_KEY is not in {OWN_FILE}; if it is meant, run playbooks/fingerprint.yml",
        id="a new secret",
    ),
    pytest.param(
        as_they_are,
        {"api.DATABASE_URL": "postgresql://staging"},
        f"stack_fingerprints: api.SESSION_SECRET is recorded in {OWN_FILE} and is there no longer; if it is meant, "
        "run playbooks/fingerprint.yml",
        id="a removed secret",
    ),
    pytest.param(
        lambda inventories: (inventories / "production" / "fingerprints.json").unlink(),
        STAGING,
        "stack_fingerprints: nothing can be compared with the environment of inventories/production/fingerprints.json: "
        "cannot be read (No such file or directory); make it with playbooks/fingerprint.yml of its environment",
        id="an environment without fingerprints",
    ),
    pytest.param(
        written("staging", "production", STAGING),
        STAGING,
        f"stack_fingerprints: {OWN_FILE}: is of production and not of staging; run playbooks/fingerprint.yml",
        id="the fingerprints of another environment",
    ),
    pytest.param(
        written("staging", "staging", STAGING, "another key than the others"),
        STAGING,
        f"stack_fingerprints: {OWN_FILE}: was made with another key than stack_fingerprint_key; run playbooks/fingerprint.yml",
        id="fingerprints of another key than the vault's",
    ),
    pytest.param(
        written("production", "production", PRODUCTION, "another key than the others"),
        STAGING,
        "stack_fingerprints: the fingerprints of production were made with another key than those of staging, so no secret can "
        "be compared; give both vaults the same vault_fingerprint_key and run playbooks/fingerprint.yml for both",
        id="another environment's fingerprints of another key",
    ),
]


@pytest.mark.parametrize(("change", "secrets", "problem"), FINGERPRINTS)
def test_what_cannot_be_told_apart_or_compared_is_one_problem(
    inventories: Path, change: Change, secrets: dict[str, str], problem: str
) -> None:
    change(inventories)
    assert problems(inventories, secrets) == [problem]


def test_a_directory_that_is_no_inventory_is_left_alone(inventories: Path) -> None:
    (inventories / "scripts").mkdir()
    assert problems(inventories) == []


def test_the_other_files_can_be_named(inventories: Path) -> None:
    (inventories / "production" / "fingerprints.json").rename(inventories / "elsewhere.json")
    assert problems(inventories, others=[]) == []
    secrets = STAGING | {"api.SESSION_SECRET": "battery staple"}
    found = problems(inventories, secrets, others=[str(inventories / "elsewhere.json")])
    assert any("same value as api.SESSION_SECRET of production" in problem for problem in found)


DATABASE = {"secret": "api.DATABASE_URL", "project_ref": "abc", "system_identifier": ""}
DATABASES = [
    pytest.param(None, {}, [], id="none is declared"),
    pytest.param(DATABASE, {"api.DATABASE_URL": "postgresql://u:canary@db.abc.supabase.co/d"}, [], id="the declared one"),
    pytest.param(
        DATABASE,
        {"api.DATABASE_URL": "postgresql://u:canary@db.xyz.supabase.co/d"},
        ["stack.database.secret: api.DATABASE_URL leads to the Supabase project xyz, expected abc"],
        id="another Supabase project",
    ),
    pytest.param(
        DATABASE,
        {"api.DATABASE_URL": "canary"},
        ["stack.database.secret: api.DATABASE_URL is not a connection URL (postgresql://user:password@host:5432/database)"],
        id="a secret that is no connection URL",
    ),
    pytest.param(
        DATABASE,
        {"api.DB": "canary", "ml.KEY": "canary"},
        ['stack.database.secret: "api.DATABASE_URL" is not a secret of this environment; there is api.DB, ml.KEY'],
        id="a database by an unknown secret",
    ),
]


@pytest.mark.parametrize(("database", "secrets", "found"), DATABASES)
def test_a_secret_that_leads_elsewhere_is_found_before_any_connection(
    database: dict[str, str] | None, secrets: dict[str, str], found: list[str]
) -> None:
    assert database_problems(database, secrets) == found


ENV = {"api": {"ML_ENDPOINT_ID": "comic-panels"}}
VALUES = [
    pytest.param("env.api.ML_ENDPOINT_ID", ["mock", "comic-panels"], [], id="on the list"),
    pytest.param(
        "env.api.ML_ENDPOINT_ID",
        ["mock", "cheap"],
        ['stack.env.api.ML_ENDPOINT_ID: "comic-panels" is not one of mock, cheap (stack.allowed_values[0])'],
        id="a value that is not on its list",
    ),
    pytest.param(
        "env.api.ML_ENDPOINT",
        ["mock"],
        ['stack.allowed_values[0].path: "env.api.ML_ENDPOINT" is not a value of stack.env'],
        id="a list for an unknown value",
    ),
    pytest.param(
        "env.web.X",
        ["mock"],
        ['stack.allowed_values[0].path: "env.web.X" is not a value of stack.env'],
        id="a list for an unknown file",
    ),
    *(
        pytest.param(
            path, ["mock"], [f'stack.allowed_values[0].path: "{path}" must be env.<name>.<variable>'], id=f"a list for {path}"
        )
        for path in ("api.ML_ENDPOINT_ID", "env.api", "secrets.api.KEY", "env.api.ML_ENDPOINT_ID.x", "env")
    ),
]


@pytest.mark.parametrize(("path", "values", "found"), VALUES)
def test_a_value_must_be_on_the_list_of_the_environment(path: str, values: list[str], found: list[str]) -> None:
    assert value_problems([{"path": path, "values": values}], ENV) == found


def test_all_that_speaks_against_making_fingerprints_is_said_at_once() -> None:
    assert [problem.split(":")[0] for problem in fingerprint_problems("stagin", ["staging"], "", "")] == [
        "stack_environment",
        "stack_fingerprints",
        "stack_fingerprint_key",
    ]
    assert fingerprint_problems("staging", ["staging"], "x", 5) == ["stack_fingerprint_key: must be a string, not a number"]
    assert fingerprint_problems("staging", ["staging"], "x", KEY) == []


def test_some_secrets_are_compared_without_a_word_about_the_others(inventories: Path) -> None:
    admin = {"rotation.database.admin_url": "postgresql://admin:canary-of-staging@db/x"}
    own = inventories / "staging" / "fingerprints.json"
    wanted = Comparison("staging", str(own), KEY, None, [])
    assert secrets_problems(wanted, admin, some=True) == [
        f"stack_fingerprints: rotation.database.admin_url is not in {own}; if it is meant, run playbooks/fingerprint.yml"
    ]
    own.write_text(fingerprints.text(fingerprints.make("staging", KEY, {**STAGING, **admin}, "2026-11-24")))
    assert secrets_problems(wanted, admin, some=True) == []
    theirs = inventories / "production" / "fingerprints.json"
    theirs.write_text(fingerprints.text(fingerprints.make("production", KEY, admin, "2026-11-24")))
    assert secrets_problems(wanted, admin, some=True) == [
        "stack_fingerprints: rotation.database.admin_url has the same value as rotation.database.admin_url of production; give "
        "each environment its own"
    ]
    assert secrets_problems(Comparison("staging", str(own), "short", None, []), admin, some=True) == [
        "stack_fingerprint_key: 5 characters are too few for a key; use at least 16"
    ]


ENDPOINT = {"provider": "runpod", "name": "comic", "id": "abc123"}


@pytest.mark.parametrize(
    ("ml", "found"),
    [
        (None, {}),
        ("nonsense", {}),
        ({"endpoints": "nonsense"}, {}),
        ({"endpoints": [ENDPOINT, {"name": "sketch", "id": "def456"}, "nonsense"]}, {"comic": "abc123", "sketch": "def456"}),
        ({"endpoints": [{**ENDPOINT, "provider": "mock"}, {"name": "unmade", "id": ""}, {"name": "odd", "id": 7}]}, {}),
    ],
)
def test_ids_of_endpoints_that_cost_money_are_kept(ml: Any, found: dict[str, str]) -> None:
    assert credentials.of_endpoints(ml) == found


@pytest.mark.parametrize(
    ("own", "recorded", "theirs", "said"),
    [
        ({"comic": "abc123"}, {"comic": "abc123"}, {}, []),
        ({"comic": "abc123"}, {"comic": "abc123"}, {"comic": "def456"}, []),
        (
            {"comic": "abc123", "sketch": "x1"},
            {"comic": "abc123", "sketch": "x1"},
            {"panels": "abc123"},
            [
                "stack_fingerprints: ml.endpoints.comic.id is abc123, which is ml.endpoints.panels.id of production, too; give "
                "each environment an endpoint of its own"
            ],
        ),
        (
            {"comic": "abc123"},
            {},
            {},
            [
                "stack_fingerprints: ml.endpoints.comic.id is not in inventories/staging/fingerprints.json; if it is meant, run "
                "playbooks/fingerprint.yml"
            ],
        ),
        (
            {"comic": "abc123"},
            {"comic": "abc124", "sketch": "x1"},
            {},
            [
                "stack_fingerprints: ml.endpoints.comic.id is not the value recorded in inventories/staging/fingerprints.json; "
                "if it is meant, run playbooks/fingerprint.yml",
                "stack_fingerprints: ml.endpoints.sketch.id is recorded in inventories/staging/fingerprints.json and is there no "
                "longer; if it is meant, run playbooks/fingerprint.yml",
            ],
        ),
    ],
)
def test_an_endpoint_of_another_environment_is_refused(
    inventories: Path, own: dict[str, str], recorded: dict[str, str], theirs: dict[str, str], said: list[str]
) -> None:
    for name, secrets, ids in (("staging", STAGING, recorded), ("production", PRODUCTION, theirs)):
        file = fingerprints.make(name, KEY, secrets, "2026-11-24", endpoints=ids)
        (inventories / name / "fingerprints.json").write_text(fingerprints.text(file))
    assert problems(inventories, endpoints=own) == said


def test_an_endpoint_that_two_environments_share_may_be_allowed_by_both_names(inventories: Path) -> None:
    for name, secrets in (("staging", STAGING), ("production", PRODUCTION)):
        file = fingerprints.make(name, KEY, secrets, "2026-11-24", endpoints={"comic": "abc123"})
        (inventories / name / "fingerprints.json").write_text(fingerprints.text(file))
    assert problems(inventories, endpoints={"comic": "abc123"}, allowed=("ml.endpoints.comic.id",)) == []


def test_a_file_whose_endpoints_are_none_is_told(inventories: Path) -> None:
    path = inventories / "production" / "fingerprints.json"
    path.write_text(path.read_text().replace('"secrets"', '"endpoints": ["abc123"], "secrets"'))
    [said] = problems(inventories)
    assert '"endpoints" is no mapping of names and ids' in said
