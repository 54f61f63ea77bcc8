"""Compose is asked on the controller where it is there: its word counts when it is about the files, and nothing else does."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import compose_asked

GOOD = "services:\n  web:\n    image: shop/web:${STACK_RELEASE}\n    env_file: [env/web.env, secrets/web.env]\n"
BAD = "services:\n  web:\n    image: shop/web:1\n    depends_on: [db]\n"
SAID = 'service "web" depends on undefined service db: invalid compose project'


def asked(text: str = GOOD, variables: dict[str, str] | None = None, **files: str) -> list[str]:
    shipped = {"compose.yml": text, "env/web.env": 'LEVEL="info"\n', **files}
    stack: dict[str, Any] = {"name": "shop", "compose_files": ["compose.yml"]}
    encoded = {name: base64.b64encode(content.encode()).decode() for name, content in shipped.items()}
    secrets = {"web": {"TOKEN": "canary-of-the-vault"}}
    return compose_asked.problems(stack, "1.0.0", "staging", encoded, secrets, variables or {})


@pytest.fixture
def compose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that says what lies in ``said`` and ends with 15, and is of the version in ``version``; notes its command."""
    program = tmp_path / "docker"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *version*) cat {tmp_path}/version; exit 0;; esac\necho "$*" > {tmp_path}/asked\n'
        f"for file in $(echo \"$*\" | tr ' ' '\\n' | grep compose.yml); do cp -r $(dirname $file)/.. {tmp_path}/seen; done\n"
        f"env > {tmp_path}/environment\ncat {tmp_path}/said >&2\ntest ! -s {tmp_path}/said || exit 15\n"
    )
    program.chmod(0o755)
    (tmp_path / "version").write_text("2.26.1\n")
    (tmp_path / "said").write_text("")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_what_it_accepts_is_no_problem_and_it_sees_what_hosts_will_see_without_a_secret(compose: Path) -> None:
    assert asked(variables={"DB_PASSWORD": "canary-of-the-vault"}) == []
    assert (compose / "asked").read_text().split()[-4:] == ["--profile", "*", "config", "--quiet"]
    assert (compose / "seen" / "files" / "env" / "web.env").read_text() == 'LEVEL="info"\n'
    assert (compose / "seen" / "files" / "secrets" / "web.env").read_text() == 'TOKEN="-"\n'
    assert (compose / "seen" / "release.env").read_text() == "STACK_RELEASE=1.0.0\nSTACK_ENVIRONMENT=staging\n"
    assert (compose / "seen" / "files" / "secrets" / "variables.env").read_text() == 'DB_PASSWORD="-"\n'
    assert "/files/secrets/variables.env" in (compose / "asked").read_text()
    assert "canary" not in (compose / "asked").read_text() + (compose / "environment").read_text()


def test_what_it_refuses_is_said_in_its_words(compose: Path) -> None:
    warning = 'time="2026-11-26T12:00:00Z" level=warning msg="The \\"X\\" variable is not set."\n'
    (compose / "said").write_text(f"{warning}{SAID}\n")
    assert asked(BAD) == [f"compose.yml: docker compose refuses what they say together: {SAID}"]


@pytest.mark.parametrize(
    "said",
    [
        "validating compose.yml: services.web Additional property gpus is not allowed",
        "env file /tmp/x/files/.env.local not found: stat: no such file or directory",
        "unknown flag: --profile",
        "docker: 'compose' is not a docker command.",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
        "open /root/.docker/config.json: permission denied",
    ],
)
def test_what_is_so_on_this_machine_alone_is_left_to_the_hosts(compose: Path, said: str) -> None:
    (compose / "said").write_text(said)
    assert asked(BAD) == []


def test_an_older_one_is_not_believed(compose: Path) -> None:
    (compose / "said").write_text(SAID)
    (compose / "version").write_text("v2.17.3\n")
    assert asked(BAD) == []
    (compose / "version").write_text("")
    assert asked(BAD) == []


def test_without_one_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert asked(BAD) == []


def test_one_that_does_not_end_is_not_waited_for(compose: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (compose / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(compose_asked, "TIMEOUT_SECONDS", 0.2)
    assert asked(BAD) == []


@pytest.mark.skipif(shutil.which("docker") is None, reason="this machine has no docker compose to ask")
def test_the_real_one_agrees() -> None:
    assert asked() == []
    [problem] = asked(BAD)
    assert "depends on undefined service" in problem
    composed = GOOD + '    environment: {URL: "postgres://app:${DB_PASSWORD:?}@db"}\n'
    assert asked(composed, {"DB_PASSWORD": "canary-of-the-vault"}) == []
    # Hosts would be right to accept a file that only they have.
    assert asked(GOOD.replace("secrets/web.env", "secrets/other.env")) == []
