"""Registries that let nobody in without a login: what a real engine says of each failure, and a deploy from one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError, RegistryDownError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Images
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.registries import Login

from sandbox.world import REGISTRY, SUBNETS
from tests.acceptance.world import ROOT, STACK, Environment, on, says
from tests.deep import cases
from tests.private_registry import Registry, running
from tests.unit.certificates import make

USER, PASSWORD = "deploy", "right-canary-password"
WAYS = ("basic", "token")


@pytest.fixture
def images() -> Images:
    """On this machine's own engine: the hosts' are of the same make."""
    return Images(docker.from_env(timeout=60))


# The way of a token begins with the one of a name and a password.
@pytest.fixture(params=cases(WAYS, each_time=("token",)))
def registry(request: pytest.FixtureRequest, images: Images) -> Iterator[Registry]:
    with running(Registry(USER, PASSWORD, request.param)) as found:
        found.put("shop/web", "1")
        found.put("shop/arm", "1", "arm64")
        found.put("shop/several", "1", "arm64", listed=True)
        yield found
        for image in docker.from_env().images.list():
            for name in image.attrs["RepoTags"] + image.attrs["RepoDigests"]:
                if name.startswith(f"{found.address}/"):
                    images.remove_image(name, str(image.id), "")


def login(registry: Registry, password: str = PASSWORD, token: str = "") -> dict[str, Login]:
    given = Login(registry.address, token=token) if token else Login(registry.address, USER, password)
    return {registry.address: given}


@pytest.mark.lane("rest")
def test_an_engine_pulls_with_the_login_of_the_call_and_keeps_none(images: Images, registry: Registry) -> None:
    images.logins = login(registry)
    pulled = images.pull(f"{registry.address}/shop/web:1")
    assert pulled.digest
    assert {user for _, path, user in registry.asked if "/blobs/" in path} == {USER}
    images.remove_image(pulled.reference, pulled.id, pulled.digest)
    # The next one without it is refused: nothing was remembered.
    another = Images(docker.from_env(timeout=60))
    with pytest.raises(EngineError, match="to nobody who asks from this host"):
        another.pull(pulled.reference)
    images.logins = login(registry)
    assert images.pull(pulled.pinned).digest == pulled.digest


@pytest.mark.lane("rest")
def test_an_engine_takes_a_token_for_a_login(images: Images, registry: Registry) -> None:
    images.logins = login(registry, token=PASSWORD)
    name = f"{registry.address}/shop/web:1"
    if registry.way == "token":
        assert images.pull(name).digest
    images.logins = login(registry, token="wrong-canary-token")
    with pytest.raises(EngineError) as caught:
        images.ask(name)
    assert f"the registry {registry.address} gives the token of stack_registries no image {name}" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.lane("rest")
@pytest.mark.parametrize("pulling", [True, False])
def test_what_goes_wrong_is_told_apart_by_what_a_real_engine_says(images: Images, registry: Registry, pulling: bool) -> None:
    address = registry.address

    def said(name: str, logins: dict[str, Login]) -> str:
        images.logins = logins
        with pytest.raises(EngineError) as caught:
            (images.pull if pulling else images.ask)(f"{address}/shop/{name}:1")
        assert "canary" not in str(caught.value)
        return str(caught.value)

    assert said("web", {}).startswith(
        f"the registry {address} gives image {address}/shop/web:1 to nobody who asks from this host"
    )
    wrong = said("web", login(registry, "wrong-canary-password"))
    assert wrong.startswith(f'the registry {address} refuses the login "{USER}" of stack_registries, so image')
    assert said("gone", login(registry)).startswith(f"the registry {address} has no image {address}/shop/gone:1")
    assert said("several", login(registry)).startswith(f"image {address}/shop/several:1 was not built for this host's platform")
    if pulling:
        # An image that is for one platform comes, and would end with "exec format error".
        images.logins = login(registry)
        assert images.foreign(images.pull(f"{address}/shop/arm:1").id) == "arm64"
    else:
        assert "it has linux/arm64" in said("arm", login(registry))


@pytest.mark.lane("rest")
def test_a_registry_that_is_gone_is_down(images: Images) -> None:
    with running(Registry(USER, PASSWORD)) as found:
        address = found.address
    images.logins = {address: Login(address, USER, PASSWORD)}
    for ask in (images.pull, images.ask):
        with pytest.raises(RegistryDownError, match=f"could not be pulled from {address}"):
            ask(f"{address}/shop/web:1")


@pytest.mark.deep
@pytest.mark.parametrize("way", [pytest.param(one, marks=[pytest.mark.deep] if one == "token" else []) for one in WAYS])
def test_a_deploy_from_a_private_registry_leaves_nothing_of_the_login(staging: Environment, tmp_path: Path, way: str) -> None:
    gateway = f"{SUBNETS['staging']}.1"
    # Signed by itself, so it is its own authority.
    pem, trusted = tmp_path / "registry.pem", tmp_path / "ca.pem"
    certificate, key = make([gateway])
    pem.write_text(certificate + key)
    trusted.write_text(certificate)
    with running(Registry(USER, PASSWORD, way, upstream=REGISTRY), gateway, pem) as registry:
        source = tmp_path / "stack"
        shutil.copytree(ROOT / "stacks" / "morpheus", source)
        for path in source.glob("compose*.yml"):
            path.write_text(path.read_text().replace("image: morpheus/", f"image: {registry.address}/morpheus/"))
        trust = {"docker_engine_registry_ca_paths": {registry.address: str(trusted)}}
        assert staging.play("playbooks/provision.yml", "--tags", "engine", "-e", json.dumps(trust)).code == 0

        def options(password: str) -> tuple[str, ...]:
            logins = [{"server": registry.address, "username": USER, "password": password}]
            given = {"stack_source": str(source), "stack_registries": logins, "stack_fingerprints": None}
            return ("-e", json.dumps(given))

        before = staging.everything()
        for more in ((), ("--check",)):
            run = staging.deploy("1.1.0", *options("wrong-canary-password"), *more)
            assert run.code != 0
            says(run, [f'the registry {registry.address} refuses the login "{USER}" of stack_registries', "morpheus/"])
            assert "canary" not in run.output
            assert staging.everything() == before
            assert staging.verdict()["verdict"] == "refused"
        run = staging.deployed("1.1.0", *options(PASSWORD))
        assert "canary" not in run.output
        assert staging.health()[1]["version"] == "1.1.0"
    # A rollback and a restart need neither the registry nor its login.
    assert staging.play("rollback.yml").code == 0
    assert staging.play("playbooks/restart.yml").code == 0
    for host in staging.hosts:
        found = on(host, "grep", "-rlF", PASSWORD, "/root", "/etc", "/tmp", "/run", STACK, check=False)
        assert found == ""
        assert on(host, "sh", "-c", "ls /root/.docker/config.json 2>/dev/null || true") == ""
