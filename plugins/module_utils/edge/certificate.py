# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that an ACME authority has issued, as this host's edge serves it.

HAProxy is given another one in memory, and its file is written then. Nothing is reloaded: connections that are open go on,
tunnels included, which a reload would cut after a while. A run that is killed between the two leaves the older one in the file,
and that is what the next run judges by.
"""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_BASE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import CERTIFICATES, EdgePaths, edge_settings
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


class EdgeCertificate:
    """One of the files from which HAProxy has its certificates, by the name that the role edge has given it."""

    def __init__(self, paths: EdgePaths, name: str) -> None:
        self._paths = paths
        self._name = name
        # What HAProxy calls it is the path by which its list names it.
        self._in_haproxy = f"{HAPROXY_DIRECTORY}/{CERTIFICATES}/{name}.pem"

    @property
    def path(self) -> Path:
        return self._paths.conf / CERTIFICATES / f"{self._name}.pem"

    def chain(self) -> str:
        """The certificate and those that signed it, without its key; empty when there is none."""
        return "".join(_CERTIFICATE.findall(self._read() or ""))

    def differs(self, content: str) -> bool:
        """Whether another one is served. EdgeError when this edge serves none of this name at all."""
        found = self._read()
        if found is None:
            raise self._unknown()
        return found != content

    def serve(self, content: str) -> bool:
        """Whether it was another one. ``content``: certificate, chain and key. EdgeError when HAProxy does not take it."""
        owner = int(edge_settings(self._paths)["user"].partition(":")[0])
        # A reload between what HAProxy is told and what the file says would bring the older one back.
        with EdgeConfiguration(self._paths, lambda candidate: "").alone():
            if not self.differs(content):
                return False
            self._tell(content)
            write_atomically(self.path, content, mode=0o400, owner=owner)
        return True

    def _read(self) -> str | None:
        try:
            return EDGE_BASE.text(self.path, "replace")
        except FileNotFoundError:
            return None

    def _tell(self, content: str) -> None:
        haproxy = Socket(str(self._paths.socket))
        # An empty line would be the end of it.
        lines = "".join(f"{line}\n" for line in content.splitlines() if line.strip())
        answer = haproxy.ask(f"set ssl cert {self._in_haproxy} <<\n{lines}")
        if "not referenced by the configuration" in answer:
            raise self._unknown()
        if "ransaction" in answer:
            answer = haproxy.ask(f"commit ssl cert {self._in_haproxy}")
        if "Success" not in answer:
            haproxy.ask(f"abort ssl cert {self._in_haproxy}")
            said = " ".join(answer.split()) or "it said nothing"
            raise EdgeError(f"HAProxy does not take the certificate {self._name}, and goes on with the one before: {said}")

    def _unknown(self) -> EdgeError:
        return EdgeError(
            f"the edge of this host serves no certificate {self._name} yet, because it was set up without edge_acme: run "
            "playbooks/provision.yml --tags edge for this inventory first. Nothing was changed"
        )
