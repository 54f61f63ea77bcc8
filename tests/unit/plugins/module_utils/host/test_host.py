"""One stack on a host, with files in a temporary directory and without an engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError, DeployError, EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import FINGERPRINT, PARTS, RELEASE
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Expectation
from ansible_collections.morpheus.deploy.plugins.module_utils.host import host as host_module
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Lineage
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.harm import check_declared
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.secret_files import Rights
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

IMAGES = {"api": ("shop/api:1.0", "sha256:1"), "worker": ("shop/worker:1.0", "sha256:2")}
HEALTH = {
    "path": "/health",
    "status": 200,
    "version": "version",
    "expect": "ready",
    "successes": 3,
    "interval_seconds": 0.25,
    "timeout_seconds": 2.0,
    "deadline_seconds": 60.0,
}
STACK: dict[str, Any] = {
    "name": "shop",
    "compose_files": ["compose.yml", "compose.staging.yml"],
    "services": [
        {"name": "api", "port": 8000, "routes": [{"host": "shop.example", "paths": ["/api", "/v1"]}], "health": HEALTH},
        {"name": "worker", "port": 9000, "routes": [], "health": None},
    ],
}
FILES = {"compose.yml": b"", "compose.staging.yml": b"", "migrations/1.sql": b"create", "nginx.conf": b"listen"}


@pytest.fixture
def host(tmp_path: Path) -> StackHost:
    (tmp_path / "edge").mkdir()
    (tmp_path / "edge" / "edge.json").write_text(json.dumps({"image": "haproxy:3.0", "user": "99:99"}))
    return StackHost("shop", object(), tmp_path / "edge", Releases("shop", tmp_path / "stacks"))


def model(host: StackHost, mounts: tuple[str, ...] = ("migrations", "nginx.conf", "secrets")) -> dict[str, Any]:
    project = host.releases.project
    volumes = [{"type": "bind", "source": str(project / name) if name else str(project), "target": f"/{name}"} for name in mounts]
    return {
        "name": "shop",
        "services": {"api": {"image": "shop/api:1.0", "volumes": volumes}, "worker": {"image": "shop/worker:1.0"}},
    }


def prepared(host: StackHost, files: Mapping[str, bytes] = FILES, name: str = "1.0") -> Manifest:
    manifest = Manifest(f"{name}-a", name, "staging", Stack.of(STACK))
    host.releases.write_secrets({"api.env": 'TOKEN="canary"\n'})
    host.releases.write_files(manifest.id, name, "staging", files)
    host.releases.write_manifest(manifest)
    return manifest


def target(host: StackHost, manifest: Manifest, found: dict[str, Any] | None = None) -> Target:
    return host.target(manifest, host.releases.workspace(manifest.id), images=IMAGES, model=found or model(host))


def fingerprints(found: Target) -> dict[str, str]:
    return {service.name: service.fingerprint for service in found.desired}


MOUNTS = [
    pytest.param(("migrations",), id="a directory"),
    pytest.param(("nginx.conf",), id="a file"),
    pytest.param(("secrets",), id="the secrets"),
    pytest.param(("",), id="the whole project"),
]


@pytest.mark.parametrize("mounts", MOUNTS)
def test_a_release_has_the_same_fingerprints_before_it_is_activated_and_after(host: StackHost, mounts: tuple[str, ...]) -> None:
    """If not, the second run of the same deploy would replace every replica."""
    host.releases.activate(prepared(host, {**FILES, "migrations/0.sql": b"old", "nginx.conf": b"old"}, "0.9").id)
    manifest = prepared(host)
    found = model(host, mounts)
    before = fingerprints(target(host, manifest, found))
    host.releases.activate(manifest.id)
    after = target(host, manifest, found)
    host.write_override(after, manifest.id, {"api": "shop/api@sha256:1", "worker": "w"})
    assert fingerprints(target(host, manifest, found)) == fingerprints(after) == before


def test_a_changed_secret_changes_the_fingerprint_of_who_mounts_it_and_of_nobody_else(host: StackHost) -> None:
    manifest = prepared(host)
    before = fingerprints(target(host, manifest))
    host.releases.write_secrets({"api.env": 'TOKEN="other"\n'})
    after = fingerprints(target(host, manifest))
    assert after["api"] != before["api"]
    assert after["worker"] == before["worker"]


def with_file_secret(host: StackHost, content: str, rights: Rights) -> dict[str, str]:
    """Fingerprints when the API alone uses the file secret."""
    manifest = prepared(host)
    host.releases.write_secrets({"key": content}, {"key": rights})
    found = model(host, ("nginx.conf",))
    found["services"]["api"]["secrets"] = [{"source": "k", "target": "/run/secrets/k"}]
    found["secrets"] = {"k": {"file": str(host.releases.project / "secrets/key")}}
    return fingerprints(target(host, manifest, found))


@pytest.mark.parametrize(
    ("content", "rights"),
    [("other", Rights(None, 0o400)), ("same", Rights(None, 0o440))],
    ids=["another content", "another mode"],
)
def test_a_changed_file_secret_changes_the_fingerprint_of_who_uses_it_and_of_nobody_else(
    host: StackHost, content: str, rights: Rights
) -> None:
    before = with_file_secret(host, "same", Rights(None, 0o400))
    assert with_file_secret(host, "same", Rights(None, 0o400)) == before
    after = with_file_secret(host, content, rights)
    assert after["api"] != before["api"]
    assert after["worker"] == before["worker"]


def hardened(host: StackHost, **exempt: list[str]) -> Target:
    hardening = {"exempt": exempt, "docker_socket": [], "privileged": []}
    manifest = replace(prepared(host), stack=Stack.of({**STACK, "hardening": hardening}))
    host.releases.activate(manifest.id)
    return target(host, manifest)


def test_what_hardens_a_service_is_in_the_override_and_in_its_fingerprint(host: StackHost) -> None:
    """An upgrade that hardens more rolls every service once; the plan after it is empty."""
    bare, first, again = target(host, prepared(host)), hardened(host), hardened(host)
    assert fingerprints(first) == fingerprints(again)
    assert set(first.desired[0].parts) - set(bare.desired[0].parts) == set(first.additions["api"])
    host.write_override(first, "1.0-a", {"api": "shop/api@sha256:1", "worker": "w@sha256:1"})
    written = json.loads((host.releases.project / "override.json").read_text())["services"]
    assert {key: written["api"][key] for key in first.additions["api"]} == first.additions["api"]
    assert written["worker"]["cap_drop"] == ["ALL"]


def test_an_exemption_changes_the_service_that_has_it_and_no_other(host: StackHost) -> None:
    before, after = fingerprints(hardened(host)), fingerprints(hardened(host, worker=["read_only"]))
    assert after["worker"] != before["worker"]
    assert after["api"] == before["api"]


def test_a_service_that_says_all_of_it_itself_has_the_same_fingerprint(host: StackHost) -> None:
    """So that words which have become superfluous can go from Compose files without a rollout."""
    before = hardened(host)
    found = model(host)
    found["services"]["api"].update(before.additions["api"])
    manifest = replace(
        prepared(host), stack=Stack.of({**STACK, "hardening": {"exempt": {}, "docker_socket": [], "privileged": []}})
    )
    after = target(host, manifest, found)
    assert after.additions["api"] == {}
    assert fingerprints(after)["api"] == fingerprints(before)["api"]


def test_looking_in_check_mode_makes_no_key(host: StackHost) -> None:
    manifest = prepared(host)
    host.target(manifest, host.releases.workspace(manifest.id), images=IMAGES, model=model(host), create_key=False)
    assert not (host.releases.root / "fingerprint.key").exists()


def test_a_target_knows_its_routes_and_what_a_good_answer_is(host: StackHost) -> None:
    found = target(host, prepared(host))
    assert found.routes == {"shop.example/api/": "api", "shop.example/v1/": "api"}
    assert [service.name for service in found.desired if service.routed] == ["api"]
    assert found.expectation("api") == Expectation(200, "ready", "version", "1.0")


@pytest.mark.parametrize(
    ("hosts", "here", "done_elsewhere", "due"),
    [
        pytest.param("one", True, [], True, id="of one host, on the first one"),
        pytest.param("one", False, [], False, id="of one host, on another one"),
        pytest.param("one", True, ["worker"], False, id="of one host, and another one has run it"),
        pytest.param("each", False, ["worker"], True, id="of each host, whatever the others have run"),
    ],
)
def test_a_job_is_due_on_one_host_or_on_each_and_once_for_a_release(
    host: StackHost, hosts: str, here: bool, done_elsewhere: list[str], due: bool
) -> None:
    manifest = replace(prepared(host), stack=Stack.of({**STACK, "jobs": {"worker": {"hosts": hosts}}}))
    found = model(host)
    found["services"]["worker"]["restart"] = "no"
    host.runs_jobs, host.jobs_done = here, done_elsewhere
    lineage = Lineage()
    host.releases.write_lineage(lineage)
    assert [one.due for one in target(host, manifest, found).desired if one.job] == [due]
    # Run here by now.
    lineage.has_run(manifest.id, "worker")
    host.releases.write_lineage(lineage)
    assert [one.due for one in target(host, manifest, found).desired if one.job] == [False]


def test_the_override_and_the_env_file_let_people_type_docker_compose_in_the_project(host: StackHost) -> None:
    manifest = prepared(host)
    host.releases.activate(manifest.id)
    found = target(host, manifest)
    host.write_override(found, manifest.id, {"api": "shop/api@sha256:1", "worker": "shop/worker@sha256:2"})
    written = json.loads((host.releases.project / "override.json").read_text())
    labels = written["services"]["api"]["labels"]
    assert labels[FINGERPRINT] == fingerprints(found)["api"]
    assert labels[RELEASE] == manifest.id
    assert set(json.loads(labels[PARTS])) >= {"image", "file /nginx.conf", "file /migrations/1.sql"}
    assert "canary" not in json.dumps(written)
    assert (host.releases.project / ".env").read_text() == (
        "STACK_RELEASE=1.0\nSTACK_ENVIRONMENT=staging\n"
        "COMPOSE_PROJECT_NAME=shop\nCOMPOSE_FILE=compose.yml:compose.staging.yml:override.json\n"
    )


def test_dollars_in_labels_are_not_interpolated(host: StackHost) -> None:
    manifest = prepared(host)
    host.releases.activate(manifest.id)
    found = model(host)
    found["services"]["api"]["volumes"][1]["target"] = "/etc/$HOME"
    host.write_override(target(host, manifest, found), manifest.id, {"api": "a@sha256:1", "worker": "w@sha256:1"})
    text = (host.releases.project / "override.json").read_text()
    assert "$$HOME" in text
    assert "$HOME" not in text.replace("$$", "")


def test_a_host_without_an_edge_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match="this host has no edge"):
        StackHost("shop", object(), tmp_path)


def test_models_have_the_paths_of_the_project_directory(host: StackHost, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = prepared(host)
    workspace = host.releases.workspace(manifest.id)
    seen: list[Any] = []

    class Compose:
        def __init__(self, *arguments: Any) -> None:
            seen.extend(arguments)

        def model(self) -> dict[str, Any]:
            source = str(workspace.files / "nginx.conf")
            return {
                "name": "shop",
                "services": {"api": {"image": "a:1", "volumes": [{"type": "bind", "source": source, "target": "/x"}]}},
            }

    monkeypatch.setattr(host_module, "Compose", Compose)
    found = host.model(Stack.of(STACK), workspace)
    assert found["services"]["api"]["volumes"][0]["source"] == str(host.releases.project / "nginx.conf")
    assert seen[3] == [workspace.interpolation]
    assert seen[2] == [workspace.files / "compose.yml", workspace.files / "compose.staging.yml"]


def test_what_compose_makes_of_the_files_is_checked_again(host: StackHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Now variables are resolved and files merged as only Compose can."""
    workspace = host.releases.workspace(prepared(host).id)

    class Compose:
        __init__: Callable[..., None] = lambda self, *arguments: None

        def model(self) -> dict[str, Any]:
            off = {"image": "b", "profiles": ["x"], "privileged": True}
            return {"name": "shop", "services": {"api": {"image": "a:latest", "ports": [80]}, "off": off}}

    latest = 'in the configuration:\n  - services.api.image: "a:latest" does not say which version'
    monkeypatch.setattr(host_module, "Compose", Compose)
    with pytest.raises(Exception, match=latest):
        host.model(Stack.of(STACK), workspace)
    # What it asks of the host is judged when it is prepared, and not of releases that are here: see test_hardening_here.
    hardening: dict[str, Any] = {"exempt": {}, "docker_socket": [], "privileged": []}
    with pytest.raises(Exception, match=latest):
        host.model(Stack.of({**STACK, "hardening": hardening}), workspace)


