"""Previews from nothing to a served URL and back, by what docs/previews.md tells people to type: two at once, one of them killed
half-way, each with a branch of staging's project and a database of its own, and both gone without a trace.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.world import PREVIEW_DOMAIN, PREVIEW_HOST, SERVICES, SUPABASE_IMAGE, SUPABASE_PROJECTS, SUPABASE_TOKENS
from tests.acceptance.world import BASE, BIN, ROOT, Environment, Run, activated, eventually, kill_modules, made_anew, on, says
from tests.documented import Command, commands
from tests.hangs import HANGS_AFTER_SECONDS

# Beside nobody who begins the stand-in of Supabase anew.
pytestmark = [pytest.mark.deep, pytest.mark.lane("rest")]

HOST = PREVIEW_HOST.name
[HTTPS] = [published for published, port in PREVIEW_HOST.edge_ports if port == 443]
PREVIEW = Environment("preview", PREVIEW_DOMAIN, HTTPS, (HOST,))
# Staging's project, and where its branches have their databases.
REF = SUPABASE_PROJECTS["staging"]
[TOKEN] = [token for token, environment in SUPABASE_TOKENS.items() if environment == "staging"]
[APIS] = [service for service in SERVICES if service.image == SUPABASE_IMAGE]
# As the controller, which asks no name server of the sandbox, reaches it.
[API] = [f"http://{place.address}" for place in APIS.places if place.environment == "staging"]

SET_UP = commands("previews.md", "## Set it up")
MAKE, REMOVE, LIST = commands("previews.md", "## Make one, and remove it")
# As the page says it for two at once.
WAITS = ("-e", "lease_wait_seconds=600")

VAULT = {
    "vault_staging_branches_token": TOKEN,
    "vault_mock_key": "preview-mock-demo-key",
    "vault_session_secret": "preview-session-demo-secret",
}
# What the sandbox's hosts need, and hosts of one's own do not.
SANDBOX = {
    "ansible_ssh_common_args": "-F {{ inventory_dir }}/../../.sandbox/ssh_config",
    "ansible_user": "deploy",
    "ansible_python_interpreter": "/usr/bin/python3",
    "docker_engine_registry_mirrors": ["http://registry.sandbox:5000"],
    "docker_engine_dns": ["172.17.0.1"],
    "edge_certificate_paths": {"previews": f"{{{{ inventory_dir }}}}/../../.sandbox/tls/{PREVIEW_DOMAIN}.pem"},
}

# By backend, server and entry of a map: addresses in memory and counters say nothing.
_EDGE = f"""
import socket
def said(command):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect("{BASE}/edge/run/admin.sock")
    connection.sendall(command.encode() + b"\\n")
    text = b""
    while chunk := connection.recv(65536):
        text += chunk
    return text.decode().splitlines()
for line in said("show servers state"):
    if line[:1].isdigit() and " " in line:
        print("server", *line.split()[1:4:2])
for line in said("show backend")[1:]:
    print("backend", line)
for line in said("show map")[1:]:
    if line.strip():
        for entry in said("show map #" + line.split()[0]):
            print("map", line.split()[1], *entry.split()[1:])
