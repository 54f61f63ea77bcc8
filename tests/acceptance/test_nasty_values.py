"""Secrets with all that a parser may trip over arrive in a container byte for byte, through the engine's real Compose.

Each time molecule's scenario default does so with one value that holds most of it, and with a file.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.env_file import env_file
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.acceptance.world import PRODUCTION, on
from tests.hangs import HANGS_AFTER_SECONDS

pytestmark = [pytest.mark.deep, pytest.mark.lane("production")]
HOST = PRODUCTION.hosts[0]
DIRECTORY, PROJECT = "/run/nasty-values", "nasty-values"
# An image that every provisioned host has, and a user that it does not know.
EDGE, USER = "edge-haproxy-1", 10001
FIFTY = 50
NASTY = [
    "",
    " ",
    "  spaces at both ends  ",
    "\t",
    "\n",
    "\r\n",
    "ends with a line end\n",
    "\n\nbegins with line ends",
    "-----BEGIN KEY-----\nabc+/=\n-----END KEY-----\n",
    "'",
    '"',
    "it's",
    '"quoted"',
    "'single' \"double\" `back`",
    "$",
    "$$",
    "$HOME",
    "${HOME}",
    "${HOME:-x}",
    "$(id)",
    "`id`",
    "\\",
    "\\\\",
    "\\n",
    "\\$HOME",
    "ends with a backslash\\",
    '\\"',
    "#",
    "a #comment",
    "=",
    "A=B",
    "export A=B",
    "{{ vault }}",
    "{% raw %}",
    "%s %(a)s %%",
    "!vault |",
    "null",
    "yes",
    "1.10",
    "*?[a-z]~!&|;<>",
    "ümläut ✓ 漢字 🗝",
    "\u202eright to left\ufeff",
    "\x1b[31mred\x07\x7f",
    "x" * 100_000,
]
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
# Characters that mean something to some parser come together more often than chance would have it.
seasoned = st.text(st.sampled_from("'\"$\\`#={}() \t\n\r!%&*?~|;<>@:,a0é"), max_size=30)

# Reads {path: [base64, mode, uid]} and writes it as a host's files are.
_WRITE = """
import base64, json, os, sys
os.umask(0o077)
for path, (content, mode, owner) in json.load(sys.stdin).items():
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(base64.b64decode(content))
    os.chown(path, owner, 0)
    os.chmod(path, mode)
"""
_READ = 'for file in "$@"; do base64 --wrap=0 "$file"; echo; done'


def compose(*arguments: str) -> str:
    return on(HOST, "docker", "compose", "--progress", "quiet", "--project-directory", DIRECTORY, *arguments)


@pytest.fixture(scope="module", autouse=True)
def directory() -> Iterator[None]:
    yield
    compose("--project-name", PROJECT, "down", "--timeout", "0")
    on(HOST, "rm", "-rf", DIRECTORY)


def start(values: Mapping[str, str], files: Mapping[str, str]) -> None:
    service: dict[str, Any] = {
        "image": on(HOST, "docker", "inspect", "--format", "{{.Image}}", EDGE).strip(),
        "user": str(USER),
        "entrypoint": ["sleep", "60"],
        "network_mode": "none",
        "env_file": "secrets/nasty.env",
        "secrets": list(files),
    }
    service |= hardening.Hardening().additions("nasty", service)
    secrets = {name: {"file": f"./secrets/{name}"} for name in files}
    project = {"name": PROJECT, "services": {"nasty": service}, "secrets": secrets}
    contents = {
        "compose.yml": (json.dumps(project), 0o644, 0),
        "secrets/nasty.env": (env_file(values), 0o600, 0),
        **{f"secrets/{name}": (content, 0o400, USER) for name, content in files.items()},
    }
    encoded = {
        f"{DIRECTORY}/{name}": (base64.b64encode(content.encode()).decode(), mode, owner)
        for name, (content, mode, owner) in contents.items()
    }
    command = ["docker", "exec", "-i", HOST, "python3", "-c", _WRITE]
    subprocess.run(command, input=json.dumps(encoded), text=True, check=True, timeout=HANGS_AFTER_SECONDS)
    compose("up", "--detach", "--force-recreate", "--pull", "never", "--timeout", "0")


def read(*paths: str) -> list[bytes]:
    """Contents as a process in the container reads them."""
    lines = compose("exec", "-T", "nasty", "sh", "-c", _READ, "sh", *paths).splitlines()
    return [base64.b64decode(line) for line in lines]


@settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(generated=st.lists(texts | seasoned, min_size=FIFTY, max_size=FIFTY))
def test_fifty_nasty_values_arrive_byte_for_byte(generated: list[str]) -> None:
    values = {f"VALUE_{number:02}": value for number, value in enumerate([*NASTY, *generated])}
    # What no environment can carry, a file can.
    files = {**{name.lower(): value for name, value in values.items()}, "nul": "a\0b"}
    start(values, files)
    environment, *contents = read("/proc/1/environ", *(f"/run/secrets/{name}" for name in files))
    found = dict(line.split(b"=", 1) for line in environment.split(b"\0") if line.startswith(b"VALUE_"))
    assert found == {name.encode(): value.encode() for name, value in values.items()}
    assert dict(zip(files, contents, strict=True)) == {name: value.encode() for name, value in files.items()}


def test_a_file_secret_does_not_stand_in_what_the_engine_says(directory: None) -> None:
    start({"A": "in-the-environment"}, {"key": "in-the-file"})
    name = compose("ps", "--format", "{{.Name}}").strip()
    said = on(HOST, "docker", "inspect", name)
    assert "in-the-environment" in said
    assert "in-the-file" not in said
