from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.morpheus.deploy.plugins.filter.audit_report import audit_report
from ansible_collections.morpheus.deploy.plugins.filter.batches import batches
from ansible_collections.morpheus.deploy.plugins.filter.bullets import bullets
from ansible_collections.morpheus.deploy.plugins.filter.common_digests import common_digests
from ansible_collections.morpheus.deploy.plugins.filter.env_file import env_file
from ansible_collections.morpheus.deploy.plugins.filter.file_content import file_content
from ansible_collections.morpheus.deploy.plugins.filter.fingerprints import fingerprints
from ansible_collections.morpheus.deploy.plugins.filter.stack_config import stack_config

from tests.unit import audited


def test_variables_become_an_env_file() -> None:
    assert env_file({"B": 'say "$5"', "A": ""}) == 'A=""\nB="say \\"$$5\\""\n'


def test_variables_that_cannot_become_one_are_all_named_and_no_value_is_printed() -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        env_file({"A": 5, "B C": "canary", "D": "canary\0"})
    assert str(caught.value) == (
        "this cannot become an env file: A: must be a string, not a number; quote it in the inventory; "
        "B C: is not a name for an environment variable (letters, digits and _, no digit first); "
        "D: holds a NUL character, which no environment can carry"
    )


def test_a_configuration_comes_back_typed_with_the_files_of_the_release(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: {worker: {image: 'shop/worker:${STACK_RELEASE}'}}\n")
    result = stack_config(
        {
            "stack": {"name": "shop", "compose_files": ["compose.yml"]},
            "stack_environment": "staging",
            "stack_release": "1.0",
            "stack_source": str(tmp_path),
        }
    )
    assert result["problems"] == []
    assert (result["environment"], result["release"]) == ("staging", "1.0")
    assert result["stack"]["drain_seconds"] == 30.0
    assert list(result["files"]) == ["compose.yml"]


def test_a_configuration_with_problems_does_not_raise_so_that_all_of_them_can_be_shown() -> None:
    result = stack_config({"stack_environment": "staging"})
    assert [problem.split(":")[0] for problem in result["problems"]] == ["stack_release", "stack_source", "stack"]


def test_variables_that_the_configuration_does_not_know_are_ignored() -> None:
    """The whole of an inventory may be handed over."""
    assert not any("ansible_host" in problem for problem in stack_config({"ansible_host": "192.0.2.1"})["problems"])


def test_the_content_of_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("certificate\n")
    assert file_content(str(tmp_path / "a.pem")) == "certificate\n"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        file_content(f"{tmp_path}/none.pem")
    assert str(caught.value) == f"{tmp_path}/none.pem cannot be read: No such file or directory"


def found(digest: str, *, was_live: bool = False) -> dict[str, object]:
    return {"images": {"api": {"reference": "shop/api:1", "digest": digest, "id": ""}}, "was_live": was_live}


BEAT: dict[str, object] = {"images": {"beat": {"reference": "shop/beat:1", "digest": "b", "id": ""}}, "was_live": False}
DIGESTS = [
    pytest.param([found("x"), found("x")], {}, id="all agree"),
    pytest.param([found("x"), found("y")], {"shop/api:1": "x"}, id="the first host decides"),
    pytest.param([BEAT, found("x")], {}, id="one runs less than the other"),
    pytest.param([BEAT, found("x"), found("y")], {"shop/api:1": "x", "shop/beat:1": "b"}, id="all get what any of them runs"),
    pytest.param([found("x"), found("y", was_live=True)], {"shop/api:1": "y"}, id="a host that has run the release decides"),
]


@pytest.mark.parametrize(("prepared", "digests"), DIGESTS)
def test_hosts_that_found_different_images_behind_a_tag_take_those_of_one(
    prepared: list[dict[str, object]], digests: dict[str, str]
) -> None:
    assert common_digests(prepared) == digests


def variables(path: Path, **more: object) -> dict[str, object]:
    given: dict[str, object] = {"preflight_environments": ["staging"], "stack_environment": "staging"}
    given |= {"stack_fingerprints": str(path), "stack_fingerprint_key": "one key for all environments"}
    return given | {"stack_secrets": {"api": {"KEY": "canary-value", "PIN": "1234"}}} | more


def test_fingerprints_are_made_and_what_is_new_is_said(tmp_path: Path) -> None:
    path = tmp_path / "fingerprints.json"
    files = {"tls": {"content": "canary-certificate"}}
    made = fingerprints(variables(path, stack_secret_files=files))
    assert (made["problems"], made["path"]) == ([], str(path))
    assert list(json.loads(made["text"])["secrets"]) == ["api.KEY", "api.PIN", "files.tls"]
    assert made["changes"] == ["api.KEY is new", "api.PIN is new", "files.tls is new"]
    assert made["notes"] == ["api.PIN is not compared with other environments: 4 characters are too short to be a secret"]
    assert "canary" not in str(made)
    path.write_text(made["text"])
    again = fingerprints(variables(path, stack_secret_files=files))
    assert (again["changes"], again["text"]) == ([], made["text"])


def test_a_broken_file_of_fingerprints_is_made_anew_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "fingerprints.json"
    path.write_text("<<<<<<< HEAD")
    assert fingerprints(variables(path))["changes"][0].startswith(f"the file is recreated: {path}: is not JSON")


def test_a_file_of_another_key_is_made_anew_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "fingerprints.json"
    path.write_text(fingerprints(variables(path))["text"])
    made = fingerprints(variables(path, stack_fingerprint_key="another key than before"))
    assert made["changes"] == ["the file was of another environment or key; every secret counts as new"]


QUOTE = "quote it in the inventory"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"stack_secrets": {"api": {"PIN": 12345678}}}, f"stack_secrets.api.PIN: must be a string, not a number; {QUOTE}"),
        ({"stack_secrets": {"api": {"KEYS": ["a"]}}}, f"stack_secrets.api.KEYS: must be a string, not a list; {QUOTE}"),
        ({"stack_secrets": {"api": ["a"]}}, "stack_secrets.api: must be a mapping of variables, not a list"),
        ({"stack_secrets": ["a"]}, "stack_secrets: must be a mapping, not a list"),
        ({"stack_secret_files": {"pin": 1234}}, "stack_secret_files.pin: must be a mapping with content, not a number"),
        (
            {"stack_secret_files": {"pin": {"content": 1234}}},
            f"stack_secret_files.pin.content: must be a string, not a number; {QUOTE}",
        ),
        ({"stack_secret_files": "a"}, "stack_secret_files: must be a mapping, not a string"),
        ({"stack_secret_variables": {"PIN": 12345678}}, f"stack_secret_variables.PIN: must be a string, not a number; {QUOTE}"),
        *(
            (given, f"{name}: must be a string, not a {kind}; {QUOTE}")
            for value, kind in ((12345678, "number"), (["a"], "list"))
            for given, name in (
                ({"stack_registries": [{"server": "GHCR.io", "password": value}]}, "registries.ghcr.io.password"),
                ({"stack_registries": [{"server": "ghcr.io", "token": value}]}, "registries.ghcr.io.token"),
                ({"stack_rotation": [{"name": "db", "postgres": {"admin_url": value}}]}, "rotation.db.admin_url"),
                ({"stack_rotation": [{"name": "ml", "command": {"admin_key": value}}]}, "rotation.ml.admin_key"),
                ({"notifications": {"channels": [{"name": "ops", "url": value}]}}, "notifications.ops.url"),
                ({"notifications": {"channels": [{"name": "ops", "token": value}]}}, "notifications.ops.token"),
                ({"notifications": {"channels": [{"name": "ops", "password": value}]}}, "notifications.ops.password"),
                ({"supabase_project": {"token": value}}, "supabase_project.token"),
                ({"supabase_project": {"secret_key": value}}, "supabase_project.secret_key"),
                ({"ml": {"endpoints": [{"name": "draw", "provider": "runpod", "id": value}]}}, "ml.endpoints.draw.id"),
            )
        ),
    ],
)
def test_a_secret_that_is_no_text_is_refused_and_not_left_out(tmp_path: Path, given: dict[str, object], problem: str) -> None:
    made = fingerprints(variables(tmp_path / "fingerprints.json", **given))
    assert (made["problems"], made["text"]) == ([problem], "")


