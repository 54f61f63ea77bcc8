# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths of a host a service may mount: what is its stack's own, and a few files that are the same for everybody. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import STACKS_ROOT

_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock")
_SOCKET_NAMES = ("docker.sock", "containerd.sock", "podman.sock")
# To read only, and without new SELinux labels.
HARMLESS = (
    *("/etc/localtime", "/etc/timezone", "/etc/ssl/certs", "/etc/ca-certificates", "/etc/pki/tls/certs"),
    *("/usr/share/zoneinfo", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"),
)
# Below the stack's directory, as a host's containers have them.
_RUNNING = re.compile(rf"(?P<stack>{re.escape(str(STACKS_ROOT))}/[^/]+)/(?:content|live|project)(?:/|\Z)")
# In the project directory, what the deploy itself writes and docker compose obeys.
_ORDERS = (".env", ".release-files.json", "override.json", "by-hand.json", "inline.yml")
_SETTINGS = "env"
_SECRETS = "secrets"


def reaches_socket(path: str) -> bool:
    """Whether a mount of this path of the host gives the engine's socket, itself or in a directory."""
    here = normal(path)
    return posixpath.basename(here) in _SOCKET_NAMES or any(holds(here, socket) for socket in _SOCKETS)


def is_socket(path: str) -> bool:
    """Whether a mount of this path gives little beside the socket: the socket itself, or the directory that holds it."""
    here = normal(path)
    return posixpath.basename(here) in _SOCKET_NAMES or any(here in (one, posixpath.dirname(one)) for one in _SOCKETS)


def is_sensitive(path: str, writes: bool) -> bool:
    """Whether a container that mounts this path of the host has what is the host's own or another service's.

    Of a container that runs: which stack it is of is not asked, so what no stack at all could have is found.
    """
    here = normal(path)
    match = _RUNNING.match(here)
    return not (Own(match["stack"]) if match else Own("")).may_mount(here, writes)


@dataclass(frozen=True)
class Own:
    """What of a host is a stack's own.

    ``root``: its directory; empty when it has none. ``files``: every file of its release, env files of ``stack.env`` included.
    """

    root: str
    files: Collection[str] = ()

    @classmethod
    def of(cls, root: str, files: Collection[str] = ()) -> Own:
        return cls(root, frozenset(map(_normpath, files)))

    @property
    def project(self) -> str:
        return f"{self.root}/project"

    def may_mount(self, path: str, writes: bool, relabels: bool = False) -> bool:
        here = self.absolute(path)
        if not (writes or relabels) and any(holds(harmless, here) for harmless in HARMLESS):
            return True
        if not self.root:
            return False
        for directory in ("content", "live"):
            # What the deploy has put there; all of it at once is nobody's business.
            if here.startswith(f"{self.root}/{directory}/"):
                return not writes
        name = self.name(here)
        top, _, rest = name.partition("/")
        if top == _SECRETS:
            # One secret, not all of them.
            return bool(rest) and "/" not in rest and not writes
        return not writes if name == "." else bool(name) and name not in _ORDERS

    def is_set(self, name: str) -> bool:
        """Whether a path in the project directory is the deploy's own to write, and no release has put anything there."""
        return name.partition("/")[0] == _SETTINGS and not self.ships(name)

    def ships(self, name: str) -> bool:
        """Whether the release has files at or below a path in the project directory."""
        return bool(self.files) if name == "." else any(holds(name, one) for one in self.files)

    def is_file(self, path: str, optional: bool = False) -> bool:
        """Whether a path names a file of the release, or one that the deploy writes beside it: env files and secrets.

        ``optional``: or one that is never there, because nobody but the deploy writes in the project directory itself.
        """
        name = self.name(self.absolute(path))
        top, slash, _ = name.partition("/")
        # Its .env is no such file: it is the deploy's, for people who type docker compose.
        return (
            name in self.files
            or (bool(slash) and top in (_SETTINGS, _SECRETS))
            or (optional and bool(name) and not slash and name not in _ORDERS)
        )

    def absolute(self, path: str) -> str:
        """A path as Compose takes it: relative to the project directory, or with root's home."""
        if path.startswith("~"):
            return "/root" + path[1:]
        return normal(path if path.startswith("/") else f"{self.project}/{path}")

    def name(self, path: str) -> str:
        """A path in the project directory, relative to it ("." for all of it); empty elsewhere."""
        here = normal(path)
        return posixpath.relpath(here, self.project) if self.root and holds(self.project, here) else ""


def normal(path: str) -> str:
    # POSIX lets two slashes at the beginning stand.
    return "/" + posixpath.normpath(path).lstrip("/")


def holds(directory: str, path: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _normpath(name: str) -> str:
    return posixpath.normpath(str(name))
