"""The machines: systemd, SSH and room for an engine of their own, in containers without `--privileged`."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from sandbox.containers import ensure_container, wait_until_ready
from sandbox.ssh import host_key, public_key
from sandbox.world import HOST_IMAGE, Host

# `--privileged` asks for capabilities that the outer machine may not have itself; these take what there is.
_OPTIONS = (
    *("--cap-add", "ALL"),
    *("--security-opt", "seccomp=unconfined"),
    *("--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined"),
    *("--device-cgroup-rule", "a *:* rwm"),
    *("--cgroupns", "private"),
    *("--tmpfs", "/run"),
    *("--tmpfs", "/run/lock"),
    *("--tmpfs", "/tmp:exec,mode=1777"),
)
_DEPLOY_UID = 1000


def ensure_host(host: Host, state: Path) -> str:
    """The host runs and answers SSH as the user deploy."""
    # Without a name, so that it goes with its host: a machine that is recreated has an empty disk.
    options = (*_OPTIONS, "--volume", "/var/lib/docker")
    outcome = ensure_container(host.name, HOST_IMAGE, (host.place,), host.ports, options, _files(host, state))
    wait_until_ready(host.name, "ssh", "-F", state / "ssh_config", "-o", "ConnectTimeout=2", host.name, "true")
    return outcome


def _files(host: Host, state: Path) -> bytes:
    """What makes this host itself: its key, who may log in, and whom it trusts."""
    key = host_key(state, host)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        _add(tar, "etc/ssh/ssh_host_ed25519_key", key.read_text(), 0o600)
        _add(tar, "etc/ssh/ssh_host_ed25519_key.pub", public_key(key) + "\n", 0o644)
        _add(tar, "home/deploy/.ssh/authorized_keys", public_key(state / "id_ed25519") + "\n", 0o600, _DEPLOY_UID)
        _add(tar, "usr/local/share/ca-certificates/sandbox-ca.crt", (state / "ca.pem").read_text(), 0o644)
    return archive.getvalue()


def _add(tar: tarfile.TarFile, path: str, content: str, mode: int, owner: int = 0) -> None:
    entry = tarfile.TarInfo(path)
    raw = content.encode()
    entry.size, entry.mode, entry.uid, entry.gid = len(raw), mode, owner, owner
    tar.addfile(entry, io.BytesIO(raw))
