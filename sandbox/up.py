"""What `up` does: every step of the sandbox with the steps it needs first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from sandbox.engine import ensure_engine
from sandbox.files import write_file
from sandbox.hosts import ensure_host
from sandbox.images import ensure_base, ensure_image, ensure_public, remove_outdated
from sandbox.network import check_isolation, ensure_network
from sandbox.pki import ensure_certificates
from sandbox.releases import fetch_packages, publish_public_images, publish_releases
from sandbox.services import ensure_service
from sandbox.ssh import ensure_ssh
from sandbox.steps import Step
from sandbox.world import (
    BASE_IMAGE,
    BUILT_ON,
    HOST_IMAGE,
    IMAGE_DIRECTORIES,
    MONITORING_IMAGES,
    PUBLIC_IMAGES,
    SERVICES,
    SUBNETS,
    VAULT_PASSWORDS,
    Host,
    network_name,
)


def steps_images(state: Path) -> list[Step]:
    """An engine and the public images: what plain `docker compose up` of the example needs."""
    return [_engine(state), _base(), *(_image(name, ensure_public) for name in PUBLIC_IMAGES)]


def steps_monitoring(state: Path) -> list[Step]:
    """What stacks/monitoring pulls, in the registry of a sandbox that is up."""
    names = tuple(one.image for one in MONITORING_IMAGES)
    return [
        _engine(state),
        _base(),
        *(
            Step(
                one.image, f"image {one.image}", partial(ensure_image, one.image, "monitoring", **one.arguments), after=("base",)
            )
            for one in MONITORING_IMAGES
        ),
        Step("published", "registry, images of the monitoring", partial(publish_public_images, names), after=names),
    ]


def steps_up(hosts: Sequence[Host], state: Path) -> list[Step]:
    """The steps in the order in which they are best begun; which waits for which is said by each."""
    networks = tuple(f"network {environment}" for environment in SUBNETS)
    databases = tuple(service.name for service in SERVICES if service.name.startswith("supabase-"))
    # One host of each environment speaks for it: isolation is a property of the networks.
    watched = {host.place.environment: host for host in hosts}
    return [
        _engine(state),
        Step("ssh", "SSH keys and configuration", partial(ensure_ssh, state)),
        Step("pki", "certificates", partial(ensure_certificates, state)),
        Step("vault", "vault passwords", partial(_ensure_vault_passwords, state)),
        _base(),
        *(
            Step(
                f"network {environment}",
                f"network {network_name(environment)}",
                partial(ensure_network, environment),
                after=("engine",),
            )
            for environment in SUBNETS
        ),
        *(_image(name) for name in IMAGE_DIRECTORIES),
        *(
            Step(
                service.name,
                f"service {service.name}",
                partial(ensure_service, service),
                after=(service.image, *networks),
            )
            for service in SERVICES
        ),
        *(
            Step(
                host.name,
                f"host {host.name}",
                partial(ensure_host, host, state),
                after=(HOST_IMAGE, "ssh", "pki", *networks),
            )
            for host in hosts
        ),
        *(
            Step(
                f"isolation {environment}",
                f"isolation of {environment}",
                partial(check_isolation, host),
                after=(*databases, host.name),
            )
            for environment, host in watched.items()
        ),
        Step(
            "public images",
            "registry, public images",
            publish_public_images,
            after=("sandbox-registry", *PUBLIC_IMAGES),
        ),
        Step("packages", "packages of services/api", fetch_packages),
        Step("releases", "registry, releases of services/", publish_releases, after=("sandbox-registry", "packages")),
        Step(
            "outdated images",
            "outdated images",
            remove_outdated,
            after=("public images", "releases", *(host.name for host in hosts)),
        ),
    ]


def _engine(state: Path) -> Step:
    return Step("engine", "Docker engine", partial(ensure_engine, state))


def _base() -> Step:
    return Step("base", f"base image {BASE_IMAGE}", ensure_base, after=("engine",))


def _image(name: str, ensure: Callable[[str, str], str] = ensure_image) -> Step:
    on = [BUILT_ON[name]] if name in BUILT_ON else []
    return Step(name, f"image {name}", partial(ensure, name, IMAGE_DIRECTORIES[name]), after=("base", *on))


def _ensure_vault_passwords(state: Path) -> str:
    for environment, password in VAULT_PASSWORDS.items():
        write_file(state / "vault" / environment, f"{password}\n")
    return "written"