def test_what_speaks_against_fingerprints_makes_none(tmp_path: Path) -> None:
    made = fingerprints({"stack_environment": "stagin", "preflight_environments": ["staging"]})
    assert (len(made["problems"]), made["text"]) == (3, "")


STACK = {"name": "shop"}


def test_an_audit_with_settings_that_mean_nothing_judges_nothing() -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        audit_report({}, "staging", STACK, allowed_ports=["x"], max_age_days=0, max_age_days_by_name={"api.KEY": True})
    assert str(caught.value) == (
        "nothing was judged: audit_allowed_ports[0]: x is not a port such as 443, 53/udp or 10.0.0.5:9100; "
        "audit_secret_max_age_days: must be a number of days; audit_secret_max_age_days_by_name.api.KEY: must be a number of days"
    )


def test_of_an_open_vault_the_audit_takes_names_and_no_value() -> None:
    found = audit_report(
        {"app-1": audited.facts()},
        "staging",
        STACK,
        secrets={"api": {"DATABASE_URL": "canary"}},
        secret_files={"license": {"content": "canary"}},
    )
    assert found["vault_opened"] is True
    assert [one["name"] for one in found["secrets"]] == ["api.DATABASE_URL", "files.license"]
    assert "canary" not in str(found)


def written(path: Path, content: object) -> str:
    (path.parent / "group_vars").mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return str(path)