SHIPPING: dict[str, Any] = {**STACK, "files": ["migrations", "nginx.conf"], "live_files": ["flags"]}
PINNED = {"api": "shop/api@sha256:1", "worker": "w@sha256:1"}


def shipping(host: StackHost, files: Mapping[str, bytes], name: str = "1.0", executable: tuple[str, ...] = ()) -> Manifest:
    manifest = Manifest(f"{name}-a", name, "staging", Stack.of(SHIPPING))
    host.releases.write_files(manifest.id, name, "staging", {**FILES, **files}, executable)
    host.releases.write_manifest(manifest)
    return manifest


def shipped(host: StackHost, manifest: Manifest, mounts: tuple[str, ...] = ("migrations", "nginx.conf")) -> Target:
    resolved = host.mounts(Stack.of(SHIPPING), host.releases.workspace(manifest.id)).resolved(model(host, mounts))
    return target(host, manifest, resolved)


def switched(host: StackHost, manifest: Manifest, mounts: tuple[str, ...] = ("migrations", "nginx.conf")) -> dict[str, str]:
    """What the release's override mounts: target -> source. The project directory becomes the release, as in a rollout."""
    found = shipped(host, manifest, mounts)
    host.releases.activate(manifest.id, found.data)
    host.write_override(found, manifest.id, PINNED)
    written = json.loads((host.releases.project / "override.json").read_text())
    return {volume["target"]: volume["source"] for volume in written["services"]["api"].get("volumes", [])}


