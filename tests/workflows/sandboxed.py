"""The repository on the sandbox: its workflows deploy to the sandbox's hosts, by Ansible itself and the collection itself.

What stands in: GitHub (forge.py), the workflow's own tests (make), and the ways of the Internet: the sandbox's registry is
ghcr.io, and a site is the port on which this machine has it. Images are built and pushed for real, by digest.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.world import HOSTS, LABEL, REGISTRY, STANDARD_HOSTS, STATE, VAULT_PASSWORDS, Host
from tests.acceptance.world import BASE, PRODUCTION, ROOT, STAGING, Environment, on
from tests.workflows.forge import Environment as Rules
from tests.workflows.forge import Event, Run, Trees
from tests.workflows.steps import ACTIONS, Ended, Machine
from tests.workflows.world import World

# Each run's log, of the last time.
LOGS = ROOT / ".cache" / "workflows-sandbox"
# Not of the repository, whatever Git says of them: a checkout has none of them.
_LOCAL = (".git", ".venv", ".cache", ".deploy", ".sandbox")
_WAYS = """
import json, pathlib, socket

ways = json.loads((pathlib.Path(__file__).parent / "ways.json").read_text())
connects = socket.create_connection


def connect(address, *more, **said):
    return connects(tuple(ways.get(":".join(map(str, address)), address)), *more, **said)


socket.create_connection = connect
"""


def commit() -> str:
    """Of a push; each is another one."""
    return secrets.token_hex(20)


class Sandboxed(World):
    """``directory``: a short path, for names of SSH's sockets are made of it. ``repository``: what is checked out."""

    def __init__(self, directory: Path, change: Callable[[Trees], None] | None = None, repository: Path = ROOT) -> None:
        def changed(trees: Trees) -> None:
            if change:
                change(trees)
            for path, tree in trees.items():
                trees[path] = without_registry(tree)

        super().__init__(directory, changed)
        self.images: list[str] = []
        self.forge.shell = {"STAND_IN_TOOLS": str(Path(sys.executable).parent)}
        self.forge.actions = {
            "actions/checkout": ({"persist-credentials"}, checkout_of(repository)),
            "docker/build-push-action": (ACTIONS["docker/build-push-action"][0], self._build_push),
        }
        ways = directory / "ways"
        ways.mkdir()
        (ways / "sitecustomize.py").write_text(_WAYS)
        (ways / "ways.json").write_text(json.dumps({f"{one.site}:443": ("127.0.0.1", one.port) for one in (STAGING, PRODUCTION)}))
        shutil.copy(STATE / "ca.pem", ways)
        self._give_secrets()
        if repository == ROOT:
            self._add_what_the_demo_names()

    def _give_secrets(self) -> None:
        """To each environment the way to its own hosts, and the password of its own vault."""
        for name, rules in list(self.forge.environments.items()):
            place = name.partition("-")[0]
            if place in VAULT_PASSWORDS:
                hosts = [host for host in STANDARD_HOSTS if host.place.environment == place]
                said = way_to(*hosts) | {"VAULT_PASSWORD": VAULT_PASSWORDS[place]}
                mine = {key: said.get(key, value) for key, value in rules.secrets.items()}
                self.forge.environments[name] = Rules(mine, rules.refs, rules.reviewers)

    def _add_what_the_demo_names(self) -> None:
        """What the inventories of the demo read beside them, and no key of hosts and no password: those are secrets of GitHub."""
        blocks = [f"Host {one.name}\n    HostName 127.0.0.1\n    Port {one.ssh_port}\n    User deploy\n" for one in HOSTS]
        self.write(".sandbox/ssh_config", "\n".join(blocks))
        for path in [STATE / "ca.pem", *(STATE / "tls").glob("*.pem")]:
            self.write(f".sandbox/{path.relative_to(STATE)}", path.read_text())
        for name in ("staging", "production"):
            # Who may get in, as `make provisioned` has recorded it. Real hosts' is committed.
            baselines = f"inventories/{name}/baselines.json"
            self.write(baselines, (ROOT / baselines).read_text())

    def _build_push(self, machine: Machine, said: Mapping[str, str]) -> Ended:
        if not (machine.logged_in and machine.may("packages", "write")):
            return "failure", {}
        context = machine.workspace / said["context"]
        name, digest, output = pushed_image(context, said["tags"], dict(line.split("=") for line in said["build-args"].split()))
        machine.log(f"## docker/build-push-action: {name}\n{output}")
        self.images.append(name)
        self.forge.registry[said["tags"]] = digest
        (self.directory / "registry.json").write_text(json.dumps(self.forge.registry))
        return "success", {"digest": digest}

    def does(self, event: Event, workflow: str) -> Run:
        """The run of one workflow, told and kept: a night begins others, too."""
        run = self.happens(event, workflow)[workflow]
        self.keep(run)
        return run

    def keep(self, run: Run) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        text = told(run, self)
        print(f"\n{text}")
        (LOGS / f"{run.workflow}-{self.directory.name}-{run.number}.log").write_text(text)

    def removes_its_images(self) -> None:
        """From this machine's engine. Hosts forget theirs as their releases go."""
        if self.images:
            subprocess.run(["docker", "rmi", "--force", *self.images], capture_output=True, check=True)


