from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.files import accounts, kind, look

KEY = "-----BEGIN EC PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("path", "holds_key", "what"),
    [
        ("stacks/shop/secrets/api.env", False, "secret"),
        ("stacks/shop/secrets/license", False, "secret"),
        ("stacks/shop/secrets/.api.env.x7", False, "half-written secret"),
        ("stacks/shop/secrets/values/key", False, "secret"),
        ("stacks/shop/secrets/values/.key.x7", False, "half-written secret"),
        ("stacks/shop/fingerprint.key", False, "secret"),
        ("edge/conf/certs/shop.example.pem", True, "private key"),
        ("edge/conf/upstream-ca.pem", False, "other"),
        ("stacks/shop/project/tls/own.key", True, "private key"),
        ("stacks/shop/project/env/api.env", False, "settings"),
        ("stacks/shop/project/.env", False, "settings"),
        ("stacks/shop/project/compose.yml", True, "other"),
    ],
)
def test_what_a_file_holds_is_told_by_its_place_and_a_private_key_by_its_mark(path: str, holds_key: bool, what: str) -> None:
    assert kind(Path(path), lambda _: holds_key) == what


def test_the_whole_tree_is_looked_at_and_links_are_not_followed(tmp_path: Path) -> None:
    files = {
        "stacks/shop/secrets/api.env": ('TOKEN="x"\n', 0o640),
        "stacks/shop/project/own.key": (KEY, 0o644),
        "stacks/shop/project/ca.pem": ("-----BEGIN CERTIFICATE-----\n", 0o644),
        "stacks/shop/project/open.txt": ("", 0o666),
        "stacks/shop/project/compose.yml": ("", 0o644),
    }
    for name, (text, mode) in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    (tmp_path / "stacks/shop/project/secrets").symlink_to("../secrets")
    found = look(tmp_path)
    assert found["count"] == 9
    assert [(str(Path(one["path"]).relative_to(tmp_path)), one["kind"], one["mode"]) for one in found["files"]] == [
        ("stacks/shop/project/open.txt", "other", 0o666),
        ("stacks/shop/project/own.key", "private key", 0o644),
        ("stacks/shop/secrets/api.env", "secret", 0o640),
    ]


def test_a_host_without_anything_of_ours_is_empty(tmp_path: Path) -> None:
    assert look(tmp_path / "missing") == {"count": 0, "files": []}


PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
deploy:x:1000:1000::/home/deploy:/bin/bash
ci:x:1001:102::/home/ci:/bin/sh
"""
GROUP = """root:x:0:
docker:x:102:anna
sudo:x:27:ben,root
deploy:x:1000:
"""
SUDOERS = {
    "/etc/sudoers": "Defaults a\nroot ALL=(ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n# x ALL=ALL\n",
    "/etc/sudoers.d/deploy": "deploy ALL=(ALL) NOPASSWD: ALL\nUser_Alias ADMINS = carl\nADMINS ALL = \\\n  /bin/ls\n",
}


def found_accounts(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"passwd": PASSWD, "group": GROUP, "sudoers": SUDOERS, **more}
    return accounts(**given)


def test_who_can_become_root_is_told_by_groups_and_rules() -> None:
    found = found_accounts()
    # A primary group makes a member, too.
    assert found["docker"] == ["anna", "ci"]
    assert found["sudo"] == ["ADMINS", "ben", "deploy"]
    assert found["logins"] == ["ci", "deploy", "root"]
    assert found["users"]["1000"] == "deploy"
    assert found["groups"]["102"] == "docker"


def test_without_such_groups_and_rules_nobody_can() -> None:
    found = found_accounts(group="root:x:0:\n", sudoers={})
    assert (found["docker"], found["sudo"]) == ([], [])


@pytest.mark.parametrize(("directory", "mode"), [(0o700, 0o400), (0o710, 0o444), (0o701, 0o444), (0o755, 0o444)])
def test_a_secret_that_every_user_of_a_container_reads_is_closed_where_nobody_else_enters_its_directory(
    tmp_path: Path, directory: int, mode: int
) -> None:
    path = tmp_path / "stacks" / "shop" / "secrets" / "values" / "key"
    path.parent.mkdir(parents=True)
    path.write_text("canary")
    path.chmod(0o444)
    path.parent.chmod(directory)
    assert [one["mode"] for one in look(tmp_path)["files"]] == [mode]