"""
# Of a host, what a preview can leave there.
_LISTED = {
    "containers": ("docker", "ps", "--all", "--format", "{{.Names}}"),
    "volumes": ("docker", "volume", "ls", "--format", "{{.Name}}"),
    "networks": ("docker", "network", "ls", "--format", "{{.Name}}"),
    "images": ("docker", "images", "--all", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"),
    "files": ("find", BASE, "-mindepth", "1", "-printf", "%P\\n"),
    "files that name one": (
        "sh",
        "-c",
        f"cd {BASE} && grep -rlE '\\bpr-[0-9]+\\b' --exclude-dir=history --exclude-dir=leases . || true",
    ),
    "edge": ("python3", "-c", _EDGE),
}
_DATABASES = "find /var/lib/branches -mindepth 1 -maxdepth 1; ls -l /proc/[0-9]*/exe | grep -o '[^/]*/postgres$'"
# Of runs and not of a preview, on every host that one has deployed to: who was here, and by what a late ghost of it is refused.
_OF_RUNS = re.compile(r"(history|leases|metrics)(/.*)?|stacks(/fence\.\w+)?|edge/files\.lock")


def asked(path: str) -> Any:
    """By the Management API, as whoever holds the token."""
    request = urllib.request.Request(f"{API}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=HANGS_AFTER_SECONDS) as answer:
        return json.load(answer)


def branches() -> dict[str, str]:
    """Name -> reference."""
    return {one["name"]: one["project_ref"] for one in asked(f"/v1/projects/{REF}/branches")}


def what_there_is() -> dict[str, list[str]]:
    found = {what: on(HOST, *command).splitlines() for what, command in _LISTED.items()}
    found["files"] = [path for path in found["files"] if not _OF_RUNS.fullmatch(path)]
    found["branches"] = list(branches())
    found["databases"] = on(APIS.name, "sh", "-c", _DATABASES, check=False).splitlines()
    return {what: sorted(lines) for what, lines in found.items()}


@dataclass(frozen=True)
class Previews:
    environment: Environment

    def typed(self, command: Command, name: str = "", release: str = "", *more: str) -> list[str]:
        """What a person puts in the place of the page's pull request and of its tag."""
        options = [option.replace("pr-12", name) for option in command.filled({"tag": release})]
        assert command.environment == self.environment.name
        return self.environment.command(command.playbook, *options, *more)

    def done(self, command: Command, name: str = "", release: str = "", *more: str) -> Run:
        began = time.monotonic()
        line = self.typed(command, name, release, *more)
        ended = subprocess.run(
            line, cwd=ROOT, env=activated(), capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=False
        )
        run = Run(ended.returncode, ended.stdout + ended.stderr, time.monotonic() - began)
        assert run.code == 0, f"{command.line}\n{run.output}"
        for secret in VAULT.values():
            assert secret not in run.output, command.line
        return run

    def killed_at(self, action: str, name: str, release: str) -> None:
        """Made, until its rollout is at a step of this kind; then the whole run is killed."""
        journal = f"{BASE}/stacks/preview-{name}/journal.jsonl"

        def is_there() -> bool:
            last = on(HOST, "cat", journal, check=False).rpartition('"event": "begin"')[2]
            return f'"action": "{action}"' in last

        with self._until(is_there, self.typed(MAKE, name, release, *WAITS)) as run:
            os.killpg(run.pid, signal.SIGKILL)

    def killed_on_the_host_while_it_is_removed(self, name: str) -> None:
        """When one of its containers is gone, and others are not."""
        listed = ("docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project=preview-{name}")
        before = len(on(HOST, *listed).split())
        with self._until(lambda: len(on(HOST, *listed).split()) < before, self.typed(REMOVE, name, "", *WAITS)) as run:
            kill_modules(HOST)
            output, _ = run.communicate(timeout=HANGS_AFTER_SECONDS)
            assert run.returncode != 0, output

    @contextmanager
    def _until(self, is_there: Callable[[], bool], line: list[str]) -> Iterator[subprocess.Popen[str]]:
        """The run that has begun with it, when it is so far."""
        with subprocess.Popen(
            line, cwd=ROOT, env=activated(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        ) as run:

            def is_so_far() -> bool:
                assert run.poll() is None, f"it ended before anybody could kill it\n{run.stdout and run.stdout.read()}"
                return is_there()

            try:
                eventually(is_so_far, " ".join(line))
                yield run
            finally:
                if run.poll() is None:
                    os.killpg(run.pid, signal.SIGKILL)

    def site(self, name: str) -> Environment:
        return replace(self.environment, site=f"{name}.{PREVIEW_DOMAIN}")


def titles(login: Mapping[str, Any]) -> list[str]:
    """Of all stories in the database of a branch."""
    psql = ["psql", "-XAt", f"--host={login['db_host']}", f"--port={login['db_port']}", f"--username={login['db_user']}"]
    password = f"PGPASSWORD={login['db_pass']}"
    return on(APIS.name, "env", password, *psql, "--command=select title from stories", "postgres").splitlines()


@pytest.fixture
def previews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Previews]:
    """A bare host, and the inventory to be read with this host in it and with a vault."""
    monkeypatch.setenv("MORPHEUS_VAULT_PASSWORD_PREVIEW", "preview-demo-vault")
    found = Previews(PREVIEW.copied(tmp_path))
    inventory = tmp_path / "inventories" / "preview"
    app = yaml.safe_load((inventory / "hosts.yml").read_text())["app"]
    app["hosts"] = {HOST: None}
    app["vars"]["preview_project"]["api_url"] = API
    (inventory / "hosts.yml").write_text(yaml.safe_dump({"app": app}))
    (inventory / "group_vars" / "all").mkdir(parents=True)
    (inventory / "group_vars" / "all" / "sandbox.yml").write_text(yaml.safe_dump(SANDBOX))
    encrypt = [str(BIN / "ansible-vault"), "encrypt", "--encrypt-vault-id", "preview", "--output"]
    vault = [*encrypt, str(inventory / "group_vars" / "vault.yml"), "-"]
    subprocess.run(vault, cwd=ROOT, env=activated(), input=yaml.safe_dump(VAULT), capture_output=True, text=True, check=True)
    with made_anew(HOST):
        try:
            yield found
        finally:
            for name, ref in branches().items():
                if name.startswith("preview-"):
                    headers = {"Authorization": f"Bearer {TOKEN}"}
                    urllib.request.urlopen(urllib.request.Request(f"{API}/v1/branches/{ref}", headers=headers, method="DELETE"))


