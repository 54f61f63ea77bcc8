# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on this host: looked at, pulled, named, run and removed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import image_name
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import pull
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import LOOK, speaking
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import LOOKS_AT
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.registries import Login, server_of
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

with suppress(ImportError):
    from docker.errors import APIError, DockerException, ImageNotFound, NotFound
    from urllib3.exceptions import HTTPError


# What a processor of 64 bits runs, too.
_OLDER: Mapping[str, str] = {"amd64": "386", "arm64": "arm"}


@dataclass(frozen=True)
class Image:
    """An image on this host. ``pinned`` is how to run exactly it: by digest, or by id when no registry knows it."""

    reference: str
    id: str
    digest: str

    @property
    def pinned(self) -> str:
        return f"{self.reference.partition('@')[0]}@{self.digest}" if self.digest else self.id


@dataclass(frozen=True)
class Disk:
    """The file system that holds the engine's images; sizes in bytes."""

    path: str
    free: int
    total: int


class Images:
    """Images on this host, and the disk that holds them."""

    def __init__(self, client: Any) -> None:
        self._client = client
        # Server -> what it is asked with. Without one the engine's own, as root's ``docker login`` has left it.
        self.logins: Mapping[str, Login] = {}

    def newest_digest(self, reference: str) -> str:
        """What the registry has under a name, without bringing it here; empty when it does not say."""
        try:
            found: Mapping[str, Any] = self._client.api.inspect_distribution(reference)
            return str(found["Descriptor"]["digest"])
        except (DockerException, OSError, HTTPError, KeyError, TypeError):
            return ""

    def image(self, reference: str) -> Image | None:
        """The local image behind ``reference``, or None."""
        with speaking(f"look at image {reference}"):
            try:
                details = self._client.api.inspect_image(reference)
            except ImageNotFound:
                return None
        name = image_name.parse(reference).bare
        known = [image_name.parse(entry) for entry in details.get("RepoDigests") or []]
        digests = [one.digest for one in known if one.bare == name]
        return Image(reference, details["Id"], digests[0] if digests else "")

    def tag(self, identity: str, reference: str) -> None:
        """Give a local image (by id) a name."""
        name = image_name.parse(reference)
        with speaking(f"tag {reference}"):
            self._client.api.tag(identity, name.bare, name.tag or None)

    def pull(self, reference: str) -> Image:
        """Bring ``reference`` to this host; RegistryDownError when no registry answers, EngineError for any other reason.

        An answer that begins well can still end in an error, and nothing but its text says so.
        """
        try:
            for part in self._client.api.pull(reference, stream=True, decode=True, **self._as_whom(reference)):
                if isinstance(part, Mapping) and (part.get("errorDetail") or part.get("error")):
                    raise self._failure(reference, str((part.get("errorDetail") or {}).get("message") or part.get("error")))
        except EngineError:
            raise
        except APIError as exc:
            raise self._failure(reference, str(exc.explanation or exc)) from exc
        # The SDK hands on what its HTTP library raises in the middle of a stream.
        except (DockerException, OSError, HTTPError, RuntimeError) as exc:
            raise EngineError(f"the engine did not answer when asked to pull {reference}: {exc}. {LOOK}") from exc
        image = self.image(reference)
        if image is None:
            raise EngineError(f"image {reference} was pulled but is not there; is something pruning images on this host?")
        return image

    def ask(self, reference: str) -> None:
        """Ask the registry for ``reference`` without bringing it here; raises as ``pull`` does, also for another platform."""
        try:
            found = self._client.api.inspect_distribution(reference, **self._as_whom(reference))
        except APIError as exc:
            raise self._failure(reference, str(exc.explanation or exc)) from exc
        except (DockerException, OSError, HTTPError, RuntimeError) as exc:
            raise EngineError(f"the engine did not answer when asked about {reference}: {exc}. {LOOK}") from exc
        built = [str(one.get("architecture") or "") for one in found.get("Platforms") or []]
        host = self.architecture()
        if built and not any(_runs(host, one) for one in built):
            listed = ", ".join(f"linux/{one}" for one in sorted(set(built)))
            raise pull.failure(reference, f"no matching manifest for linux/{host}, it has {listed}")

    def architecture(self) -> str:
        """Of this host, in the engine's words; empty when it does not say."""
        with speaking("say what it is"):
            return str(self._client.api.version().get("Arch") or "")

    def foreign(self, reference: str) -> str:
        """The architecture that a local image was built for, when it is one that this host does not run; else empty."""
        with speaking(f"look at image {reference}"):
            try:
                built = str(self._client.api.inspect_image(reference).get("Architecture") or "")
            except ImageNotFound:
                return ""
        return "" if not built or _runs(self.architecture(), built) else built

    def _as_whom(self, reference: str) -> dict[str, Any]:
        login = self.logins.get(server_of(reference))
        return {"auth_config": login.auth} if login else {}

    def _failure(self, reference: str, words: str) -> EngineError:
        login = self.logins.get(server_of(reference))
        accepted = self._accepts(login) if login and pull.is_denied(reference, words) else None
        return pull.failure(reference, words, login, accepted=accepted)

    def _accepts(self, login: Login) -> bool | None:
        """Whether the registry lets this login in, whatever image is asked for; None when that cannot be told."""
        if login.token:
            # The engine has no way to try one without an image.
            return None
        try:
            self._client.api.login(login.username, login.password, registry=login.address, reauth=True)
        except APIError as exc:
            return False if pull.is_denied("", str(exc.explanation or exc)) else None
        except (DockerException, OSError, HTTPError, RuntimeError):
            return None
        return True

    def declared_volumes(self, reference: str) -> list[str]:
        """Paths for which a local image wants a volume; none when it is not here."""
        with speaking(f"look at image {reference}"):
            try:
                details = self._client.api.inspect_image(reference)
            except ImageNotFound:
                return []
        return sorted((details.get("Config") or {}).get("Volumes") or {})

    def size(self, reference: str) -> int:
        """Bytes of a local image, layers that it shares with others included; 0 when it is not here."""
        with speaking(f"look at image {reference}"):
            try:
                return int(self._client.api.inspect_image(reference)["Size"])
            except ImageNotFound:
                return 0

    def version(self) -> str:
        with speaking("say its version"):
            return str(self._client.info().get("ServerVersion", ""))

    def disk(self) -> Disk:
        with speaking("say where it keeps its images"):
            path = str(self._client.info()["DockerRootDir"])
        found = os.statvfs(path)
        return Disk(path, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)

    def images_in_use(self) -> set[str]:
        """Ids of the images of every container on this host, stopped ones too."""
        with speaking("list containers"):
            return {item["ImageID"] for item in self._client.api.containers(all=True)}

    def remove_image(self, reference: str, identity: str, digest: str) -> None:
        """Take our names off an image: the engine deletes it with its last name. One that others named or run stays."""
        by_digest = f"{image_name.parse(reference).bare}@{digest}" if digest else ""
        for name in (reference, by_digest, identity):
            with speaking(f"remove image {name}"), suppress(ImageNotFound):
                found = self._client.api.inspect_image(name) if name else {"Id": ""}
                if found["Id"] != identity or (name == identity and (found["RepoTags"] or found["RepoDigests"])):
                    continue
                try:
                    self._client.api.remove_image(name)
                except APIError as exc:
                    if exc.status_code != HTTPStatus.CONFLICT:
                        raise

    def run_tool(self, image: str, command: Sequence[str], mounts: Mapping[Path, str], user: str) -> tuple[int, str]:
        """(exit code, output) of a short-lived container without network. Takes away those whose directory is gone: whoever began
        them was killed.
        """
        volumes = {str(path): {"bind": target, "mode": "ro"} for path, target in mounts.items()}
        # Only what looks at something can be told from what another process has just begun.
        marks = {LOOKS_AT: next(iter(volumes))} if volumes else {}
        with speaking(f"run {image}"):
            self._remove_abandoned_tools()
            container = self._client.containers.create(
                image, list(command), entrypoint=[], network_mode="none", user=user, volumes=volumes, labels=marks
            )
            try:
                container.start()
                code = int(container.wait(timeout=60)["StatusCode"])
                return code, said.excerpt(container.logs())
            finally:
                container.remove(force=True)

    def _remove_abandoned_tools(self) -> None:
        for container in self._client.containers.list(all=True, filters={"label": LOOKS_AT}, ignore_removed=True):
            if not Path(container.labels[LOOKS_AT]).exists():
                with suppress(NotFound):
                    container.remove(force=True)


def _runs(host: str, built: str) -> bool:
    """Whether a host of this architecture runs what was built for the other one by itself, as engines name them."""
    return not host or not built or built in (host, _OLDER.get(host))
