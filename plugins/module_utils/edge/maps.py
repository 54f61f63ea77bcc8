# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The maps without which HAProxy does not start: whatever rollouts and modules have written into them stays."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_BASE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import challenges, maintenance, placed, upstreams
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths

# Name -> what it says before anybody has said anything. That of routes is made from those of stacks.
BEGIN = {
    maintenance.MAP: maintenance.render_state("off"),
    upstreams.MAP: "",
    upstreams.COPY: "",
    challenges.MAP: "",
    placed.MAP: "",
}
# Of every edge. Who switches one of these takes an edge without it for one that an older version set up.
_ALWAYS = {maintenance.MAP, upstreams.MAP, challenges.MAP}


class Maps:
    def __init__(self, paths: EdgePaths) -> None:
        self._conf = paths.conf

    def make(self, files: Mapping[str, str]) -> None:
        """Those that are not there. ``files``: what HAProxy's configuration is to be."""
        routes = (path.read_text() for path in sorted((self._conf / "routes.d").glob("*.map")))
        begin = {name: text for name, text in BEGIN.items() if name in _ALWAYS or is_named(name, files)}
        for name, content in {"routes.map": "".join(routes), **begin}.items():
            if not (self._conf / name).exists():
                write_atomically(self._conf / name, content, mode=0o644)

    def missing(self, files: Mapping[str, str]) -> list[str]:
        """Those that the configuration names and that are not there. Raises DamagedError for a directory."""
        named = [name for name in BEGIN if is_named(name, files)]
        for name in named:
            if (self._conf / name).is_dir():
                raise EDGE_BASE.damaged(self._conf / name, "it is a directory")
        return [name for name in named if not (self._conf / name).exists()]


def is_named(name: str, files: Mapping[str, str]) -> bool:
    return f"{HAPROXY_DIRECTORY}/{name}" in files.get("haproxy.cfg", "")