def test_what_a_release_mounts_does_not_change_under_it_and_comes_back_with_it(host: StackHost) -> None:
    one = shipping(host, {})
    before = switched(host, one)
    after = switched(host, shipping(host, {"nginx.conf": b"other"}, "2.0"))
    assert after["/migrations"] == before["/migrations"]
    assert after["/nginx.conf"] != before["/nginx.conf"]
    contents = {source: Path(source).read_bytes() for source in (before["/nginx.conf"], after["/nginx.conf"])}
    assert sorted(contents.values()) == [b"listen", b"other"]
    # What was switched is taken back.
    assert switched(host, one) == before
    assert {source: Path(source).read_bytes() for source in contents} == contents


def test_what_the_live_release_mounts_is_said_for_pruning(host: StackHost) -> None:
    found = switched(host, shipping(host, {}), ("migrations", "nginx.conf", "flags", "uploads"))
    assert host.releases.mounted() == set(found.values())
    assert found["/flags"] == str(host.releases.root / "live" / "flags")
    assert set(found) == {"/migrations", "/nginx.conf", "/flags"}


def test_data_of_the_release_that_runs_is_known(host: StackHost) -> None:
    assert shipped(host, shipping(host, {}), ("migrations", "flags", "uploads", "secrets")).data == {"uploads"}


