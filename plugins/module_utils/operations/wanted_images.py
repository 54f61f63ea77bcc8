# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a release, brought to this host: which content each tag means, and whether there is room for it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import (
    DeployError,
    EngineError,
    RegistryDownError,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Image
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.registries import server_of
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.room import shortage
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted

# What stands for the id of an image that check mode does not pull.
NOT_PULLED = "not pulled: "


class WantedImages:
    """Finds the images of a release: recorded ones first, then what the run's other hosts use, then what the tag says now.

    ``refusals``: gets what speaks against them in check mode, where otherwise the first such thing is raised; then registries
    are asked for all that is not here.
    """

    def __init__(
        self,
        host: StackHost,
        wanted: Wanted,
        known: Mapping[str, Mapping[str, str]],
        live: str,
        refusals: list[str] | None = None,
    ) -> None:
        self._engine = host.engine
        self._wanted = wanted
        self._known = {image["reference"]: image for image in known.values()}
        self._releases = host.releases
        self._live_id = live
        self._live = host.releases.read(live).images if live and host.releases.has(live) else {}
        self.warnings: list[str] = []
        self._refusals = refusals

    def find(self, references: Mapping[str, str], *, pull: bool) -> dict[str, dict[str, str]]:
        """service -> {reference, digest, id}. Nothing is pulled when the disk has no room for all of it."""
        here = {reference: self._here(reference) for reference in sorted(set(references.values()))}
        missing = [reference for reference, image in here.items() if image is None]
        if missing:
            self._require_room([name for name, reference in references.items() if reference in missing], len(missing))
        with ThreadPoolExecutor(max(1, min(4, len(missing)))) as pool:
            pulled = dict(zip(missing, pool.map(self._pulled if pull else self._not_pulled, missing), strict=True))
        return {name: dict(here[reference] or pulled[reference]) for name, reference in references.items()}

    def _here(self, reference: str) -> Mapping[str, str] | None:
        """The image when it need not be pulled: its very content is known, and on this host."""
        known = self._known.get(reference)
        digest = self._digest(reference)
        if known and known["digest"] == digest and self._engine.image(known["id"]):
            return known
        image = self._engine.image(_pinned(reference, digest)) if digest else None
        return _entry(reference, image, digest) if image else None

    def _pulled(self, reference: str) -> Mapping[str, str]:
        digest = self._digest(reference)
        if digest:
            return _entry(reference, self._engine.pull(_pinned(reference, digest)), digest)
        try:
            image = self._engine.pull(reference)
        except RegistryDownError as exc:
            # A registry that is down must not stop the deploy of what is here already. Any other answer is one: it must.
            local = self._engine.image(reference)
            if local is None:
                raise
            image = local
            self.warnings.append(
                f"{reference}: the image that this host had under this tag already is used, {image.id}, because no registry "
                f"could say whether it is still the one: {exc}"
            )
        return _entry(reference, image, image.digest)

    def _digest(self, reference: str) -> str:
        known = self._known.get(reference, {})
        # What is named by its content cannot mean anything else.
        return reference.partition("@")[2] or self._wanted.digests.get(reference) or known.get("digest", "")

    def _not_pulled(self, reference: str) -> Mapping[str, str]:
        if server_of(reference) in self._engine.logins or (self._refusals is not None and self._engine.image(reference) is None):
            self._ask(reference)
        known = self._known.get(reference)
        if known and known["digest"] and known["digest"] == self._digest(reference):
            # It was taken away; the digest would bring the very same again.
            return known
        image = self._engine.image(reference)
        if image:
            return _entry(reference, image, image.digest)
        # The tag is not on this host. Nobody here knows better than that it leads to what runs under its name; a deploy asks.
        running = next((one for one in self._live.values() if one["reference"] == reference), None)
        if running and self._digest(reference) in ("", running["digest"]) and self._engine.image(running["id"]):
            return running
        return {"reference": reference, "digest": "", "id": f"{NOT_PULLED}{reference}"}

    def _ask(self, reference: str) -> None:
        """A login that is refused, or an image that is not there, is told before a deploy needs it."""
        digest = self._digest(reference)
        try:
            self._engine.ask(_pinned(reference, digest) if digest else reference)
        except RegistryDownError as exc:
            # A deploy goes on with what is here.
            if self._refusals is None or self._engine.image(reference):
                self.warnings.append(f"{reference}: {exc}")
            else:
                self._refuse(exc)
        except EngineError as exc:
            self._refuse(exc)

    def _require_room(self, services: list[str], count: int) -> None:
        keep_free_mb = self._wanted.stack.keep_free_mb
        problem = shortage(self._engine, self._releases, services, live=self._live_id, count=count, keep_free_mb=keep_free_mb)
        if problem:
            self._refuse(DeployError(problem))

    def _refuse(self, problem: DeployError) -> None:
        if self._refusals is None:
            raise problem
        self._refusals.append(str(problem))


def _entry(reference: str, image: Image, digest: str) -> dict[str, str]:
    return {"reference": reference, "digest": digest, "id": image.id}


def _pinned(reference: str, digest: str) -> str:
    return Image(reference, "", digest).pinned


class Local(Protocol):
    def foreign(self, reference: str) -> str: ...

    def architecture(self) -> str: ...


def refuse_foreign(engine: Local, model: Mapping[str, Any], images: Mapping[str, Mapping[str, str]]) -> None:
    """Raise DeployError for images that were built for another processor. A service that names its ``platform`` means it."""
    found = []
    for name, image in images.items():
        if image["id"].startswith(NOT_PULLED):
            continue
        built = "" if model["services"].get(name, {}).get("platform") else engine.foreign(image["id"])
        if built:
            found.append(
                f"services.{name}.image: {image['reference']} was built for linux/{built}, and this host is "
                f"linux/{engine.architecture()}. Build and push it for this one, too, or say platform: linux/{built} where the "
                "host emulates it"
            )
    if found:
        raise DeployError("\n".join(found))
