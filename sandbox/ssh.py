"""The way to the hosts: one key pair for the controller, one host key each, and the client's configuration."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sandbox.files import write_file
from sandbox.shell import run
from sandbox.world import HOSTS, Host

_CONFIG = """\
Host {name}
    HostName 127.0.0.1
    Port {port}
    User deploy
    IdentityFile "{state}/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "{state}/known_hosts"
    StrictHostKeyChecking yes
"""


def ensure_ssh(state: Path) -> str:
    """Keys are made once and kept: a host that is recreated is still the host that known_hosts knows."""
    made = _ensure_key(state / "id_ed25519", "sandbox")
    for host in HOSTS:
        _ensure_key(host_key(state, host), host.name)
    known = [f"[127.0.0.1]:{host.ssh_port} {public_key(host_key(state, host))}\n" for host in HOSTS]
    write_file(state / "known_hosts", "".join(known))
    blocks = [_CONFIG.format(name=host.name, port=host.ssh_port, state=state) for host in HOSTS]
    write_file(state / "ssh_config", "\n".join(blocks))
    return "made" if made else "reused"


def host_key(state: Path, host: Host) -> Path:
    return state / "hosts" / host.name / "ssh_host_ed25519_key"


def public_key(key: Path) -> str:
    return key.with_name(f"{key.name}.pub").read_text().strip()


def _ensure_key(key: Path, comment: str) -> bool:
    """The private part is put in place last: where it is, both are."""
    if key.exists():
        return False
    with tempfile.TemporaryDirectory() as name:
        draft = Path(name) / "key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", draft, what=f"Making the key {key}")
        write_file(key.with_name(f"{key.name}.pub"), public_key(draft) + "\n", mode=0o644)
        write_file(key, draft.read_text())
    return True