def test_an_executable_bit_alone_is_another_content_and_another_fingerprint(host: StackHost) -> None:
    one, two = shipping(host, {}), shipping(host, {}, "2.0", ("migrations/1.sql",))
    assert fingerprints(shipped(host, one))["api"] != fingerprints(shipped(host, two))["api"]
    before, after = switched(host, one), switched(host, two)
    assert before["/migrations"] != after["/migrations"]
    assert Path(after["/migrations"], "1.sql").stat().st_mode & 0o777 == 0o755


def _become_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


INLINE_DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "another's": lambda path: path.write_text("configs:\n"),
    "a directory": _become_directory,
}


@pytest.mark.parametrize("damage", INLINE_DAMAGES)
def test_damage_to_what_makes_compose_forget_a_config_is_said_and_mended(
    host: StackHost, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    manifest = shipping(host, {})
    found = {**model(host, ()), "configs": {"motd": {"name": "shop_motd", "content": "hello $$USER"}}}
    host.releases.write_secrets({})
    host.releases.activate(manifest.id)
    host.write_override(target(host, manifest, found), manifest.id, PINNED)
    monkeypatch.setattr(host.through, "troubles", lambda words: [])
    edge: Any = SimpleNamespace(differences=list)

    def said() -> list[str]:
        return host.damage(manifest, target(host, manifest, found), edge)

    inline = host.releases.project / "inline.yml"
    assert inline.read_text() == 'configs:\n  "motd": !reset null\n'
    assert said() == []
    INLINE_DAMAGES[damage](inline)
    assert [one for one in said() if one.startswith(str(inline))] != []
    if damage == "a directory":
        inline.rmdir()
    host.write_override(target(host, manifest, found), manifest.id, PINNED)
    assert said() == []
    # A release without such configs leaves nothing of it.
    host.write_override(target(host, manifest, model(host, ())), manifest.id, PINNED)
    assert host.damage(manifest, target(host, manifest, model(host, ())), edge) == []
    assert not inline.exists()


def test_the_same_files_of_another_release_make_the_same_fingerprint(host: StackHost) -> None:
    one, two = shipping(host, {"compose.yml": b"# other"}), shipping(host, {}, "2.0")
    before = fingerprints(shipped(host, one))
    switched(host, one)
    assert fingerprints(shipped(host, two)) == before


def test_live_files_are_no_part_of_a_fingerprint_and_that_they_are_live_is(host: StackHost) -> None:
    manifest = shipping(host, {})
    before = fingerprints(shipped(host, manifest, ("flags",)))
    assert before["api"] != fingerprints(target(host, manifest, model(host, ("flags",))))["api"]
    host.releases.live_files.write(["flags"], {"flags/a.json": b"{}"})
    assert fingerprints(shipped(host, manifest, ("flags",))) == before


def test_a_stack_without_routed_services_gets_no_network_to_the_edge(host: StackHost) -> None:
    """The engine is not even asked, nor is the edge marked as one that serves on networks of stacks."""
    before = host.edge_paths.settings.read_text()
    found = target(host, prepared(host))
    host.join_edge(replace(found, desired=[replace(one, routed=False) for one in found.desired]))
    assert host.edge_paths.settings.read_text() == before
    with pytest.raises(AttributeError):
        host.join_edge(found)


def of_variables(host: StackHost, **variables: str) -> Manifest:
    manifest = shipping(host, {})
    host.releases.write_secrets({"variables.env": env_file.render(variables)})
    host.releases.activate(manifest.id)
    return manifest


def reading_a_variable(host: StackHost) -> dict[str, Any]:
    found = model(host, ())
    found["services"]["api"]["secrets"] = [{"source": "key", "target": "/run/secrets/key"}]
    return {**found, "secrets": {"key": {"name": "shop_key", "environment": "KEY"}}}


def test_a_secret_of_a_variable_rolls_who_reads_it_and_nobody_else(host: StackHost) -> None:
    found = reading_a_variable(host)
    before, same, after = (
        fingerprints(target(host, of_variables(host, KEY=value, OTHER=value), found)) for value in ("one", "one", "two")
    )
    assert before == same
    assert {name for name in before if before[name] != after[name]} == {"api"}


def test_a_secret_of_a_variable_lies_beside_the_others_and_is_damage_where_it_is_gone(
    host: StackHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.through, "troubles", lambda words: [])
    edge: Any = SimpleNamespace(differences=list)
    manifest, found = of_variables(host, KEY="canary $5"), reading_a_variable(host)
    path = host.releases.secrets / "values" / "key"

    def written() -> str:
        host.write_override(target(host, manifest, found), manifest.id, PINNED)
        return (host.releases.project / "override.json").read_text()

    assert json.loads(written())["secrets"] == {"key": {"file": str(path)}}
    assert (path.read_text(), host.damage(manifest, target(host, manifest, found), edge)) == ("canary $5", [])
    places = [one for one in host.releases.root.rglob("*") if one.is_file() and b"canary" in one.read_bytes()]
    assert {one.parent for one in places} == {host.releases.secrets, path.parent}
    path.unlink()
    assert host.damage(manifest, target(host, manifest, found), edge) == [f"{path} is not as it was written"]
    written()
    assert host.damage(manifest, target(host, manifest, found), edge) == []
    # A release without it leaves nothing that Compose would read.
    host.write_override(target(host, manifest, model(host, ())), manifest.id, PINNED)
    assert "secrets" not in json.loads((host.releases.project / "override.json").read_text())
    assert not (host.releases.project / "inline.yml").exists()


@pytest.mark.parametrize("by", ["in place", "another file", "its mode"])
def test_a_secret_of_a_variable_that_somebody_changed_is_damage_and_is_put_right_where_replicas_read_it(
    host: StackHost, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr(host.through, "troubles", lambda words: [])
    edge: Any = SimpleNamespace(differences=list)
    manifest, found = of_variables(host, KEY="canary, and more"), reading_a_variable(host)
    path = host.releases.secrets / "values" / "key"

    def said() -> list[str]:
        return host.damage(manifest, target(host, manifest, found), edge)

    def written() -> None:
        host.write_override(target(host, manifest, found), manifest.id, PINNED)

    written()
    assert said() == []
    with path.open("rb") as mounted:
        if by == "in place":
            path.write_text("changed by hand")
        elif by == "another file":
            path.unlink()
            path.write_text("changed")
        else:
            path.chmod(0o666)
        assert said() == [f"{path} is not as it was written"]
        written()
        assert (path.read_text(), path.stat().st_mode & 0o777, said()) == ("canary, and more", 0o444, [])
        # A replica has mounted what lay there when it was started.
        assert mounted.read() == b"canary, and more"
    # A value that is another since is no damage: who reads it is replaced, and whoever still runs keeps what it has.
    manifest = of_variables(host, KEY="two")
    with path.open("rb") as mounted:
        assert (said(), path.read_text()) == ([], "canary, and more")
        written()
        assert (path.read_text(), mounted.read()) == ("two", b"canary, and more")


def test_a_secret_of_a_variable_that_is_not_on_the_host_is_said_and_not_written(host: StackHost) -> None:
    manifest, found = of_variables(host, OTHER="x"), reading_a_variable(host)
    with pytest.raises(DeployError, match=r"secrets/variables\.env gives no KEY, .* deploy the live release again"):
        host.write_override(target(host, manifest, found), manifest.id, PINNED)
    with pytest.raises(ConfigError, match=r"secrets\.key\.environment: KEY has no value; write KEY: "):
        check_declared(manifest.stack, found, ["OTHER"])
