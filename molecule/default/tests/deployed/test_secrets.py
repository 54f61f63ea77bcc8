"""Secrets reach the containers that need them, exactly, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from moments import ROOT, STACK, Moment
from testinfra.host import Host

INVENTORY = Path(__file__).parents[3] / "inventory" / "group_vars" / "all" / "secrets.yml"
GIVEN = yaml.safe_load(INVENTORY.read_text())
SECRETS: dict[str, dict[str, str]] = GIVEN["stack_secrets"]
FILES: dict[str, dict[str, str]] = GIVEN["stack_secret_files"]
VALUES = [(service, name) for service, values in SECRETS.items() for name in values]


@pytest.mark.parametrize(("service", "name"), VALUES)
def test_a_value_reaches_the_container_byte_for_byte(host: Host, moment: Moment, service: str, name: str) -> None:
    for replica in moment.replicas(service):
        # What the application's own process was given; `printenv` would print a line end of its own.
        environment = host.run("docker exec %s cat /proc/1/environ", replica["Id"]).stdout_bytes.split(b"\0")
        values = [line.partition(b"=")[2] for line in environment if line.startswith(f"{name}=".encode())]
        assert values == [SECRETS[service][name].encode()]


def test_a_file_secret_reaches_the_container_byte_for_byte_and_stands_nowhere_else(host: Host, moment: Moment) -> None:
    wanted = FILES["session_secret"]["content"].encode()
    for replica in moment.replicas("api"):
        # Read by the application's own user.
        assert host.run("docker exec %s cat /run/secrets/session_secret", replica["Id"]).stdout_bytes == wanted
        assert "ƒile-demo-secret" not in str(replica)


def test_a_file_secret_is_readable_by_its_owner_alone(host: Host) -> None:
    file = host.file(f"{STACK}/secrets/session_secret")
    assert (file.uid, file.gid, file.mode) == (10001, 0, 0o400)


@pytest.mark.parametrize("service", SECRETS)
def test_an_env_file_with_secrets_is_readable_by_root_alone(host: Host, service: str) -> None:
    file = host.file(f"{STACK}/secrets/{service}.env")
    assert (file.user, file.group, file.mode) == ("root", "root", 0o600)


def test_the_directory_of_secrets_is_closed(host: Host) -> None:
    assert host.file(f"{STACK}/secrets").mode == 0o700


def test_no_file_that_others_can_read_holds_a_secret(host: Host) -> None:
    # One word of each is enough to find it, however it is quoted.
    for word in ("staging-db-demo-password", "staging-runpod-demo-key", "ümläut", "ƒile-demo-secret"):
        found = host.run("grep --recursive --files-with-matches --fixed-strings -- %s %s", word, ROOT).stdout.split()
        assert {str(Path(path).parent) for path in found} == {f"{STACK}/secrets"}


def test_no_secret_stands_in_an_image_or_a_label(host: Host, moment: Moment) -> None:
    for replica in moment.replicas("api"):
        image = host.check_output("docker image inspect %s", replica["Image"])
        assert "demo-password" not in image
        assert "demo-password" not in str(replica["Config"]["Labels"])


def test_the_key_of_the_fingerprints_is_readable_by_root_alone(moment: Moment) -> None:
    assert moment.files[f"{STACK}/fingerprint.key"].startswith("regular file 600 root:root")
