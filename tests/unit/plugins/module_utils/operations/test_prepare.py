"""Room for images and their identity, on an engine that exists only here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import (
    ConfigError,
    DeployError,
    EngineError,
    RegistryDownError,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.base.meminfo import Memory
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.data import Ground
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.file_mounts import Sources
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import Here
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.project_mounts import ProjectMounts
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Disk, Image
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.registries import Login
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind, Lineage
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import harm, prepare, room, usable, wanted_images
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Action, Step
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Migration, Stack

MB = 1_000_000


class Host:
    """host.StackHost with a registry (reference -> digest) and the images on it (reference -> digest)."""

    def __init__(self, root: Path) -> None:
        self.releases = Releases("shop", root)
        self.engine = self
        self.one_offs = SimpleNamespace(jobs=lambda names: [])
        self.registry: dict[str, str] = {}
        self.here: dict[str, str] = {}
        self.free = 10_000 * MB
        self.pulls: list[str] = []
        self.broken: EngineError | None = None
        self.warnings: list[str] = []
        self.logins: dict[str, Login] = {}
        self.asked: list[str] = []
        self.built: dict[str, str] = {}

    def ask(self, reference: str) -> None:
        self.asked.append(reference)
        if self.broken:
            raise self.broken

    def architecture(self) -> str:
        return "amd64"

    def foreign(self, reference: str) -> str:
        if " " in reference:
            raise EngineError("the Docker engine could not look at it: invalid reference format")
        return self.built.get(reference, "")

    def image(self, reference: str) -> Image | None:
        if reference.startswith("id-"):
            return Image(reference, reference, "") if reference.removeprefix("id-") in self.here.values() else None
        name, _, digest = reference.partition("@")
        known = self.here.get(name)
        if digest:
            return Image(name, f"id-{digest}", digest) if digest in self.here.values() else None
        return Image(name, f"id-{known}", known) if known else None

    def pull(self, reference: str) -> Image:
        self.pulls.append(reference)
        name, _, digest = reference.partition("@")
        if self.broken:
            raise self.broken
        if not digest and name not in self.registry:
            raise EngineError(f"the registry has no image {reference}")
        self.here[name] = digest or self.registry[name]
        return Image(name, f"id-{self.here[name]}", self.here[name])

    def size(self, reference: str) -> int:
        return 200 * MB

    def disk(self) -> Disk:
        return Disk("/var/lib/docker", self.free, 20_000 * MB)

    def require_routes(self, stack: Stack) -> None:
        """Nobody else has any."""

    def find(
        self,
        digests: Mapping[str, str] | None = None,
        known: Mapping[str, Any] | None = None,
        *,
        pull: bool = True,
        reference: str = "shop/api:1",
    ) -> dict[str, dict[str, str]]:
        wanted = Wanted("1", "staging", Stack(keep_free_mb=1000), {}, {}, digests=digests or {})
        finder = wanted_images.WantedImages(self, wanted, known or {}, self.releases.live())  # type: ignore[arg-type]
        found = finder.find({"api": reference, "migrate": reference}, pull=pull)
        self.warnings = finder.warnings
        return found


@pytest.fixture
def host(tmp_path: Path) -> Host:
    found = Host(tmp_path)
    found.registry = {"shop/api:1": "d1"}
    return found


def recorded(digest: str) -> dict[str, dict[str, str]]:
    return {"api": {"reference": "shop/api:1", "digest": digest, "id": f"id-{digest}"}}


def test_an_image_is_pulled_once_and_known_by_its_digest(host: Host) -> None:
    entry = {"reference": "shop/api:1", "digest": "d1", "id": "id-d1"}
    assert host.find() == {"api": entry, "migrate": entry}
    assert host.pulls == ["shop/api:1"]


def test_of_services_behind_a_profile_only_the_migrations_image_is_needed() -> None:
    services: dict[str, Any] = {"api": {"image": "shop/api:1"}, "built": {}}
    services |= {name: {"image": f"shop/{name}:1", "profiles": [name]} for name in ("migrate", "seed")}
    stack = Stack(migration=Migration(service="migrate"))
    assert prepare.references({"services": services}, stack) == {"api": "shop/api:1", "migrate": "shop/migrate:1"}
    assert prepare.references({"services": services}, Stack()) == {"api": "shop/api:1"}


def test_what_a_release_has_run_with_is_not_asked_for_again(host: Host) -> None:
    host.here = {"shop/api:1": "d0"}
    assert host.find(known=recorded("d0"))["api"]["digest"] == "d0"
    assert host.pulls == []


def test_a_lost_image_comes_back_by_its_digest_also_when_the_tag_has_moved(host: Host) -> None:
    assert host.find(known=recorded("d0"))["api"]["digest"] == "d0"
    assert host.pulls == ["shop/api:1@d0"]


def test_another_hosts_digest_counts_more_than_the_tag(host: Host) -> None:
    assert host.find(digests={"shop/api:1": "d0"})["api"] == {"reference": "shop/api:1", "digest": "d0", "id": "id-d0"}
    assert host.pulls == ["shop/api:1@d0"]


def test_a_registry_that_is_down_does_not_stop_what_is_here_and_is_said(host: Host) -> None:
    host.here, host.broken = {"shop/api:1": "d0"}, RegistryDownError("no route to host")
    assert host.find()["api"]["digest"] == "d0"
    assert host.warnings == [
        "shop/api:1: the image that this host had under this tag already is used, id-d0, because no registry could say whether "
        "it is still the one: no route to host"
    ]


def test_a_registry_that_is_down_stops_what_is_not_here(host: Host) -> None:
    host.broken = RegistryDownError("no route to host")
    with pytest.raises(RegistryDownError, match=r"^no route to host$"):
        host.find()


def test_a_pull_that_was_refused_is_never_answered_with_an_older_image_of_the_tag(host: Host) -> None:
    host.here, host.broken = {"shop/api:1": "d0"}, EngineError("image shop/api:1 does not fit onto the engine's disk")
    with pytest.raises(EngineError, match=r"^image shop/api:1 does not fit"):
        host.find()
    assert host.here == {"shop/api:1": "d0"}


def test_check_mode_takes_a_tag_that_is_not_here_for_what_runs_under_its_name(host: Host) -> None:
    """Or else a plan would replace replicas of an image by the same one: an image may run without any name."""
    live(host, "shop/api:1")
    host.here = {"another-name": "d0"}
    assert host.find(pull=False)["api"] == {"reference": "shop/api:1", "digest": "d0", "id": "id-d0"}
    assert host.find({"shop/api:1": "d0"}, pull=False)["api"]["id"] == "id-d0"
    # Another host of this run has found another content.
    assert host.find({"shop/api:1": "d1"}, pull=False)["api"]["id"] == "not pulled: shop/api:1"
    host.here = {}
    assert host.find(pull=False)["api"]["id"] == "not pulled: shop/api:1"
    assert host.pulls == []


BY_DIGEST = "shop/api:1@d0"


def test_what_is_named_by_its_digest_is_pulled_once_and_never_asked_for_again(host: Host) -> None:
    assert host.find(reference=BY_DIGEST)["api"] == {"reference": BY_DIGEST, "digest": "d0", "id": "id-d0"}
    host.broken = RegistryDownError("no route to host")
    assert host.find(reference=BY_DIGEST)["api"]["id"] == "id-d0"
    # Whatever another host of this run has found under its tag.
    assert host.find({BY_DIGEST: "d1"}, reference=BY_DIGEST)["api"]["id"] == "id-d0"
    assert (host.pulls, host.warnings) == ([BY_DIGEST], [])


HUB = {"docker.io": Login("docker.io", "deploy", "x")}


def test_check_mode_asks_registries_that_want_a_login_and_no_others(host: Host) -> None:
    host.find(pull=False)
    assert host.asked == []
    host.logins = HUB
    host.find(pull=False)
    host.find({"shop/api:1": "d0"}, pull=False)
    assert (host.asked, host.pulls) == (["shop/api:1", "shop/api:1@d0"], [])
    host.here = {"shop/api:1": "d0"}
    host.find({"shop/api:1": "d0"}, pull=False)
    assert len(host.asked) == 2


def test_check_mode_refuses_what_a_registry_refuses_and_warns_of_one_that_is_down(host: Host) -> None:
    host.logins, host.broken = HUB, EngineError("the registry docker.io refuses the login")
    with pytest.raises(EngineError, match=r"^the registry docker\.io refuses the login$"):
        host.find(pull=False)
    host.broken = RegistryDownError("no route to host")
    assert host.find(pull=False)["api"]["id"] == "not pulled: shop/api:1"
    assert host.warnings == ["shop/api:1: no route to host"]


FOREIGN = (
    "services.api.image: shop/api:1 was built for linux/arm64, and this host is linux/amd64. Build and push it for this one, "
    "too, or say platform: linux/arm64 where the host emulates it"
)


def test_an_image_for_another_processor_is_refused_unless_the_service_names_its_platform(host: Host) -> None:
    host.built = {"id-d0": "arm64"}
    images = recorded("d0")
    with pytest.raises(DeployError) as caught:
        wanted_images.refuse_foreign(host, {"services": {"api": {}}}, images)
    assert str(caught.value) == FOREIGN
    wanted_images.refuse_foreign(host, {"services": {"api": {"platform": "linux/arm64"}}}, images)
    host.built = {}
    wanted_images.refuse_foreign(host, {"services": {"api": {}}}, images)


def test_an_image_that_check_mode_did_not_pull_is_of_no_processor_yet(host: Host) -> None:
    wanted_images.refuse_foreign(host, {"services": {"api": {}}}, host.find(pull=False))


def live(host: Host, reference: str = "shop/api:0") -> None:
    images = {"api": {"reference": reference, "digest": "d0", "id": "id-d0"}}
    host.releases.write_manifest(Manifest("0-a", "0", "staging", Stack(), images))
    lineage = host.releases.lineage()
    lineage.went_live("0-a", Kind.DEPLOY)
    host.releases.write_lineage(lineage)


def test_secrets_that_a_release_reads_and_that_are_gone_are_named(host: Host) -> None:
    secrets = {"api.env": ["KEY", "URL"], "session_secret": [], "other": []}
    manifest = Manifest("1-a", "1", "staging", Stack(), secrets=secrets)
    host.releases.write_secrets({"api.env": 'URL="x"\n', "other": "content"})
    assert usable.missing_secrets(host, manifest) == ["api.env: KEY", "session_secret"]  # type: ignore[arg-type]


def test_a_release_names_the_variables_of_env_files_and_the_names_of_file_secrets() -> None:
    wanted = Wanted("1", "staging", Stack(), {}, {"api.env": 'KEY="x"\n', "session_secret": 'KEY="x"\n'})
    assert wanted.secret_names == {"api.env": ["KEY"], "session_secret": []}


@pytest.mark.parametrize(("free", "fits"), [(1200, True), (1199, False)])
def test_a_disk_without_room_refuses_before_pulling_with_numbers(host: Host, free: int, fits: bool) -> None:
    live(host)
    host.free = free * MB
    if fits:
        host.find()
        return
    with pytest.raises(DeployError) as caught:
        host.find()
    assert str(caught.value).startswith(
        "the engine's disk (/var/lib/docker) has 1,199 MB free of 20,000 MB, and 1,200 MB are needed: about 200 MB for "
    )
    assert host.pulls == []


def test_a_full_disk_does_not_stop_a_deploy_that_pulls_nothing(host: Host) -> None:
    host.free, host.here = 0, {"shop/api:1": "d0"}
    host.find(known=recorded("d0"))


WANTED_STACK: dict[str, Any] = {
    "compose_files": ["compose.yml"],
    "files": ["conf", "data/seed"],
    "live_files": ["flags"],
    "services": [],
}
WANTED_FILES = {"compose.yml": b"", "conf/a": b"1", "data/seed": b"2"}


class AllWellError(Exception):
    """Nothing was refused."""


def mounting(host: Host, **names: bool) -> None:
    """Prepare a release that mounts these; True: read-only. Ends before images are looked for."""
    project = host.releases.project
    volumes = [
        {"type": "bind", "source": str(project / name), "target": f"/{name}", "read_only": read_only}
        for name, read_only in names.items()
    ]

    def mounts(stack: Stack, workspace: Workspace) -> ProjectMounts:
        sources = Sources.of(stack, workspace.shipped())
        return ProjectMounts(sources, project, host.releases.live_files.root, host.releases.contents)

    def model(stack: Stack, workspace: Workspace) -> dict[str, Any]:
        return mounts(stack, workspace).resolved({"services": {"api": {"image": "shop/api:1", "volumes": volumes}}})

    def image(reference: str) -> None:
        raise AllWellError

    host.mounts, host.model, host.image = mounts, model, image  # type: ignore[attr-defined,method-assign]
    wanted = Wanted("1", "staging", Stack.of(WANTED_STACK), WANTED_FILES, {}, digests={"shop/api:1": "d"})
    # The release has no migration, so none is looked for.
    prepare.prepare(host, wanted, SimpleNamespace(now=time.time), check_mode=False)  # type: ignore[arg-type]


HIDDEN = (
    "stack.files: conf is shipped, and {}/conf contains files that no release brought (conf/a.png, conf/b.png, conf/c.png, ...), "
    "and services would no longer see them; move them elsewhere on this host, or take conf out of stack.files so that they stay "
    "the application's data"
)


def test_files_that_would_hide_data_are_refused_before_anything_changes(host: Host) -> None:
    for name in ("a", "b", "c", "d"):
        write_atomically(host.releases.project / "conf" / f"{name}.png", "theirs", mode=0o644)
    before = sorted(host.releases.root.rglob("*"))
    with pytest.raises(ConfigError) as caught:
        mounting(host, conf=False)
    assert caught.value.problems == [HIDDEN.format(host.releases.project)]
    assert sorted(host.releases.root.rglob("*")) == before


def test_data_that_stays_data_is_in_nobodys_way(host: Host) -> None:
    write_atomically(host.releases.project / "uploads" / "a.png", "theirs", mode=0o644)
    with pytest.raises(AllWellError):
        mounting(host, conf=False, uploads=False, flags=False)


def test_what_only_compose_can_resolve_is_checked_on_the_host_too(host: Host) -> None:
    with pytest.raises(ConfigError) as caught:
        mounting(host, data=False)
    assert caught.value.problems[0].startswith(
        'services.api.volumes: "./data" can be written to, and stack.files ships data/seed'
    )


def test_what_can_be_run_is_a_part_of_the_id_and_live_files_are_none() -> None:
    def identity(**more: Any) -> str:
        return Wanted("1", "staging", Stack(), {"run.sh": b""}, {}, **more).id

    assert identity(executable=["run.sh"]) != identity() == identity(live_files={"flags/a": b"1"})
    assert identity(live_files={"flags/a": b"1"}, executable=["flags/a"]) == identity()


class Projects:
    """With Compose: what it makes of the live release, and how often it was asked."""

    def __init__(self, root: Path) -> None:
        self.releases = Releases("shop", root)
        self.asked = 0
        self.lost = False
        self.found = Here()

    def resolved(self, stack: Stack, workspace: Any) -> dict[str, Any]:
        self.asked += 1
        if self.lost:
            raise EngineError("env file secrets/api.env not found")
        return {"name": "live"}

    def ground(self, stack: Stack, workspace: Any) -> Ground:
        return Ground.of(stack, ())

    def here(self, model: Any, images: Mapping[str, str], live: Mapping[str, Any]) -> Here:
        return replace(self.found, live=live)


def wanted(text: bytes) -> Wanted:
    return Wanted("1", "staging", Stack.of({"compose_files": ["compose.yml"]}), {"compose.yml": text}, {})


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    found = Projects(tmp_path)
    found.releases.write_files("0-a", "0", "staging", {"compose.yml": b"services: {}"})
    found.releases.write_manifest(Manifest("0-a", "0", "staging", Stack.of({"compose_files": ["compose.yml"]}), {}))
    return found


def test_compose_is_asked_for_the_live_release_only_where_its_files_differ(projects: Projects) -> None:
    assert harm._live_model(projects, wanted(b"services: {}"), "0-a") == {}  # type: ignore[arg-type]
    assert harm._live_model(projects, wanted(b"services: {}"), "") == {}  # type: ignore[arg-type]
    assert projects.asked == 0
    assert harm._live_model(projects, wanted(b"services: {a: {}}"), "0-a") == {"name": "live"}  # type: ignore[arg-type]


def test_a_live_release_whose_secrets_are_gone_stops_no_deploy(projects: Projects) -> None:
    projects.lost = True
    assert harm._live_model(projects, wanted(b"services: {a: {}}"), "0-a") == {}  # type: ignore[arg-type]
    assert projects.asked == 1


def test_what_an_image_declares_that_check_mode_does_not_pull_is_not_asked(projects: Projects) -> None:
    asked: dict[str, str] = {}

    def here(model: Any, images: Mapping[str, str], live: Mapping[str, Any]) -> Here:
        asked.update(images)
        return Here()

    projects.here = here  # type: ignore[method-assign]
    images = {"api": {"id": f"{wanted_images.NOT_PULLED}shop/api:2"}, "db": {"id": "sha256:db"}}
    harm.take_precautions(projects, wanted(b""), None, {"services": {}}, images, Lineage())  # type: ignore[arg-type]
    assert asked == {"db": "sha256:db"}


def test_what_would_lose_data_is_refused_with_every_problem(projects: Projects) -> None:
    projects.found = Here(declared={"db": ["/data"], "cache": ["/data"]})
    model = {"services": {name: {"image": f"{name}:1"} for name in ("db", "cache")}}
    images = {name: {"id": f"sha256:{name}"} for name in ("db", "cache")}
    with pytest.raises(ConfigError) as caught:
        harm.take_precautions(projects, wanted(b""), None, model, images, Lineage())  # type: ignore[arg-type]
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["services.db.volumes", "services.cache.volumes"]


def test_a_prepare_takes_away_what_killed_ones_have_left_of_secrets(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    left = run / "morpheus.deploy.held-x" / "secrets"
    left.mkdir(parents=True)
    monkeypatch.setattr(leftovers, "RUN", run)
    host.releases.write_secrets({"api.env": 'TOKEN="canary"\n'})
    half = host.releases.secrets / ".api.env.x7"
    half.write_text("TOKEN=can")
    assert prepare._sweep(host) == [  # type: ignore[arg-type]
        f"{left.parent} was left by a run that was killed, with secrets in it; it is removed now",
        f"{half} was left half-written by a run that was killed; it is removed now",
    ]
    assert list(run.iterdir()) == []
    assert host.releases.secret_files() == ["api.env"]


def refusals(host: Host, reference: str = "shop/api:1") -> list[str]:
    """What speaks against the images, all of it, without a login for their registry."""
    found: list[str] = []
    wanted = Wanted("1", "staging", Stack(keep_free_mb=1000), {}, {})
    wanted_images.WantedImages(host, wanted, {}, host.releases.live(), found).find({"api": reference}, pull=False)  # type: ignore[arg-type]
    assert host.pulls == []
    return found


def test_all_that_speaks_against_images_is_told_where_somebody_asks_for_it(host: Host) -> None:
    live(host)
    host.free, host.broken = 1199 * MB, EngineError("the registry has no image shop/api:1")
    disk, image = refusals(host)
    assert disk.startswith("the engine's disk (/var/lib/docker) has 1,199 MB free")
    assert image == "the registry has no image shop/api:1"
    host.free, host.broken = 1200 * MB, None
    assert refusals(host) == []
    assert host.asked == ["shop/api:1", "shop/api:1"]


def test_a_registry_that_is_down_speaks_against_what_is_not_here_alone(host: Host) -> None:
    host.broken = RegistryDownError("no route to host")
    assert refusals(host) == ["no route to host"]
    host.here = {"shop/api:1": "d0"}
    assert refusals(host) == []


def model_of(**limits: int) -> dict[str, Any]:
    resources = {name: {"resources": {"limits": {"memory": str(size)}}} for name, size in limits.items() if size}
    return {"services": {name: {"deploy": resources.get(name) or {}} for name in limits}}


class Using:
    """An engine whose replicas use so much."""

    def __init__(self, used: int) -> None:
        self._used = used

    def memory(self, identity: str) -> int:
        return self._used


@pytest.mark.parametrize(
    ("used", "limit", "expected", "most"),
    [(60, 100, 60, 100), (0, 100, 100, 100), (60, 0, 60, 60), (140, 100, 100, 100), (0, 0, 0, 0)],
)
@pytest.mark.parametrize("keep", [0, 10])
def test_replicas_side_by_side_fit_by_what_runs_and_are_doubted_by_their_limits(
    used: int, limit: int, expected: int, most: int, keep: int
) -> None:
    steps = [Step(Action.START, "api", count=1), Step(Action.STOP, "api", replicas=("api-1",))]
    runs = [Replica("id-1", "api-1", "api", 1, "")] if used else []
    found = room.beside(Using(used * MB), steps, runs, model_of(api=limit * MB))
    assert (found.expected, found.most, list(found.unlimited)) == (expected * MB, most * MB, [] if limit else ["api"])
    enough = Memory((expected + keep) * MB, 10**12)
    assert found.shortage(enough, keep) == found.shortage(None, keep) == found.doubt(None, keep) == ""
    assert bool(found.doubt(enough, keep)) == (most > expected)
    assert found.doubt(Memory((most + keep) * MB, 10**12), keep) == ""
    short = found.shortage(Memory(max(0, (expected + keep) * MB - 1), 10**12), keep)
    assert bool(short) == bool(expected)
    if short:
        assert f"about {expected} MB for replicas that start beside" in short