def test_the_audit_compares_with_every_inventory_beside_its_own(tmp_path: Path) -> None:
    own = written(
        tmp_path / "staging" / "fingerprints.json", audited.fingerprints("staging", api__DATABASE_URL="a", files__license="b")
    )
    written(tmp_path / "production" / "fingerprints.json", audited.fingerprints("production", api__DATABASE_URL="a"))
    (tmp_path / "review" / "group_vars").mkdir(parents=True)
    found = audit_report({"app-1": audited.facts()}, "staging", STACK, fingerprints=own)
    seen = {one["id"]: one["seen"] for one in found["findings"]}
    assert seen["secret-shared"] == "api.DATABASE_URL has the same value as api.DATABASE_URL of production"
    assert "review/fingerprints.json: cannot be read" in seen["secret-unrecorded"]


@pytest.mark.parametrize(
    ("path", "words"),
    [("", "stack_fingerprints is not set"), ("production/fingerprints.json", "is of production")],
)
def test_the_audit_says_when_secrets_are_not_compared(tmp_path: Path, path: str, words: str) -> None:
    written(tmp_path / "production" / "fingerprints.json", audited.fingerprints("production", api__DATABASE_URL="a"))
    given = str(tmp_path / path) if path else ""
    found = audit_report({"app-1": audited.facts()}, "staging", STACK, fingerprints=given)
    assert [one["id"] for one in found["findings"] if words in one["seen"]] == ["secret-unrecorded"]
    assert not [one for one in found["findings"] if one["id"] == "secret-shared"]


def test_sentences_stand_below_their_heading() -> None:
    assert bullets(["one", "two"], "Problems:") == "Problems:\n  - one\n  - two"
    assert bullets([], "Problems:") == "Problems:"


@pytest.mark.parametrize(
    ("hosts", "sizes"),
    [
        pytest.param({}, [1], id="no host"),
        pytest.param({"app-1": {}}, [1], id="nothing said"),
        pytest.param({"app-1": {"stack": {"hosts_at_once": 2}}, "app-2": {}}, [2], id="said in the inventory"),
        pytest.param({"app-1": {"stack": {"hosts_at_once": 2}, "stack_prepared": {"jobs": []}}}, [2], id="no job"),
        pytest.param(
            {"app-1": {"stack": {"hosts_at_once": 2}}, "app-2": {"stack_prepared": {"jobs": ["setup"]}}},
            [1, 2],
            id="a job runs before other hosts begin",
        ),
    ],
)
def test_hosts_are_switched_in_batches(hosts: dict[str, Any], sizes: list[int]) -> None:
    assert batches({"app": ["app-1", "app-2"], "all": ["app-1"]}, hosts) == sizes
    assert batches({"all": ["app-1"]}, hosts) == [1]
