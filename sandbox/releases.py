"""Fill the registry: public images under their public names, and the releases of the example application."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sandbox.images import build, content_hash, image_id, image_label
from sandbox.shell import run, succeeds
from sandbox.world import BASE_IMAGE, CONTENT_LABEL, PUBLIC_IMAGES, REGISTRY, ROOT

# The fault that a release of the API has; the web app is good in all of them.
FAULTS = {
    "1.0.0": "",
    "1.1.0": "",
    "1.2.0": "",
    "1.9.0-unhealthy": "unhealthy",
    "1.9.1-crash": "crash",
    "1.9.2-lies": "lies",
    "1.9.3-hangs": "hangs",
    "1.9.4-errors": "errors",
    "1.9.5-slow": "slow",
    "1.9.6-sick": "sick",
    "1.9.7-broken": "broken",
}
_ML_MOCK_RELEASE = "1.0.0"
_ML_GATEWAY_RELEASE = "1.0.0"
_SERVICES = ROOT / "services"
_WORKERS = 4
_MANIFEST_TYPES = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Image:
    """One release of one service of the example application."""

    service: str
    release: str
    fault: str = ""

    @property
    def name(self) -> str:
        return f"{REGISTRY}/morpheus/{self.service}:{self.release}"


def publish_public_images(names: Sequence[str] = PUBLIC_IMAGES) -> str:
    """The stand-ins can be pulled by the names of what they stand in for."""
    pushed = [name for name in names if _publish_public(name)]
    return f"pushed {', '.join(pushed)}" if pushed else "reused"


def fetch_packages() -> str:
    """What the API's image takes from PyPI is here."""
    program = _SERVICES / "packages.py"
    run(sys.executable, program, what="Fetching the packages of services/api", hint="PyPI must answer")
    return "here"


def publish_releases() -> str:
    """Every release of the example application is in the registry, built from its sources as they are now."""
    wanted = _images()
    ingredients = (image_id(BASE_IMAGE), (_SERVICES / "Dockerfile").read_text(), (_SERVICES / "logs.py").read_text())
    contents = {image.service: content_hash(_SERVICES / image.service, *ingredients) for image in wanted}
    commit = _commit()

    def publish(image: Image) -> bool:
        content = contents[image.service]
        if image_label(image.name, CONTENT_LABEL) == content and _is_published(image.name):
            return False
        arguments = {"SERVICE": image.service, "RELEASE": image.release, "GIT_SHA": commit, "FAULT": image.fault}
        build(image.name, _SERVICES, content, **arguments)
        _push(image.name)
        return True

    with ThreadPoolExecutor(_WORKERS) as pool:
        published = sum(pool.map(publish, wanted))
    return f"{published} of {len(wanted)} built and pushed" if published else f"{len(wanted)} reused"


def _images() -> list[Image]:
    api = [Image("api", release, fault) for release, fault in FAULTS.items()]
    web = [Image("web", release) for release in FAULTS]
    return [*api, *web, Image("ml-mock", _ML_MOCK_RELEASE), Image("ml-gateway", _ML_GATEWAY_RELEASE)]


def _publish_public(name: str) -> bool:
    public = f"{REGISTRY}/{name}" if "/" in name else f"{REGISTRY}/library/{name}"
    if image_id(public) == image_id(name) and _is_published(public):
        return False
    run("docker", "tag", name, public, what=f"Naming {public}")
    _push(public)
    return True


def _push(name: str) -> None:
    run("docker", "push", "--quiet", name, what=f"Pushing {name}", hint="docker logs sandbox-registry")


def _is_published(name: str) -> bool:
    """The registry's tag has the digest that the last push of this very image gave it."""
    template = "{{range .RepoDigests}}{{.}} {{end}}"
    found = run("docker", "image", "inspect", "--format", template, name, what=f"Inspecting {name}")
    repository, _, tag = name.removeprefix(f"{REGISTRY}/").rpartition(":")
    return f"{REGISTRY}/{repository}@{_registry_digest(repository, tag)}" in found.split()


def _registry_digest(repository: str, tag: str) -> str:
    connection = http.client.HTTPConnection(REGISTRY, timeout=5)
    try:
        connection.request("HEAD", f"/v2/{repository}/manifests/{tag}", headers={"Accept": _MANIFEST_TYPES})
        return connection.getresponse().headers.get("Docker-Content-Digest", "")
    finally:
        connection.close()


def _commit() -> str:
    """Not part of what makes an image current: a commit elsewhere in the repository must not rebuild it."""
    command = ("git", "-C", ROOT, "rev-parse", "--short", "HEAD")
    return run(*command, what="Asking git for the commit").strip() if succeeds(*command) else "unknown"
