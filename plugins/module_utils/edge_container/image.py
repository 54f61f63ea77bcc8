# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the edge of this host would be replaced for an image, and could run with it. Nothing that runs is touched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError, EngineError, RegistryDownError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.state import interrupted
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.validation import validate_edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.instance import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Image

_VERSION = re.compile(r"HAProxy version (\S+)|^Version: (\S+)", re.MULTILINE)
_ID = 12


@dataclass
class Found:
    """``due``: whether the edge would be replaced. ``before``, ``after``: HAProxy's version and its image, in words. ``ports``:
    what changes of those, in words.
    """

    due: bool
    before: str
    after: str
    warnings: list[str] = field(default_factory=list)
    ports: str = ""

    @property
    def plan(self) -> str:
        """In a sentence; empty when nothing is to do."""
        images = f"{self.before} -> {self.after}" if self.before != self.after else ""
        what = ", ".join(filter(None, (images, self.ports))) or self.after
        return f"replace the edge: {what}" if self.due else ""


class EdgeImage:
    def __init__(self, engine: Engine, paths: EdgePaths) -> None:
        self._engine = engine
        self._paths = paths
        self._own = Own(engine, paths)

    def look(self, reference: str, ports: Sequence[str] = (), *, look_only: bool) -> Found:
        """What would be done for the image of this name, and for these ports. Unless ``look_only`` it is here afterwards, and
        HAProxy in it has accepted the edge's configuration; DeployError when it does not.
        """
        settings, container = self._own.settings(), self._own.look()
        if container is None and not interrupted(self._engine):
            raise EdgeError(
                "the edge of this host has no container; playbooks/provision.yml --tags edge for this inventory brings it back"
            )
        running = container.image if container else ""
        warnings: list[str] = []
        newest = self._engine.newest_digest(reference) if look_only else ""
        image = self._engine.image(reference) if look_only else self._pulled(reference, warnings)
        unfinished = interrupted(self._engine)
        published = settings.published(ports).ports
        moved = f"{', '.join(settings.ports)} -> {', '.join(published)}" if published != settings.ports else ""
        before = self._said(running, settings.image) if running else "no container"
        if image is None or (newest and image.digest and newest != image.digest):
            after = f"{reference} ({newest or 'not on this host yet'})" if image is None else f"{reference} ({newest})"
            return Found(True, before, after, warnings, moved)
        due = image.id != running or bool(unfinished) or bool(moved)
        if due and not look_only:
            self._check(reference, settings.user)
        return Found(due, before, self._said(image.id, reference), [*warnings, *([unfinished] if unfinished else [])], moved)

    def _pulled(self, reference: str, warnings: list[str]) -> Image:
        here = self._engine.image(reference)
        try:
            return self._engine.pull(reference)
        except RegistryDownError as exc:
            if here is None:
                raise
            warnings.append(f"{exc}. The one that this host has is taken")
            return here

    def _check(self, reference: str, user: str) -> None:
        settings = {"image": reference, "user": user}
        configuration = EdgeConfiguration(self._paths, lambda candidate: validate_edge(self._engine, settings, candidate))
        try:
            with configuration.alone():
                configuration.check({})
        except EdgeError as exc:
            raise EdgeError(f"the edge cannot run with {reference}, and nothing was changed: {exc}") from exc

    def _said(self, identity: str, reference: str) -> str:
        """The version, as HAProxy in the image says it, and which image it is."""
        try:
            _, output = self._engine.run_tool(identity, ["haproxy", "-v"], {}, "99:99")
        except EngineError:
            # As when the image that runs was deleted: its container goes on without it.
            output = ""
        found = _VERSION.search(output)
        version = f"HAProxy {found[1]}" if found else "HAProxy of an unknown version"
        return f"{version} ({reference}, {identity.removeprefix('sha256:')[:_ID]})"
