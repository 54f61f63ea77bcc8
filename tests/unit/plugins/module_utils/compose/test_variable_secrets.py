"""Secrets that have their value from a variable: who reads them, and what Compose makes of them when they are files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import variable_secrets
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.variable_secrets import Reader
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_files
from ansible_collections.morpheus.deploy.plugins.module_utils.release import variable_secrets as values
from ansible_collections.morpheus.deploy.plugins.module_utils.release.secret_files import SecretFiles

from tests.unit.compose_program import config

# As another user nobody can give files away.
ROOT = os.geteuid() == 0
GIVEN = {"DB_PASSWORD": 'canary "quoted" $5\n', "PLAIN": "p"}


def model(*uses: Any, **definition: Any) -> dict[str, Any]:
    services = {f"s{number}": {"secrets": [use]} for number, use in enumerate(uses)}
    return {"services": services, "secrets": {"key": definition or {"environment": "DB_PASSWORD"}}}


@pytest.mark.parametrize(
    ("uses", "reader"),
    [
        (["key"], Reader(0, 0, 0o444)),
        ([{"source": "key"}], Reader(0, 0, 0o444)),
        ([{"source": "key", "uid": "10001", "gid": "7", "mode": 0o400}], Reader(10001, 7, 0o400)),
        ([{"source": "key", "uid": 10001, "mode": "0440"}], Reader(10001, 0, 0o440)),
        ([{"source": "key", "mode": "0o400"}], Reader(0, 0, 0o400)),
        # Nobody can write to what is mounted read-only.
        ([{"source": "key", "mode": 0o666}], Reader(0, 0, 0o444)),
        (["key", {"source": "key", "target": "other"}], Reader(0, 0, 0o444)),
        ([{"source": "key", "uid": "7"}, {"source": "key", "uid": 7, "gid": "0", "mode": 0o444}], Reader(7, 0, 0o444)),
    ],
)
def test_who_may_read_a_secret_is_what_compose_makes_of_what_services_say(uses: list[Any], reader: Reader) -> None:
    assert variable_secrets.problems(model(*uses), GIVEN) == []
    assert variable_secrets.readers(model(*uses)) == {"key": reader}


@pytest.mark.parametrize(
    "found",
    [
        model(),
        model("key", file="./secrets/key"),
        model("key", external=True),
        model("other"),
        {"services": {"a": None, "b": {"secrets": "key"}, "c": {"secrets": [None, 3, {"target": "x"}]}}},
        {"services": {"a": {"secrets": ["key"]}}, "secrets": ["key"]},
        {"services": {"a": {"secrets": ["key"]}}, "secrets": {"key": None}},
        {},
    ],
)
def test_what_no_service_reads_from_a_variable_is_none(found: dict[str, Any]) -> None:
    assert variable_secrets.named(found) == {}
    assert variable_secrets.problems(found, ()) == []


def test_a_plain_variable_is_said_to_be_no_place_for_a_secret() -> None:
    [note] = variable_secrets.notes(model("key", environment="PLAIN"), ["PLAIN"])
    assert note.startswith("secrets.key.environment: PLAIN is in stack.variables, so it lies readable")
    assert variable_secrets.notes(model("key"), ["PLAIN"]) == []


@pytest.mark.parametrize(
    ("use", "mode"),
    [("key", 0o444), ({"source": "key", "uid": str(os.geteuid()), "mode": 0o400}, 0o400)],
    ids=["everybody", "one"],
)
def test_it_is_a_file_that_nobody_else_reaches_on_the_host_and_only_the_current_one(tmp_path: Path, use: Any, mode: int) -> None:
    if not ROOT:
        use = {"source": "key", "uid": str(os.geteuid()), "gid": str(os.getegid()), "mode": mode}
    files = SecretFiles(tmp_path / "secrets" / "values")
    found = model(use)
    values.place(files, found, GIVEN)
    path = tmp_path / "secrets/values/key"
    assert (path.read_text(), path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (
        GIVEN["DB_PASSWORD"],
        mode,
        0o700,
    )
    values.place(files, found, {"DB_PASSWORD": "another"})
    assert (path.read_text(), files.secret_files()) == ("another", ["key"])


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_it_belongs_to_the_user_and_the_group_that_a_service_says(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path / "values")
    for uid, gid in ((10001, 7), (10001, 8), (0, 0)):
        values.place(files, model({"source": "key", "uid": str(uid), "gid": str(gid), "mode": 0o440}), GIVEN)
        about = (tmp_path / "values" / "key").stat()
        assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (uid, gid, 0o440)


def test_without_such_secrets_nothing_is_made(tmp_path: Path) -> None:
    values.place(SecretFiles(tmp_path / "values"), model("key", file="./secrets/key"), {})
    assert list(tmp_path.iterdir()) == []


def test_compose_reads_the_file_and_not_the_variable(tmp_path: Path) -> None:
    """Its own word on our files: no value in them, none from the shell, and the other secrets as they were."""
    text = (
        "services:\n  web:\n    image: a:1\n    secrets: [given, {source: own, mode: 0440}]\n"
        "secrets:\n  given: {environment: DB_PASSWORD}\n  own: {file: ./own}\n"
    )
    (tmp_path / "compose.yml").write_text(text)
    before = config(tmp_path, "--file", "compose.yml").model
    placed = variable_secrets.placed(before, tmp_path / "values")
    assert placed == {"given": {"file": str(tmp_path / "values" / "given")}}
    (tmp_path / "override.json").write_text(json.dumps({"secrets": placed}))
    project_files.write_inline(tmp_path, ["motd"], placed)
    assert (tmp_path / "inline.yml").read_text() == 'configs:\n  "motd": !reset null\nsecrets:\n  "given": !reset null\n'
    project_files.write_inline(tmp_path, [], placed)
    assert project_files.is_forgotten(tmp_path, [], placed)
    assert not project_files.is_forgotten(tmp_path, [])
    said = config(tmp_path, *(word for name in ("compose.yml", "inline.yml", "override.json") for word in ("--file", name)))
    assert said.error == ""
    found = said.model["secrets"]
    assert (found["given"]["file"], found["given"].get("environment")) == (str(tmp_path / "values" / "given"), None)
    assert found["own"] == before["secrets"]["own"]
    assert said.model["services"] == before["services"]
