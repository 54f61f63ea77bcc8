"""A Docker engine with Compose and buildx: the one that runs, or one installed from Debian packages and started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from sandbox.shell import SandboxError, comes, run, succeeds

_PACKAGES = ("docker.io", "docker-cli", "docker-buildx", "docker-compose", "iptables")
# Ubuntu has the client in docker.io, and its docker-compose is the old program.
_UBUNTU_PACKAGES = ("docker.io", "docker-buildx", "docker-compose-v2", "iptables")
_PLUGINS = ("buildx", "compose")
_DISTRIBUTION_PLUGINS = (Path("/usr/libexec/docker/cli-plugins"), Path("/usr/lib/docker/cli-plugins"))
_LOCAL_PLUGINS = Path("/usr/local/lib/docker/cli-plugins")
_PATIENCE_SECONDS = 60

# Makefile's targets that install packages run beside the sandbox, and take the same lock.
_ALONE = ("flock", "--timeout", "900", "/run/lock/morpheus-deploy.apt")
_TRIXIE_SOURCE = Path("/etc/apt/sources.list.d/morpheus-sandbox-trixie.sources")
_TRIXIE_PIN = Path("/etc/apt/preferences.d/morpheus-sandbox-trixie")
_TRIXIE_SOURCE_TEXT = """\
Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
# Only what Debian 12 has too old or not at all; containerd and runc stay with the release of the machine.
_TRIXIE_PIN_TEXT = """\
Package: *
Pin: release n=trixie
Pin-Priority: 1

Package: docker.io docker-cli docker-compose docker-buildx
Pin: release n=trixie
Pin-Priority: 990
"""


def ensure_engine(state: Path) -> str:
    """An engine answers, and `docker compose` and `docker buildx` work with the client that is first in PATH."""
    outcome = "already runs"
    if not answers():
        outcome = "started"
        if not succeeds("dockerd", "--version"):
            install(*_packages(), what="Installing the Docker engine")
            outcome = "installed and started"
        _start(state)
    _ensure_plugins()
    version = run("docker", "version", "--format", "{{.Server.Version}}", what="Asking the engine for its version")
    return f"{version.strip()} {outcome}"


def answers() -> bool:
    """True when an engine answers the client."""
    return succeeds("docker", "info", timeout_seconds=10)


def install(*packages: str, what: str) -> None:
    """Install Debian packages; needs root."""
    if os.geteuid() != 0:
        raise SandboxError(f"{what}: needs root\n  what to do: install {' '.join(packages)} yourself, or run as root")
    if _release() == ("debian", "12"):
        _TRIXIE_SOURCE.write_text(_TRIXIE_SOURCE_TEXT)
        _TRIXIE_PIN.write_text(_TRIXIE_PIN_TEXT)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    hint = "look at the package sources of this machine; the Debian mirror must answer"
    # A no-op unless an earlier installation was interrupted.
    run(*_ALONE, "dpkg", "--configure", "--pending", what=what, env=quiet)
    run(*_ALONE, "apt-get", "update", "--quiet", what=what, hint=hint, env=quiet)
    run(*_ALONE, "apt-get", "install", "--yes", "--no-install-recommends", *packages, what=what, hint=hint, env=quiet)


def stop_engine(state: Path) -> str:
    """Stop the engine if, and only if, this sandbox spawned it; an engine under systemd is the machine's own."""
    pid = _spawned_pid(state)
    if pid is None:
        return "not started by the sandbox, left running"
    os.kill(pid, signal.SIGTERM)
    _wait_for(lambda: not _is_dockerd(pid), f"The engine with process id {pid} ends")
    return "stopped"


def is_ours(state: Path) -> bool:
    """True when the running engine was spawned by this sandbox."""
    return _spawned_pid(state) is not None


def _start(state: Path) -> None:
    if Path("/run/systemd/system").is_dir():
        run("systemctl", "start", "docker", what="Starting the Docker engine", hint="journalctl -u docker")
        _wait_for(answers, "The Docker engine answers")
        return
    # One that is still shutting down holds the pid file, and a second would end at once.
    _wait_for(lambda: _spawned_pid(state) is None, "The engine that is shutting down ends")
    process = _spawn(state)
    _wait_for(lambda: answers() or process.poll() is not None, "The Docker engine answers")
    if process.poll() is not None:
        log = (state / "engine" / "dockerd.log").read_text(errors="replace").splitlines()[-15:]
        raise SandboxError("\n  | ".join([f"The Docker engine ended with status {process.returncode}", *log]))


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    if not comes(condition, _PATIENCE_SECONDS):
        raise SandboxError(f"{what}: not within {_PATIENCE_SECONDS} s\n  what to do: look at its log, run this again")


def _spawn(state: Path) -> subprocess.Popen[bytes]:
    home = state / "engine"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "dockerd.log").open("ab") as log:
        # A session of its own: Ctrl-C on `up` must not reach the engine.
        return subprocess.Popen(
            ["dockerd", "--pidfile", str(home / "dockerd.pid")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _spawned_pid(state: Path) -> int | None:
    try:
        pid = int((state / "engine" / "dockerd.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if _is_dockerd(pid) else None


def _is_dockerd(pid: int) -> bool:
    """A recorded number alone is no proof: after a reboot it may belong to any process."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return "(dockerd) " in status and "(dockerd) Z" not in status


def _packages() -> tuple[str, ...]:
    return _UBUNTU_PACKAGES if _release()[0] == "ubuntu" else _PACKAGES


def _release() -> tuple[str, str]:
    fields = dict(line.replace('"', "").split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return fields.get("ID", ""), fields.get("VERSION_ID", "")


def _ensure_plugins() -> None:
    """A client from elsewhere may not look where Debian puts the plugins; a link where every client looks mends it."""
    for plugin in _PLUGINS:
        if succeeds("docker", plugin, "version"):
            continue
        found = [path / f"docker-{plugin}" for path in _DISTRIBUTION_PLUGINS if (path / f"docker-{plugin}").exists()]
        if not found:
            package = next(name for name in _packages() if name.startswith(f"docker-{plugin}"))
            install(package, what=f"Installing docker {plugin}")
            found = [_DISTRIBUTION_PLUGINS[0] / f"docker-{plugin}"]
        if not succeeds("docker", plugin, "version"):
            _LOCAL_PLUGINS.mkdir(parents=True, exist_ok=True)
            link = _LOCAL_PLUGINS / f"docker-{plugin}"
            link.unlink(missing_ok=True)
            link.symlink_to(found[0])
        run("docker", plugin, "version", what=f"Looking for docker {plugin}", hint=f"install docker-{plugin}")