def told(run: Run, world: World) -> str:
    """What GitHub shows of a run: jobs, steps, what the scripts have printed, and the lines of the summary that they have not."""
    event = run.event
    lines = [f"{run.workflow}: {event.name} of {event.ref} by {event.actor} at {event.sha[:12]}: {run.conclusion}"]
    for name, job in run.jobs.items():
        lines.append(f"  {name}: {job.result}{f' ({job.why})' if job.why else ''}")
        lines += [f"    {step}: {result}" for step, result in job.steps.items()]
    log = run.directory / "log.txt"
    printed = log.read_text() if log.exists() else ""
    summary = [line for line in run.summary.splitlines() if line.strip() and line not in printed and not line.startswith("```")]
    return "\n".join([*lines, "--- log", printed, "--- summary", *summary, ""])


def without_registry(tree: Any) -> Any:
    """Names of images without ghcr.io: the hosts' engines take the sandbox's registry for the one of names that name none."""
    if isinstance(tree, dict):
        return {key: without_registry(one) for key, one in tree.items()}
    if isinstance(tree, list):
        return [without_registry(one) for one in tree]
    return tree.replace("ghcr.io/", "") if isinstance(tree, str) else tree


def way_to(*hosts: Host) -> dict[str, str]:
    known = (STATE / "known_hosts").read_text().splitlines(keepends=True)
    lines = [line for line in known if line.split()[0] in {f"[127.0.0.1]:{host.ssh_port}" for host in hosts}]
    assert len(lines) == len(hosts)
    return {"SSH_KEY": (STATE / "id_ed25519").read_text(), "SSH_KNOWN_HOSTS": "".join(lines)}


def checkout_of(repository: Path) -> Callable[[Machine, Mapping[str, str]], Ended]:
    """The action: copies what Git has of ``repository``, as it is now, and over it what the test has written."""

    def checkout(machine: Machine, said: Mapping[str, str]) -> Ended:
        words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=True).stdout.split("\0")
        for name in filter(None, names):
            source, there = repository / name, machine.workspace / name
            if Path(name).parts[0] in _LOCAL or not (source.exists() or source.is_symlink()):
                continue
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, there, follow_symlinks=False)
        # What pip would fetch again.
        if (repository / "services" / ".packages").exists():
            shutil.copytree(repository / "services" / ".packages", machine.workspace / "services" / ".packages")
        if (machine.forge.directory / "sources").exists() and repository == ROOT:
            shutil.copytree(machine.forge.directory / "sources", machine.workspace, dirs_exist_ok=True)
        return "success", {}

    return checkout


def pushed_image(context: Path, name: str, arguments: Mapping[str, str]) -> tuple[str, str, str]:
    """Builds and pushes ``name``, <repository>:<tag>. Its name on this machine, its digest in the registry, what was printed."""
    full = f"{REGISTRY}/{name}"
    words = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    output = ""
    for command in (["build", "--quiet", "--label", LABEL, "--tag", full, *words, str(context)], ["push", "--quiet", full]):
        done = subprocess.run(["docker", *command], capture_output=True, text=True, check=False)
        output += done.stdout + done.stderr
        assert done.returncode == 0, output
    look = ["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", full]
    digests = json.loads(subprocess.run(look, capture_output=True, text=True, check=True).stdout)
    [digest] = {one.partition("@")[2] for one in digests if one.startswith(full.rpartition(":")[0] + "@")}
    return full, digest, output


def served_images(environment: Environment) -> dict[str, dict[str, str]]:
    """Host -> service -> the image of its replicas, as the engine was told it."""
    found: dict[str, dict[str, str]] = {}
    for host in environment.hosts:
        shown = '{{index .Config.Labels "com.docker.compose.service"}} {{.Config.Image}}'
        lines = on(host, "docker", "inspect", "--format", shown, *environment.containers(host).values()).splitlines()
        found[host] = dict(line.split() for line in lines)
    return found


def last_run(environment: Environment) -> dict[str, Any]:
    """The last line of the environment's history."""
    line = on(environment.hosts[0], "tail", "-n1", f"{BASE}/history/{environment.name}.jsonl")
    read: dict[str, Any] = json.loads(line)
    return read
