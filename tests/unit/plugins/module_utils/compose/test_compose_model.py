from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.data import Ground
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.model import (
    Fingerprints,
    desired_services,
    override,
    services,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.project_mounts import Overrides
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, Order, UpdatePolicy

KEY = b"k" * 32
# Where the files will lie when the release is activated; nothing is there yet.
PROJECT = Path("/nonexistent/shop/project")
Model = dict[str, Any]


def model() -> Model:
    """As ``docker compose config --format json`` prints it, paths already those of the project directory."""
    return {
        "name": "shop",
        "services": {
            "api": {
                "image": "shop/api:1",
                "command": None,
                "environment": {"LEVEL": "info", "TOKEN": "t0ken"},
                "networks": {"default": None},
                "volumes": [
                    {"type": "bind", "source": f"{PROJECT}/nginx.conf", "target": "/etc/nginx.conf", "read_only": True},
                    {
                        "type": "bind",
                        "source": f"{PROJECT}/migrations",
                        "target": "/migrations",
                        "bind": {"create_host_path": True},
                    },
                    {"type": "bind", "source": "/var/run/outside", "target": "/outside"},
                    {"type": "volume", "source": "data", "target": "/data"},
                ],
                "secrets": [{"source": "key", "target": "/run/secrets/key"}],
                "configs": [{"source": "settings"}, {"source": "inline"}],
            },
            "migrate": {"image": "shop/api:1", "profiles": ["migrate"]},
        },
        "secrets": {"key": {"file": f"{PROJECT}/secrets/key"}},
        "configs": {"settings": {"file": f"{PROJECT}/settings.json"}, "inline": {"content": "a = 1"}},
        "volumes": {"data": {}},
        "networks": {"default": {"name": "shop_default"}},
    }


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name, content in {
        "nginx.conf": "listen 80;",
        "migrations/1.sql": "create",
        "migrations/deep/2.sql": "alter",
        "secrets/key": "s3cret",
        "settings.json": "{}",
        "unread.txt": "nobody mounts this",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


GROUND = Ground(frozenset(), frozenset({"nginx.conf", "migrations/1.sql"}), (str(PROJECT),))


def fingerprints(of: Model, workspace: Path, key: bytes = KEY) -> Fingerprints:
    def locate(path: Path) -> Path:
        return workspace / path.relative_to(PROJECT) if path == PROJECT or PROJECT in path.parents else path

    return Fingerprints(of, PROJECT, key, locate)


def fingerprint(of: Model, workspace: Path, image: str = "sha256:1", key: bytes = KEY) -> str:
    found = fingerprints(of, workspace, key)
    return found.whole(found.parts(of["services"]["api"], image))


def test_a_fingerprint_is_always_the_same(workspace: Path) -> None:
    assert fingerprint(model(), workspace) == fingerprint(copy.deepcopy(model()), workspace)
    assert len(fingerprint(model(), workspace)) == 32


def test_the_order_in_which_compose_prints_does_not_matter(workspace: Path) -> None:
    turned = model()
    turned["services"]["api"] = dict(reversed(turned["services"]["api"].items()))
    turned["services"]["api"]["environment"] = dict(reversed(turned["services"]["api"]["environment"].items()))
    assert fingerprint(turned, workspace) == fingerprint(model(), workspace)


Change = Callable[[Model, Path], object]


def api(change: Callable[[dict[str, Any]], object]) -> Change:
    return lambda found, workspace: change(found["services"]["api"])


def write(name: str, content: str = "changed") -> Change:
    return lambda found, workspace: (workspace / name).write_text(content)


IDENTITY = [
    pytest.param(api(lambda service: service["environment"].update(LEVEL="debug")), ["environment.LEVEL"], id="a variable"),
    pytest.param(api(lambda service: service["environment"].update(NEW="1")), ["environment.NEW"], id="a new variable"),
    pytest.param(api(lambda service: service["environment"].pop("TOKEN")), ["environment.TOKEN"], id="a variable less"),
    pytest.param(api(lambda service: service.update(command=["serve"])), ["command"], id="the command"),
    pytest.param(api(lambda service: service.update(user="1000")), ["user"], id="a new key"),
    pytest.param(
        api(lambda service: service.update(deploy={"resources": {"limits": {"memory": "1g"}}})), ["deploy"], id="a limit"
    ),
    pytest.param(api(lambda service: service["volumes"].pop()), ["volumes"], id="a volume less"),
    pytest.param(write("nginx.conf"), ["file /etc/nginx.conf"], id="a mounted file"),
    pytest.param(write("migrations/1.sql"), ["file /migrations/1.sql"], id="a file in a mounted directory"),
    pytest.param(write("migrations/deep/2.sql"), ["file /migrations/deep/2.sql"], id="a file far below a mounted directory"),
    pytest.param(write("migrations/3.sql"), ["file /migrations/3.sql"], id="a new file in a mounted directory"),
    pytest.param(
        lambda found, workspace: (workspace / "migrations/1.sql").unlink(),
        ["file /migrations/1.sql"],
        id="a file less in a mounted directory",
    ),
    pytest.param(
        lambda found, workspace: (workspace / "migrations/1.sql").chmod(0o755), ["file /migrations/1.sql"], id="an executable bit"
    ),
    pytest.param(
        lambda found, workspace: (workspace / "settings.json").chmod(0o755),
        ["config settings"],
        id="an executable bit of a config",
    ),
    pytest.param(
        lambda found, workspace: found["networks"]["default"].update(name="other"),
        ["network default"],
        id="another network under the same key",
    ),
    pytest.param(
        lambda found, workspace: found["volumes"]["data"].update(name="other"), ["volume data"], id="another volume under its key"
    ),
    pytest.param(write("secrets/key"), ["secret key"], id="a secret file"),
    pytest.param(write("settings.json"), ["config settings"], id="a config file"),
    pytest.param(
        lambda found, workspace: found["configs"]["inline"].update(content="a = 2"),
        ["config inline"],
        id="a config in the file itself",
    ),
]


@pytest.mark.parametrize(("change", "names"), IDENTITY)
def test_what_a_replica_reads_changes_its_fingerprint_and_is_named(change: Change, names: list[str], workspace: Path) -> None:
    before = fingerprints(model(), workspace).parts(model()["services"]["api"], "sha256:1")
    changed = model()
    change(changed, workspace)
    after = fingerprints(changed, workspace).parts(changed["services"]["api"], "sha256:1")
    assert [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)] == names
    assert fingerprints(changed, workspace).whole(after) != fingerprints(model(), workspace).whole(before)


def test_another_image_is_another_fingerprint_and_its_name_alone_is_not(workspace: Path) -> None:
    assert fingerprint(model(), workspace, "sha256:2") != fingerprint(model(), workspace)
    renamed = model()
    renamed["services"]["api"]["image"] = "mirror.example/shop/api:1"
    assert fingerprint(renamed, workspace) == fingerprint(model(), workspace)


UPDATE = {"parallelism": 2, "order": "stop-first", "monitor": "10s"}
NO_IDENTITY = [
    pytest.param(api(lambda service: service.update(deploy={"replicas": 3})), id="replicas"),
    pytest.param(api(lambda service: service.update(scale=3)), id="scale"),
    pytest.param(
        api(lambda service: service.update(deploy={"update_config": UPDATE, "rollback_config": UPDATE})), id="update policy"
    ),
    pytest.param(
        api(lambda service: service.update(deploy={"replicas": 2, "resources": {}, "placement": {}})),
        id="what Compose prints beside the replicas",
    ),
    pytest.param(api(lambda service: service.update(depends_on={"db": {"condition": "service_started"}})), id="depends_on"),
    pytest.param(api(lambda service: service.update(pull_policy="always")), id="pull_policy"),
    pytest.param(api(lambda service: service.update(build={"context": "."})), id="build"),
    pytest.param(write("unread.txt"), id="a file that nobody mounts"),
    pytest.param(
        lambda found, workspace: found["volumes"].update(data={"name": "shop_data"}), id="the name that a volume has anyway"
    ),
    pytest.param(lambda found, workspace: found["networks"].update(other={"name": "x"}), id="a network that nobody joins"),
    pytest.param(lambda found, workspace: found["services"].pop("migrate"), id="another service"),
]


@pytest.mark.parametrize("change", NO_IDENTITY)
def test_how_many_run_and_how_they_are_replaced_is_not_what_they_are(change: Change, workspace: Path) -> None:
    before = fingerprint(model(), workspace)
    changed = model()
    change(changed, workspace)
    assert fingerprint(changed, workspace) == before


def test_replicas_and_policy_change_nothing_for_a_service_that_has_limits_too(workspace: Path) -> None:
    limits = {"limits": {"memory": "1g"}}
    one, two = model(), model()
    one["services"]["api"]["deploy"] = {"replicas": 1, "resources": limits}
    two["services"]["api"]["deploy"] = {"replicas": 2, "resources": limits, "update_config": UPDATE}
    assert fingerprint(one, workspace) == fingerprint(two, workspace)


def test_data_of_the_host_is_not_configuration(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("data")
    (outside / "file").write_text("1")
    mounted = model()
    mounted["services"]["api"]["volumes"][2]["source"] = str(outside)
    before = fingerprint(mounted, workspace)
    (outside / "file").write_text("2")
    assert fingerprint(mounted, workspace) == before


def test_a_single_file_of_the_host_that_is_mounted_is_configuration(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("etc") / "ca.pem"
    outside.write_text("1")
    mounted = model()
    mounted["services"]["api"]["volumes"][2]["source"] = str(outside)
    before = fingerprint(mounted, workspace)
    outside.write_text("2")
    assert fingerprint(mounted, workspace) != before


def test_the_project_directory_as_a_whole_can_be_mounted(workspace: Path) -> None:
    mounted = model()
    mounted["services"]["api"]["volumes"] = [{"type": "bind", "source": str(PROJECT), "target": "/app"}]
    before = fingerprint(mounted, workspace)
    (workspace / "unread.txt").write_text("changed")
    assert fingerprint(mounted, workspace) != before


def test_what_the_files_say_counts_and_not_where_they_lie(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same release, before it is activated and after."""
    elsewhere = tmp_path_factory.mktemp("activated")
    for path in workspace.rglob("*"):
        if path.is_file():
            target = elsewhere / path.relative_to(workspace)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    assert fingerprint(model(), elsewhere) == fingerprint(model(), workspace)


def test_fingerprints_of_another_host_are_others_and_no_value_can_be_read_or_guessed(workspace: Path) -> None:
    one = fingerprints(model(), workspace).parts(model()["services"]["api"], "sha256:1")
    other = fingerprints(model(), workspace, b"other").parts(model()["services"]["api"], "sha256:1")
    assert fingerprint(model(), workspace, key=b"other") != fingerprint(model(), workspace)
    assert [name for name in one if one[name] == other[name]] == ["image"]
    assert not any(secret in str(one) for secret in ("t0ken", "s3cret"))


def test_services_behind_a_profile_do_not_run_all_the_time() -> None:
    assert list(services(model())) == ["api"]
    assert services({}) == services({"services": None}) == {}


def test_the_desired_services_are_what_compose_asks_for(workspace: Path) -> None:
    found = model()
    found["services"]["api"]["deploy"] = {"replicas": 3, "update_config": {"parallelism": 0, "order": "stop-first"}}
    found["services"]["api"]["depends_on"] = {"worker": {"condition": "service_started"}}
    found["services"]["api"]["stop_grace_period"] = "1m0s"
    found["services"]["worker"] = {"image": "shop/worker:1"}
    images = {name: (f"shop/{name}:1", f"sha256:{name}") for name in found["services"]}
    one, two = desired_services(found, images, {"api": 8000}, fingerprints(found, workspace), ground=GROUND)
    assert (one.name, one.replicas, one.image, one.routed) == ("api", 3, "shop/api:1", True)
    assert one.policy == UpdatePolicy(0, order=Order.STOP_FIRST, exclusive="writes to the volume data")
    assert (one.depends_on, one.stop_grace_seconds) == (("worker",), 60.0)
    assert one.parts["image"] == "sha256:api"
    assert (one.port, one.parts["port"]) == (8000, "8000")
    assert (two.name, two.replicas, two.routed, two.stop_grace_seconds) == ("worker", 1, False, 10.0)


def test_a_service_that_gets_another_port_or_its_first_route_gets_other_replicas(workspace: Path) -> None:
    """The edge asks each replica at the port that it was made for, and only routed ones are on the edge's network."""
    found = model()
    images = dict.fromkeys(found["services"], ("shop/api:1", "sha256:1"))
    every: list[dict[str, int]] = [{}, {"api": 8000}, {"api": 9000}]
    prints = {desired_services(found, images, ports, fingerprints(found, workspace))[0].fingerprint for ports in every}
    assert len(prints) == 3


@pytest.mark.parametrize("section", ["update_config", "rollback_config"])
def test_a_service_with_data_is_replaced_stop_first(workspace: Path, section: str) -> None:
    images = dict.fromkeys(model()["services"], ("shop/api:1", "sha256:1"))
    [service] = desired_services(model(), images, {"api": 8000}, fingerprints(model(), workspace), section, GROUND)
    assert service.policy == UpdatePolicy(order=Order.STOP_FIRST, exclusive="writes to the volume data")


def test_a_routed_service_with_a_port_of_the_host_is_replaced_stop_first(workspace: Path) -> None:
    found = model()
    found["services"]["api"] = {"image": "shop/api:1", "ports": [{"target": 22, "published": "222"}]}
    images = dict.fromkeys(found["services"], ("shop/api:1", "sha256:1"))
    [service] = desired_services(found, images, {"api": 8000}, fingerprints(found, workspace), ground=GROUND)
    assert (service.routed, service.policy) == (True, UpdatePolicy(order=Order.STOP_FIRST, exclusive="has the host port 222"))


def test_a_rollback_has_the_policy_for_rollbacks_and_the_same_fingerprint(workspace: Path) -> None:
    found = model()
    found["services"]["api"]["deploy"] = {"update_config": {"parallelism": 1}, "rollback_config": {"parallelism": 0}}
    found["services"]["api"]["volumes"] = []
    images = dict.fromkeys(found["services"], ("shop/api:1", "sha256:1"))
    [update] = desired_services(found, images, {}, fingerprints(found, workspace))
    [rollback] = desired_services(found, images, {}, fingerprints(found, workspace), "rollback_config")
    assert (update.policy.parallelism, rollback.policy.parallelism) == (1, 0)
    assert update.fingerprint == rollback.fingerprint


def test_the_override_pins_images_labels_replicas_and_joins_the_edge() -> None:
    found: Model = {
        "name": "shop",
        "services": {
            "api": {"image": "shop/api:1", "networks": {"default": None, "backend": {"aliases": ["a"]}}},
            "web": {"image": "shop/web:1"},
            "worker": {"image": "shop/worker:1"},
            "migrate": {"image": "shop/api:1", "profiles": ["migrate"]},
        },
    }
    desired = [DesiredService(name, 1, "f", routed=name != "worker") for name in ("api", "web", "worker")]
    pinned = {name: f"shop/{name}@sha256:1" for name in ("api", "web", "worker", "migrate")}
    labels = {service.name: {"morpheus.deploy.fingerprint": f"f-{service.name}"} for service in desired}
    additions: dict[str, dict[str, Any]] = {"worker": {"cap_drop": ["ALL"]}, "migrate": {"read_only": True}, "web": {}}
    result = override(found, desired, pinned, labels, additions)
    assert result["services"]["api"] == {
        "image": "shop/api@sha256:1",
        "labels": {"morpheus.deploy.fingerprint": "f-api"},
        "networks": {"default": {}, "backend": {}, "edge.shop": {}},
    }
    assert result["services"]["web"]["networks"] == {"default": {}, "edge.shop": {}}
    assert result["services"]["worker"] == {
        "image": "shop/worker@sha256:1",
        "labels": {"morpheus.deploy.fingerprint": "f-worker"},
        "cap_drop": ["ALL"],
    }
    # Not ours to start, but nobody who does by hand should be less safe.
    assert result["services"]["migrate"] == {"read_only": True}
    assert result["networks"] == {"edge.shop": {"external": True, "name": "edge.shop"}}


def test_the_override_says_where_mounted_files_lie_for_services_behind_a_profile_too() -> None:
    found: Model = {"services": {"api": {"image": "a:1"}, "seed": {"image": "a:1", "profiles": ["seed"]}}}
    mount = {"type": "bind", "source": "/content/x/conf", "target": "/conf", "read_only": True}
    mounts = Overrides({"api": [mount], "seed": [mount]}, {"c": {"file": "/content/y/c.json"}})
    result = override(found, [DesiredService("api", 1, "f")], {"api": "a@sha256:1"}, {"api": {}}, {}, mounts)
    assert result["services"]["api"] == {"image": "a@sha256:1", "labels": {}, "volumes": [mount]}
    assert result["services"]["seed"] == {"volumes": [mount]}
    assert result["configs"] == {"c": {"file": "/content/y/c.json"}}


def test_the_override_of_a_stack_without_routes_knows_no_edge() -> None:
    found: Model = {"services": {"worker": {"image": "w:1"}}}
    result = override(found, [DesiredService("worker", 1, "f")], {"worker": "w@sha256:1"}, {"worker": {}}, {})
    assert "networks" not in result