def test_two_previews_at_once_one_killed_half_way_and_nothing_is_left_of_either(
    previews: Previews, capsys: pytest.CaptureFixture[str]
) -> None:
    took: list[tuple[str, float]] = []
    for command in SET_UP:
        took.append((command.line, previews.done(command).seconds))
    before = what_there_is()
    releases = {"pr-1": "1.0.0", "pr-2": "1.1.0"}

    # Two pull requests at once. The second one's run is killed while its replicas are looked at, and the same command goes on.
    with ThreadPoolExecutor() as pool:
        first = pool.submit(previews.done, MAKE, "pr-1", releases["pr-1"], *WAITS)
        previews.killed_at("gate", "pr-2", releases["pr-2"])
        made = [first.result(), previews.done(MAKE, "pr-2", releases["pr-2"], *WAITS)]
    for (name, release), run in zip(releases.items(), made, strict=True):
        says(run, [f"https://{name}.{PREVIEW_DOMAIN} is served, and expires 72 hours after it was begun"])
        took.append((f"{name}, release {release}", run.seconds))

    for name, release in releases.items():
        site = previews.site(name)
        status, body = site.health()
        assert (status, body["version"], body["environment"]) == (200, release, "preview")
        assert site.ask("/")[0] == 200
        assert site.ask("/api/stories", told={"title": f"of {name}", "text": "A lamp."})[0] == 201
    listed = branches()
    assert sorted(listed) == ["preview-pr-1", "preview-pr-2"]
    for name in releases:
        stories = json.loads(previews.site(name).ask("/api/stories")[2])
        assert [story["title"] for story in stories] == [f"of {name}"]
        assert titles(asked(f"/v1/branches/{listed[f'preview-{name}']}")) == [f"of {name}"]
    with_both = what_there_is()
    assert all(set(before[what]) < set(with_both[what]) for what in ("containers", "networks", "images", "files", "edge"))
    says(previews.done(LIST), ["previews: - pr-1 - pr-2"])

    # What is removed by halves is removed by the same command, and keeps its branch until then.
    previews.killed_on_the_host_while_it_is_removed("pr-2")
    assert sorted(branches()) == ["preview-pr-1", "preview-pr-2"]
    for name in releases:
        run = previews.done(REMOVE, name, "", *WAITS)
        took.append((f"{name}, absent", run.seconds))
        assert previews.site(name).ask("/health")[0] != 200
    left = what_there_is()
    differs = {what: sorted(set(lines) ^ set(before[what])) for what, lines in left.items()}
    assert json.dumps(differs, indent=1) == json.dumps({what: [] for what in before}, indent=1)
    with capsys.disabled():
        print("\n" + "\n".join(f"  {seconds:6.1f} s  {what}" for what, seconds in took))
        for what, lines in before.items():
            print(f"  {what:19} {len(lines):3} before, {len(with_both[what]):3} with both, {len(left[what]):3} afterwards")
