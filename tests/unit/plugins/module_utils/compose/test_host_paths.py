"""Which paths of a host are a stack's own."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own, is_sensitive, reaches_socket

SHOP = "/var/lib/morpheus.deploy/stacks/shop"
PROJECT = f"{SHOP}/project"


@pytest.mark.parametrize(
    ("path", "writes", "expected"),
    [
        ("/", False, True),
        ("/var", False, True),
        ("/var/lib/docker/volumes/x", False, True),
        ("//etc", False, True),
        ("/srv/data", False, True),
        ("/home/anna/.ssh", False, True),
        ("/run/systemd/private", False, True),
        ("/var/spool/cron", True, True),
        ("/etc/localtime", True, True),
        ("/etc/localtime", False, False),
        ("/etc/localtime.d", False, True),
        ("/etc/ssl", False, True),
        ("/etc/ssl/certs", False, False),
        ("/etc/ssl/certs/../private", False, True),
        (f"{PROJECT}/migrations", True, False),
        (f"{PROJECT}/../secrets/key", False, True),
        (PROJECT, False, False),
        (PROJECT, True, True),
        (f"{PROJECT}/override.json", False, True),
        (f"{PROJECT}/.env", True, True),
        (f"{PROJECT}/secrets", False, True),
        (f"{PROJECT}/secrets/key", False, False),
        (f"{PROJECT}/secrets/key", True, True),
        (f"{SHOP}/secrets/key", False, True),
        (f"{SHOP}/fingerprint.key", False, True),
        (f"{SHOP}/content/0a1b/conf", False, False),
        (f"{SHOP}/content/0a1b/conf", True, True),
        (f"{SHOP}/content", False, True),
        (f"{SHOP}/live/flags", False, False),
        (f"{SHOP}/live/flags", True, True),
        (f"{SHOP}/releases/1-a/files/conf", False, True),
        (f"{SHOP}/projects", False, True),
        ("/var/lib/morpheus.deploy/edge/run", True, True),
    ],
)
def test_paths_that_no_container_of_a_stack_should_have(path: str, writes: bool, expected: bool) -> None:
    assert is_sensitive(path, writes) is expected


def test_another_stacks_directory_is_not_the_stacks_own() -> None:
    assert Own.of(SHOP).may_mount(f"{PROJECT}/data", writes=True)
    assert not Own.of("/var/lib/morpheus.deploy/stacks/blog").may_mount(f"{PROJECT}/data", writes=False)
    assert not Own.of("/var/lib/morpheus.deploy/stacks/sho").may_mount(f"{PROJECT}/data", writes=False)
    assert not Own("").may_mount("/project", writes=False)


def test_a_harmless_file_gets_no_new_label() -> None:
    assert Own.of(SHOP).may_mount("/etc/localtime", writes=False)
    assert not Own.of(SHOP).may_mount("/etc/localtime", writes=False, relabels=True)


@pytest.mark.parametrize(
    ("path", "optional", "expected"),
    [
        ("conf/a.env", False, True),
        ("./conf/../conf/a.env", False, True),
        (f"{PROJECT}/conf/a.env", False, True),
        ("env/api.env", False, True),
        ("./secrets/api.env", False, True),
        ("secrets", False, False),
        ("conf", False, False),
        (".env.local", False, False),
        (".env.local", True, True),
        ("uploads/a.env", True, False),
        ("../secrets/other.env", True, False),
        ("/root/other.env", True, False),
        ("~/other.env", True, False),
        ("~", True, False),
    ],
)
def test_files_that_may_be_read(path: str, optional: bool, expected: bool) -> None:
    assert Own.of(SHOP, ["conf/a.env"]).is_file(path, optional) is expected


@pytest.mark.parametrize(
    ("path", "expected"), [("/var/run/", True), ("/run/containerd", True), ("/running", False), ("/srv/x.sock", False)]
)
def test_paths_that_reach_the_socket(path: str, expected: bool) -> None:
    assert reaches_socket(path) is expected
