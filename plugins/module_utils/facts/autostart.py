# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host runs as root by itself, or obeys when somebody gets in: units, timers, cron, PAM, libraries that are loaded first.

Told is what no Debian package has brought as it is, so that an upgrade changes nothing here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.facts.access import parse_accounts, printable, shown, text
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.walk import digest

# Directories are looked through.
PLACES = (
    # systemd: units, drop-ins, generators, and what it does with files and devices.
    *("etc/systemd", "usr/local/lib/systemd", "usr/lib/systemd", "root/.config/systemd", "etc/tmpfiles.d", "etc/udev/rules.d"),
    *("etc/rc.local", "etc/init.d", "etc/modules-load.d", "etc/modprobe.d", "etc/sysctl.d", "etc/sysctl.conf"),
    # By the time, and when a network or a package comes.
    *("etc/crontab", "etc/anacrontab", "etc/cron.d", "etc/cron.hourly", "etc/cron.daily", "etc/cron.weekly", "etc/cron.monthly"),
    *("var/spool/cron", "etc/network/if-up.d", "etc/network/if-pre-up.d", "etc/network/if-down.d", "etc/network/interfaces"),
    *("etc/NetworkManager/dispatcher.d", "etc/networkd-dispatcher", "etc/dhcp/dhclient-exit-hooks.d", "etc/apt/apt.conf.d"),
    *("etc/dpkg/dpkg.cfg.d", "etc/logrotate.d", "etc/kernel", "etc/initramfs-tools"),
    # When somebody gets in.
    *("etc/pam.d", "etc/pam.conf", "etc/security/access.conf", "etc/security/namespace.init", "etc/security/pam_env.conf"),
    *("etc/profile", "etc/profile.d", "etc/bash.bashrc", "etc/environment"),
    *(
        "etc/update-motd.d",
        "etc/ssh/sshrc",
        "etc/sudo.conf",
        "etc/polkit-1",
        "etc/nsswitch.conf",
        "root/.bashrc",
        "root/.profile",
    ),
    *("root/.bash_profile", "root/.bash_login", "root/.bash_logout", "root/.ssh/rc", "root/.ssh/environment"),
    # Words for daemons of root, on whose command lines they stand.
    *("etc/default/ssh", "etc/default/cron", "etc/default/docker"),
    # In every program.
    *("etc/ld.so.preload", "etc/ld.so.conf", "etc/ld.so.conf.d", "etc/python3/sitecustomize.py"),
    # In the engine.
    *("etc/docker/plugins", "usr/lib/docker/plugins", "run/docker/plugins", "root/.docker/cli-plugins"),
)
# Of each account that can log in, root's own aside: what is obeyed at a login, and as /etc/skel has it is nobody's.
_AT_LOGIN = (
    *(".bash_aliases", ".bash_login", ".bash_logout", ".bash_profile", ".bashrc", ".pam_environment", ".profile"),
    *(".zlogin", ".zprofile", ".zshenv", ".zshrc", ".ssh/environment", ".ssh/rc"),
)
# What stands here is found before the program of the same name.
_BEFORE = ("usr/local/sbin", "usr/local/bin")
_PROGRAMS = ("usr/sbin", "usr/bin")
# Those of this collection, which provisioning writes.
OWN = (
    *("container-egress.service", "edge-farewell.service", "edge-guard.service"),
    *("engine-metrics.service", "log-shipper.service"),
)
_MASKED = "/dev/null"
_UNITS = ("/etc/systemd/", "/usr/lib/systemd/", "/lib/systemd/", "/usr/local/lib/systemd/")


def look(root: Path = Path("/")) -> dict[str, str]:
    """Path, of a link with where it leads -> SHA-256 of what stands in it."""
    brought = _brought(root)
    found = {}
    for path in sorted({*_files(root), *_shadows(root), *_at_login(root)}):
        name = shown(root, path)
        if path.is_symlink():
            target = os.path.normpath(path.parent / path.readlink())
            target = target if target == _MASKED else shown(root, Path(target)) if target.startswith(f"{root}/") else target
            if target != _MASKED and not (target.startswith(_UNITS) and name.startswith(_UNITS)):
                found[printable(f"{name} -> {target}")] = ""
        elif path.name not in OWN and not (name in brought and path.is_file() and _md5(path) in brought[name]):
            # A pipe would be waited for.
            found[printable(name)] = digest(str(path)) if path.is_file() else ""
    return found


def _files(root: Path) -> Iterator[Path]:
    for place in PLACES:
        path = root / place
        # Of /lib and /bin, which are links, nothing is asked; a place that is a link is told as one.
        if path.is_dir() and not path.is_symlink():
            for directory, below, names in os.walk(path):
                links = [name for name in below if (Path(directory) / name).is_symlink()]
                yield from (Path(directory) / name for name in (*names, *links))
        elif path.is_symlink() or path.is_file():
            yield path


def _at_login(root: Path) -> Iterator[Path]:
    skeleton = root / "etc/skel"
    for account in parse_accounts(text(root / "etc/passwd"), ""):
        home = root / account.home.lstrip("/")
        if not account.can_log_in or home == root / "root":
            continue
        for name in _AT_LOGIN:
            path = home / name
            if path.is_symlink() or (path.is_file() and digest(str(path)) != digest(str(skeleton / name))):
                yield path


def _shadows(root: Path) -> Iterator[Path]:
    """Programs that are run in the place of those that packages have brought."""
    known = {entry for place in _PROGRAMS if (root / place).is_dir() for entry in os.listdir(root / place)}  # noqa: PTH208
    for place in _BEFORE:
        if (root / place).is_dir():
            yield from (path for path in (root / place).iterdir() if path.name in known)


def _brought(root: Path) -> dict[str, set[str]]:
    """Path -> MD5 of each content that Debian's packages have for it; settings are listed elsewhere than other files."""
    found: dict[str, set[str]] = {}
    prefixes = tuple(f"/{place}" for place in PLACES)

    def take(path: str, md5: str) -> None:
        # Where /lib is a link to /usr/lib, packages still say /lib.
        for name in (path, f"/usr{path}"):
            if name.startswith(prefixes):
                found.setdefault(name, set()).add(md5)

    for listed in (root / "var/lib/dpkg/info").glob("*.md5sums"):
        for line in _lines(listed):
            md5, _, path = line.partition("  ")
            take(f"/{path}", md5)
    for line in _lines(root / "var/lib/dpkg/status"):
        words = line.split()
        if line.startswith(" /") and len(words) > 1:
            take(words[0], words[1])
    return found


def _lines(path: Path) -> list[str]:
    with suppress(OSError):
        return path.read_text(errors="surrogateescape").splitlines()
    return []


def _md5(path: Path) -> str:
    return digest(str(path), lambda: hashlib.md5(usedforsecurity=False))
