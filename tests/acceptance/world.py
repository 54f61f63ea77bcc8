"""Environments of the sandbox as a person has them: commands typed at the root of the repository, and what hosts show."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import yaml

from tests.commands import environment
from tests.hangs import HANGS_AFTER_SECONDS
from tests.load import Load, Settings

ROOT = Path(__file__).parents[2]
CA = ROOT / ".sandbox" / "ca.pem"
BIN = Path(sys.executable).parent
# On the hosts.
BASE = "/var/lib/morpheus.deploy"
STACK = f"{BASE}/stacks/morpheus"
# Requests a second over kept connections: two lanes share the processors with the hosts. Where requests are what a test is about,
# it has the load of the benchmark.
RATE, FULL_RATE = 50.0, 100.0
# Of these, where three lanes and all other tests have two processors.
SHARE_IN_A_LANE = 0.3


@dataclass(frozen=True)
class Run:
    """What a command printed and how it ended."""

    code: int
    output: str
    seconds: float


@dataclass(frozen=True)
class Environment:
    name: str
    site: str
    port: int
    hosts: tuple[str, ...]
    inventories: str = "inventories"
    # Of the rates of requests that are answered at once.
    share: float = 1.0

    def copied(self, root: Path) -> Environment:
        """With copies of the inventories and stacks below ``root``, at the same distance from everything that they name."""
        for name in ("inventories", "stacks"):
            shutil.copytree(ROOT / name, root / name)
        (root / ".sandbox").symlink_to(ROOT / ".sandbox")
        return replace(self, inventories=str(root / "inventories"))

    def deploy(self, release: str = "", *options: str) -> Run:
        chosen = ("-e", f"stack_release={release}") if release else ()
        return self.play("deploy.yml", *chosen, *options)

    def deployed(self, release: str, *options: str) -> Run:
        """A deploy that has to succeed, whatever was there before."""
        run = self.deploy(release, *options)
        assert run.code == 0, run.output
        return run

    def play(self, playbook: str, *options: str, inventory: Path | None = None) -> Run:
        """``inventory``: another one than the environment's own."""
        return play(playbook, inventory or f"{self.inventories}/{self.name}", *options)

    def command(self, playbook: str, *options: str) -> list[str]:
        return command_line(playbook, f"{self.inventories}/{self.name}", *options)

    @contextmanager
    def begun(self, release: str, *options: str) -> Iterator[subprocess.Popen[str]]:
        """A deploy that goes on meanwhile, in a process group of its own. Ended when it is still there at the end."""
        command = self.command("deploy.yml", "-e", f"stack_release={release}", *options)
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=activated(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as run:
            try:
                yield run
            finally:
                if run.poll() is None:
                    os.killpg(run.pid, signal.SIGKILL)

    def rolling(self, host: str = "") -> str:
        """Id of the release to which a host, the first one if none is named, is being switched now."""
        found = json.loads(on(host or self.hosts[0], "cat", f"{STACK}/lineage.json"))["rolling"]
        return str(found["id"]) if found else ""

    def live(self) -> str:
        """Id of the release that is live on the first host."""
        return str(json.loads(on(self.hosts[0], "cat", f"{STACK}/lineage.json"))["trail"][-1])

    def at_step(self, action: str, host: str = "") -> bool:
        """Whether the rollout that is under way has begun a step of this kind."""
        lines = on(host or self.hosts[0], "cat", f"{STACK}/journal.jsonl").rpartition('"event": "begin"')[2]
        return bool(self.rolling(host)) and f'"action": "{action}"' in lines

    def lease(self) -> str:
        """File of the lease that a run holds now; empty when nobody does. What a killed renewal has left (.new) is none."""
        return on(self.hosts[0], "sh", "-c", f"ls {BASE}/leases/{self.name}/beat.*[0-9] 2>/dev/null || true")

    def history(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in on(self.hosts[0], "cat", f"{BASE}/history/{self.name}.jsonl").splitlines()]

    def verdict(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((ROOT / ".deploy" / self.name / "verdict.json").read_text())
        return found

    def health(self) -> tuple[int, Mapping[str, Any]]:
        """Status and body of /health as a user of the site gets it."""
        status, _, body = self.ask("/health")
        return status, json.loads(body)

    def ask(
        self, path: str, accept: str = "*/*", more: Mapping[str, str] | None = None, told: Any = None
    ) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and body as a user of the site gets them, on a connection of its own. ``told``: is posted, as JSON."""
        context = ssl.create_default_context(cafile=str(CA))
        body = None if told is None else json.dumps(told)
        kind = {} if told is None else {"Content-Type": "application/json"}
        with closing(At(self.site, self.port, context)) as connection:
            headers = {"Accept": accept, **kind, **(more or {})}
            connection.request("GET" if told is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return (
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                answer.read().decode(errors="replace"),
            )

    def containers(self, host: str, service: str = "") -> dict[str, str]:
        """Name -> id of the stack's running containers on a host, of one service or of all."""
        project = ["--filter", "label=com.docker.compose.project=morpheus"]
        own = ["--filter", f"label=com.docker.compose.service={service}"] if service else []
        lines = on(host, "docker", "ps", "--no-trunc", *project, *own, "--format", "{{.Names}} {{.ID}}").splitlines()
        return dict(line.split() for line in lines)

    def everything(self) -> dict[str, str]:
        """What a deploy could change on each host: containers, every file of ours with its hash, HAProxy's servers.

        Who was there last is told by the lease, the fence, the journal, the history and the metrics, and when the database was
        asked last by ledger.json; that is no change.
        """
        state = {}
        for host in self.hosts:
            other = "! -name '*.jsonl' ! -name 'fence.*' ! -name ledger.json ! -path '*/leases/*' ! -path '*/metrics/*'"
            files = f"find {BASE} /etc/docker /etc/morpheus.deploy -type f {other} | sort | xargs sha256sum"
            state[host] = "\n".join([str(self.containers(host)), on(host, "sh", "-c", files), admitted(host)])
        return state

    def load(self, **options: Any) -> Load:
        options.setdefault("rate_keepalive", RATE)
        options |= {rate: self.share * options[rate] for rate in ("rate_keepalive", "rate_new") if rate in options}
        return Load(Settings(url=f"https://{self.site}", connect=f"127.0.0.1:{self.port}", ca=str(CA), **options))


class At(HTTPSConnection):
    """TLS for a site's name on a port of this machine."""

    def __init__(self, site: str, port: int, context: ssl.SSLContext, timeout: float = 10) -> None:
        super().__init__(site, port, context=context, timeout=timeout)

    def connect(self) -> None:
        self.host, name = "127.0.0.1", self.host
        super(HTTPSConnection, self).connect()
        self.host = name
        assert isinstance(self._context, ssl.SSLContext)  # type: ignore[attr-defined]
        self.sock = self._context.wrap_socket(self.sock, server_hostname=name)  # type: ignore[attr-defined]


def activated() -> dict[str, str]:
    """Variables as in a shell where the environment has been activated, which is how the docs run every command."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    # What tests read of tasks and hosts is Ansible's own recap; test_live.py looks at what is shown in its place.
    return {**environment(), "PATH": path, "ANSIBLE_STDOUT_CALLBACK": "default"}


def command_line(playbook: str, inventory: str | Path, *options: str) -> list[str]:
    return [str(BIN / "ansible-playbook"), playbook, "-i", str(inventory), *options]


def play(playbook: str, inventory: str | Path, *options: str) -> Run:
    start = time.monotonic()
    done = subprocess.run(
        command_line(playbook, inventory, *options),
        cwd=ROOT,
        env=activated(),
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_SECONDS,
        check=False,
    )
    return Run(done.returncode, done.stdout + done.stderr, time.monotonic() - start)


STAGING = Environment("staging", "staging.morpheus.app", 8443, ("staging-app-1",))
PRODUCTION = Environment("production", "morpheus.app", 9443, ("production-app-1", "production-app-2"))


@contextmanager
def without_registry(host: str) -> Iterator[None]:
    """``host`` alone does not reach it: others may pull meanwhile."""
    reach = ("timeout", "2", "bash", "-c", ": < /dev/tcp/registry.sandbox/5000 && echo reached")
    route = ("blackhole", on(host, "getent", "hosts", "registry.sandbox").split()[0])
    assert on(host, *reach, check=False).strip() == "reached"
    on(host, "ip", "route", "add", *route)
    try:
        assert on(host, *reach, check=False) == ""
        yield
    finally:
        on(host, "ip", "route", "del", *route)


_SERVERS = """
import socket
connection = socket.socket(socket.AF_UNIX)
connection.connect("/var/lib/morpheus.deploy/edge/run/admin.sock")
connection.sendall(b"show servers state\\n")
table = b""
while chunk := connection.recv(65536):
    table += chunk
rows = [line.split() for line in table.decode().splitlines() if line[:1].isdigit() and " " in line]
print(sorted((row[1], row[17]) for row in rows if {condition}))
"""


# The module is the Python process that holds the lock of the rollout; Compose, which it may have started, holds it too. With
# pipelining no command line names the module.
ROLLOUT_PROCESSES = """
import os
def rollout_processes():
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            open_files = [os.readlink(f"/proc/{process}/fd/{fd}") for fd in os.listdir(f"/proc/{process}/fd")]
            if any(path.endswith("rollout.lock") for path in open_files) and "python" in os.readlink(f"/proc/{process}/exe"):
                yield int(process)
        except OSError:
            pass
"""

# Whatever module is at work is the Python of the host itself, and not of a container.
MODULE_PROCESSES = """
import os
own = os.stat("/proc/self/ns/mnt").st_ino
def modules():
    for process in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            same = os.stat(f"/proc/{process}/ns/mnt").st_ino == own and process != os.getpid()
            if same and "python" in os.readlink(f"/proc/{process}/exe"):
                yield process
        except OSError:
            pass
"""


def kill_modules(host: str) -> None:
    """Kill the modules that are at work on ``host``, of which there must be one."""
    script = MODULE_PROCESSES + "found = list(modules())\nassert found\nfor process in found: os.kill(process, 9)"
    on(host, "python3", "-c", script)


def signal_rollout(host: str, number: signal.Signals) -> None:
    """Send a signal to the module that is switching ``host``, which must be at work."""
    script = ROLLOUT_PROCESSES + "found = list(rollout_processes())\nassert found\n"
    on(host, "python3", "-c", script + f"for process in found: os.kill(process, {int(number)})")


@contextmanager
def edited_stack(inventories: Path) -> Iterator[dict[str, Any]]:
    """``stack`` of staging, to be changed in place; written at the end. ``inventories``: copies."""
    path = inventories / "staging" / "group_vars" / "all" / "stack.yml"
    variables = yaml.safe_load(path.read_text())
    yield variables["stack"]
    path.write_text(yaml.safe_dump(variables))


def by_command(stack: dict[str, Any], *, at_every_release: bool = False) -> None:
    """Let the example's migrations be run by a command of the image, as previews do it, and not by Supabase's engine.

    ``at_every_release``: and not only when the ledger lacks one.
    """
    stack["compose_files"].insert(1, "compose.migrate.yml")
    stack["migration"] = {"service": "migrate", "directory": "supabase/migrations", "reader": "ledger.DATABASE_URL"}
    if at_every_release:
        stack["migration"] |= {"ledger": "", "reader": ""}


def edit_vault(inventory: Path, **values: str) -> None:
    """Change values in the encrypted file of an inventory, as ansible-vault edit does."""
    path = inventory / "group_vars" / "vault.yml"
    vault = [str(BIN / "ansible-vault")]
    text = subprocess.run([*vault, "view", str(path)], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    encrypt = [*vault, "encrypt", "--encrypt-vault-id", inventory.name, "--output", str(path), "-"]
    content = yaml.safe_dump(yaml.safe_load(text) | values)
    subprocess.run(encrypt, cwd=ROOT, input=content, capture_output=True, text=True, check=True)


def on(host: str, *command: str, check: bool = True) -> str:
    """Output of a command inside a host."""
    done = subprocess.run(
        ["docker", "exec", host, *command], capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=False
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def sandbox(command: str, host: str) -> None:
    """Take one of its hosts away ("down"), or bring it up."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", command, "--hosts", host],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def made_anew(host: str) -> Iterator[None]:
    """One of its hosts without an engine and without an owner; taken away in the end."""
    sandbox("down", host)
    sandbox("up", host)
    try:
        yield
    finally:
        sandbox("down", host)


@contextmanager
def without_power(host: str) -> Iterator[None]:
    """The plug is pulled, and in the end put in again."""
    _power("kill", host)
    try:
        yield
    finally:
        _power("start", host)
        eventually(lambda: on(host, "docker", "ps", "--quiet", check=False), f"the engine of {host} answers again")
        eventually(lambda: on(host, "systemctl", "is-active", "ssh", check=False).strip() == "active", f"{host} can be reached")


def _power(word: str, host: str) -> None:
    subprocess.run(["docker", word, host], check=True, capture_output=True, timeout=HANGS_AFTER_SECONDS)


def admitted(host: str) -> str:
    """Backend and container of every server that HAProxy sends new requests to."""
    return _servers(host, "not int(row[6]) & 0x2b")


def without_address(host: str) -> str:
    """Backend and name of every server that HAProxy has no address of, so that it could be given one by DNS only."""
    return _servers(host, 'row[17] != "-" and row[4] == "-"')


def _servers(host: str, condition: str) -> str:
    """Backend and name of every server whose ``row`` of ``show servers state`` fulfils a condition."""
    return on(host, "python3", "-c", _SERVERS.format(condition=condition)).strip()


# Only so that a test ends some time.
PATIENCE_SECONDS = float(HANGS_AFTER_SECONDS)


def eventually(question: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true answer to ``question``."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


def says(run: Run, words: Sequence[str]) -> None:
    """Assert that a run's output holds all of ``words``; line breaks of the screen do not count."""
    flat = " ".join(run.output.split())
    missing = [word for word in words if " ".join(word.split()) not in flat]
    assert not missing, f"{missing} not in:\n{run.output}"
