"""Hosts on this machine, each with files of its own below /etc and /var/lib, for playbooks of the collection.

What stands for sudo enters a mount namespace in which the host's directories lie over the machine's.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.plays.played import PIPELINING

SUDO = """#!/bin/sh
while [ "$1" != /bin/sh ]; do shift; done
exec unshare {how} /bin/sh -c '
mount -t tmpfs none /mnt && mkdir -p /mnt/etc/morpheus.deploy &&
cp /etc/passwd /etc/group /etc/hosts /etc/nsswitch.conf /etc/ld.so.cache /mnt/etc/ &&
mount --bind {root}/etc /mnt/etc/morpheus.deploy && mount --rbind /mnt/etc /etc &&
mount --bind {root}/lib /var/lib || exit 99
export DOCKER_HOST=unix:///nowhere
exec "$@"' sudo "$@"
"""


@cache
def how() -> str:
    """Options of unshare that work here."""
    for options in ("-m", "-rm"):
        tried = ["unshare", options, "mount", "-t", "tmpfs", "none", "/mnt"]
        if subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return options
    return ""


needs_namespaces = pytest.mark.skipif(not how(), reason="no mount namespaces here")


def host(root: Path, environment: str = "staging") -> dict[str, Any]:
    """Variables of a host whose files lie below ``root``, and that ``environment`` has claimed."""
    (root / "etc").mkdir(parents=True)
    (root / "lib").mkdir()
    (root / "etc" / "identity.json").write_text(f'{{"environment": "{environment}", "claimed": "2026-11-24T10:00:00Z"}}')
    sudo = root / "sudo"
    sudo.write_text(SUDO.format(root=root, how=how()))
    sudo.chmod(0o755)
    return {
        **PIPELINING,
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become_exe": str(sudo),
    }
