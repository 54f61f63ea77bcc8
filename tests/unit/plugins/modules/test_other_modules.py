"""The modules that the verdict does not read, as Ansible runs them: the edge's, and those that only look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container import settings
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container import setup as edge_setup
from ansible_collections.morpheus.deploy.plugins.module_utils.egress import addresses
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine, everything
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import readiness
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import explained
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.verdict import _MODULES

from tests.plays.played import ROOT
from tests.unit.endings import worlds
from tests.unit.endings.ran import run
from tests.unit.endings.worlds import World
from tests.unit.memory_kernel import Kernel
from tests.unit.plugins.module_utils.edge import test_maintenance as maintenance
from tests.unit.plugins.module_utils.egress.test_egress_filter import filter_of

CAPSYS = pytest.CaptureFixture[str]
HERE = {
    "edge_config",
    "edge_maintenance",
    "edge_upstream",
    "edge_upstream_info",
    "host_baseline",
    "host_egress",
    "preflight_info",
    "stack_status",
    "stack_audit",
}
# By test_ml_mode_module.py, test_flags_module.py, those of logs/, test_adoption_module.py, test_certificate_modules.py,
# tests/backup, tests/supabase and tests/migrations/test_reader.py.
BESIDE = {
    *("backup_store", "database_backup", "database_restore", "staging_data_export", "staging_data_import"),
    *("edge_certificate", "edge_certificate_info", "edge_challenges", "edge_placed"),
    *("log_shipping", "stack_logs"),
    *("ledger_login", "stack_ledger"),
    *("ml_contract", "ml_costs", "ml_mode"),
    *("stack_adoption_info", "stack_flags"),
    *(
        "storage_backup",
        "storage_bucket",
        "storage_restore",
        "supabase_branch",
        "supabase_branch_info",
        "supabase_isolation_info",
        "supabase_project",
    ),
}


def test_every_module_is_run_by_a_test() -> None:
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    # These are action plugins alone, whose tests are in tests/plays: test_table_of_endings.py, test_newcomer.py,
    # test_certificates.py, test_notifications.py and test_ml_endpoints_playbook.py.
    alone = {"acme_certificate", "begin", "new_environment", "compose_inspect", "hook", "runpod_endpoint"}
    assert modules == HERE | BESIDE | set(_MODULES) | alone


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def without_engine(world: World) -> None:
    """Nobody asks Docker."""
    world.monkeypatch.setattr(engine, "connect", lambda: None)
    world.monkeypatch.setattr(everything, "Everything", lambda client: None)


class Setup:
    """edge_setup.EdgeSetup of an edge that needs ``changes``, or refuses them."""

    def __init__(self, *changes: str, error: Exception | None = None) -> None:
        self.changes, self.error = list(changes), error
        self.settings: settings.EdgeSettings | None = None
        self.applied: list[tuple[Mapping[str, str], bool]] = []

    def __call__(self, paths: Any, there: Any, settings: settings.EdgeSettings, clock: Any) -> Setup:
        self.settings = settings
        return self

    def differences(self, files: Mapping[str, str], certificates: Mapping[str, str]) -> list[str]:
        return self.changes

    def with_own(self, certificates: Mapping[str, str], placeholders: Mapping[str, str]) -> dict[str, str]:
        return {**placeholders, **certificates}

    def apply(self, files: Mapping[str, str], certificates: Mapping[str, str], *, allow_interruption: bool) -> list[str]:
        if self.error:
            raise self.error
        self.applied.append((files, allow_interruption))
        return self.changes


def edge(world: World, setup: Setup) -> Setup:
    conf = world.root / "edge" / "conf"
    conf.mkdir(parents=True)
    (conf / "haproxy.cfg").write_text("the old one\n")
    world.put("edge_config", EDGE_ROOT=world.root / "edge")
    world.monkeypatch.setattr(edge_setup, "EdgeSetup", setup)
    without_engine(world)
    return setup


EDGE = {"config": "the new one\n", "ports": ["80:80"], "files": {"maintenance.html": "x\n"}}


@pytest.mark.parametrize(("changes", "changed"), [(["haproxy.cfg"], True), ([], False)])
def test_an_edge_is_brought_up_to_date_once(world: World, capsys: CAPSYS, changes: list[str], changed: bool) -> None:
    setup = edge(world, Setup(*changes))
    result = run("edge_config", capsys, EDGE)
    assert (result["changed"], result["changes"]) == (changed, changes)
    assert result["diff"] == {"before": "the old one\n", "after": "the new one\nx\n"}
    assert setup.applied == [({"haproxy.cfg": "the new one\n", "maintenance.html": "x\n"}, False)]
    assert setup.settings == settings.EdgeSettings("haproxy:3.0", "99:99", ["80:80"])


def test_check_mode_says_what_would_change_at_the_edge_and_applies_nothing(world: World, capsys: CAPSYS) -> None:
    setup = edge(world, Setup("container"))
    assert run("edge_config", capsys, EDGE, check_mode=True)["changes"] == ["container"]
    assert setup.applied == []


def test_an_edge_that_would_be_interrupted_refuses_in_its_own_words(world: World, capsys: CAPSYS) -> None:
    edge(world, Setup(error=EdgeError("a new container and a short interruption")))
    assert run("edge_config", capsys, EDGE)["msg"] == "a new container and a short interruption"


@contextmanager
def haproxy() -> Iterator[EdgePaths]:
    # A socket's path must be short.
    with TemporaryDirectory(dir="/tmp") as directory:
        paths = EdgePaths(Path(directory))
        paths.conf.mkdir()
        paths.settings.write_text('{"image": "haproxy:3.0", "user": "99:99"}\n')
        (paths.conf / "maintenance.map").write_text("state off\n")
        with maintenance.HAProxy(paths.root):
            yield paths


def test_maintenance_is_switched_once_and_said_place_by_place(world: World, capsys: CAPSYS) -> None:
    with haproxy() as paths:
        world.put("edge_maintenance", EDGE_ROOT=paths.root)
        would = run("edge_maintenance", capsys, {"state": "on"}, check_mode=True)
        assert (paths.conf / "maintenance.map").read_text() == "state off\n"
        done = run("edge_maintenance", capsys, {"state": "on", "without_lease": True})
        again = run("edge_maintenance", capsys, {"state": "on", "without_lease": True})
        assert (paths.conf / "maintenance.map").read_text() == "state on\n"
    places = ["maintenance.map", f"worker {maintenance.CURRENT}"]
    assert would["changes"] == done["changes"] == places
    assert done["diff"] == {
        "before": "".join(f"{one}: off\n" for one in places),
        "after": "".join(f"{one}: on\n" for one in places),
    }
    assert (would["changed"], done["changed"], again["changed"], again["changes"]) == (True, True, False, [])


def test_maintenance_of_a_host_without_an_edge_is_refused(world: World, capsys: CAPSYS) -> None:
    world.put("edge_maintenance", EDGE_ROOT=world.root)
    result = run("edge_maintenance", capsys, {"state": "on", "without_lease": True})
    assert (result["failed"], "provision" in result["msg"]) == (True, True), result["msg"]


def test_hosts_are_kept_off_and_let_in_again_in_the_file_and_in_the_worker(world: World, capsys: CAPSYS) -> None:
    world.monkeypatch.setattr(maintenance, "MAP", "/usr/local/etc/haproxy/away.map")
    with haproxy() as paths:
        world.put("edge_upstream", EDGE_ROOT=paths.root)
        options = {"names": ["app-1", "app-2"], "state": "off"}
        assert "knows no hosts that are kept off yet" in run("edge_upstream", capsys, options)["msg"]
        away = paths.conf / "away.map"
        away.write_text("")
        assert run("edge_upstream", capsys, options, check_mode=True)["changed"]
        assert away.read_text() == ""
        done = run("edge_upstream", capsys, options)
        assert (done["changed"], done["names"], done["state"]) == (True, ["app-1", "app-2"], "off")
        assert away.read_text() == "app-1 on\napp-2 on\n"
        assert not run("edge_upstream", capsys, options)["changed"]
        assert run("edge_upstream", capsys, {"names": ["app-1"], "state": "serving"})["changed"]
        assert away.read_text() == "app-2 on\napp-1 off\n"
        # One that was never kept off is no entry to be made.
        assert not run("edge_upstream", capsys, {"names": ["app-9"], "state": "serving"})["changed"]
        assert away.read_text() == "app-2 on\napp-1 off\n"
        world.put("edge_upstream_info", EDGE_ROOT=paths.root)
        assert run("edge_upstream_info", capsys, {})["kept_off"] == [{"name": "app-2", "turn": False, "playbook": ""}]
        # A host in its turn that is then kept off for another reason is none that an upgrade lets in again.
        (paths.root / "turns").mkdir()
        note = paths.root / "turns" / "app-2"
        note.write_text("engine_upgrade\n")
        found = run("edge_upstream_info", capsys, {})["kept_off"]
        assert found == [{"name": "app-2", "turn": True, "playbook": "engine_upgrade"}]
        run("edge_upstream", capsys, {"names": ["app-2"], "state": "off"}, check_mode=True)
        assert note.exists()
        assert not run("edge_upstream", capsys, {"names": ["app-2"], "state": "off"})["changed"]
        assert not note.exists()
        maps = (f"map(/usr/local/etc/haproxy/{name})" for name in ("away.map", "kept-off.map"))
        (paths.conf / "haproxy.cfg").write_text(" ".join(maps))
        away.write_text("")
        [problem] = [one for one in run("edge_upstream_info", capsys, {})["problems"] if str(away) in one]
        assert problem.startswith(f"{away} does not say that app-2 is kept off: run playbooks/provision.yml --tags edge")
    wrong = run("edge_upstream", capsys, {"names": ["app 1"], "state": "off"})
    assert wrong["msg"] == "names: 'app 1' is not a valid name of a host: letters, digits, dots, dashes and underscores"


def looks(world: World) -> None:
    worlds.rollouts(world)
    world.on_stack("stack_status")
    without_engine(world)
    world.monkeypatch.setattr(readiness, "versions", lambda here: {"engine": "26.1.5"})
    more = {
        "edge_paths": EdgePaths(world.root / "none"),
        "health": lambda replica: "healthy",
        "strangers": lambda images: ["somebody-1"],
        "edge_troubles": list,
        "edge_unfinished": str,
        "edge_image_trouble": list,
        "stack_troubles": list,
        "look": lambda edge: (world.stack.simulated.observe(), []),
    }
    for name, value in more.items():
        world.monkeypatch.setattr(world.stack, name, value, raising=False)


def test_a_status_says_what_runs_and_what_should(world: World, capsys: CAPSYS) -> None:
    looks(world)
    gone = next(iter(world.stack.simulated.containers))
    del world.stack.simulated.containers[gone]
    result = run("stack_status", capsys, {"stack": "shop"})
    assert (result["changed"], result["live"], result["release"], result["edge"]) == (False, "1.0-id", "1.0", "down")
    assert result["services"] == [
        {"name": "api", "wanted": 2, "running": 1, "healthy": 1},
        {"name": "web", "wanted": 2, "running": 2, "healthy": 2},
    ]
    assert "somebody-1 runs an image of the release and was started by hand" in result["drift"]
    assert "api: 1 of 2 replicas are gone" in result["drift"]
    assert result["mend"] == [
        "ansible-playbook playbooks/provision.yml -i inventories/<environment> --tags edge",
        "ansible-playbook deploy.yml -i inventories/<environment> -e stack_release=1.0",
    ]
    assert result["versions"] == {"engine": "26.1.5"}


def test_a_status_without_a_lineage_says_from_where_it_knows_what_is_live(world: World, capsys: CAPSYS) -> None:
    looks(world)
    path = world.stack.releases.root / "lineage.json"
    path.write_text("{")
    result = run("stack_status", capsys, {"stack": "shop"})
    assert (result["live"], result["release"]) == ("1.0-id", "1.0")
    said = f"{path} cannot be read (it ends in the middle); what it said is taken from"
    assert [one for one in result["drift"] if one.startswith(said)]


def test_a_status_that_a_newer_version_has_to_read_is_refused(world: World, capsys: CAPSYS) -> None:
    looks(world)
    path = world.stack.releases.root / "lineage.json"
    path.write_text('{"format": 99}')
    result = run("stack_status", capsys, {"stack": "shop"})
    assert result["msg"].startswith(
        f"{path} has format 99, and this version of morpheus.deploy knows lineages only up to format 1: "
    )


class Audit:
    """audit_host.HostAudit that notes what it was to look at."""

    asked: Sequence[Any] = ()

    def __init__(self, engine: Any, releases: Any) -> None:
        self.stack = releases.root.name

    def look(self, *arguments: Any) -> dict[str, Any]:
        Audit.asked = arguments
        return {"trouble": [], "release": self.stack}


DATABASE = {"name": "production's database", "host": "db.example.com", "port": 5432}


def test_an_audit_tries_what_must_be_open_and_what_must_not(world: World, capsys: CAPSYS) -> None:
    without_engine(world)
    world.put("stack_audit", HostAudit=Audit)
    options = {"stack": "shop", "must_reach": [DATABASE], "must_not_reach": [{**DATABASE, "port": 5433}], "database": "api.URL"}
    options |= {"sites": ["shop.example", "acme"], "issued_for": ["www.example"]}
    result = run("stack_audit", capsys, options)
    assert (result["changed"], result["release"]) == (False, "shop")
    assert Audit.asked == (
        [{**DATABASE, "address": "", "wanted": "open"}, {**DATABASE, "port": 5433, "address": "", "wanted": "closed"}],
        3.0,
        "api.URL",
        "",
        ["shop.example", "acme"],
        ["www.example"],
    )


@pytest.mark.parametrize("error", [DeployError("the engine does not answer"), OSError(13, "Permission denied", "/proc/1/root")])
def test_an_audit_that_cannot_look_says_why(world: World, capsys: CAPSYS, error: Exception) -> None:
    without_engine(world)
    world.raises("stack_audit", "HostAudit", error)
    assert run("stack_audit", capsys, {"stack": "shop"})["msg"] == explained(error)


ALERT = {"name": "Slow", "severity": "page", "host": "", "since": "", "summary": ""}


@pytest.mark.parametrize(("url", "asked"), [("", "http://172.18.0.7:9093"), ("http://alerts.example", "http://alerts.example")])
def test_a_host_is_looked_at_before_a_deploy_and_alerts_are_read_where_that_is_asked(
    world: World, capsys: CAPSYS, monkeypatch: pytest.MonkeyPatch, url: str, asked: str
) -> None:
    without_engine(world)
    monkeypatch.setattr(readiness, "look", lambda here: {"time": 7.0, "trouble": {}})
    monkeypatch.setattr(readiness, "alertmanager", lambda here: "http://172.18.0.7:9093")
    monkeypatch.setattr(readiness, "firing", lambda url: [{**ALERT, "name": url}])
    found = run("preflight_info", capsys, {"asked": 5.5})
    assert (found["changed"], found["asked"], found["time"], found["alerts"]) == (False, 5.5, 7.0, None)
    found = run("preflight_info", capsys, {"alerts": True, "alertmanager_url": url})
    assert found["alerts"] == [{**ALERT, "name": asked}]


def test_alerts_that_cannot_be_read_are_told_beside_the_rest(
    world: World, capsys: CAPSYS, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(url: str) -> None:
        raise DeployError(f"{url}/api/v2/alerts: refused")

    without_engine(world)
    monkeypatch.setattr(readiness, "look", lambda here: {"trouble": {}})
    monkeypatch.setattr(readiness, "firing", silent)
    found = run("preflight_info", capsys, {"alerts": True, "alertmanager_url": "http://alerts.example"})
    assert (found["alerts"], found["trouble"]) == (None, {"alerts": "http://alerts.example/api/v2/alerts: refused"})


def test_a_packet_filter_is_loaded_once_and_check_mode_loads_nothing(
    world: World, capsys: CAPSYS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel()
    world.put("host_egress", EgressFilter=lambda: filter_of(tmp_path, kernel))
    own = {"addresses": ["203.0.113.5"], "ssh_ports": [22], "bridges": []}
    monkeypatch.setattr(addresses, "looked", lambda: own)
    assert run("host_egress", capsys, {"name": "app-1"})["looked"] == own
    options = {"name": "app-1", "hosts": ["app-1", "app-2"], "reached": {"app-2": "203.0.113.6"}, "ports": {"app-2": 2222}}
    would = run("host_egress", capsys, options, check_mode=True)
    assert (would["changed"], kernel.changes) == (True, [])
    assert run("host_egress", capsys, options)["changes"] == would["changes"]
    assert any("203.0.113.6" in rule and "2222" in rule for rule in kernel.tables["iptables"])
    assert not run("host_egress", capsys, options)["changed"]


def test_a_kernel_that_cannot_filter_is_said_in_words(
    world: World, capsys: CAPSYS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("host_egress", EgressFilter=lambda: filter_of(tmp_path, Kernel("no table raw")))
    monkeypatch.setattr(addresses, "looked", lambda: {"addresses": ["203.0.113.5"], "ssh_ports": [22], "bridges": []})
    assert run("host_egress", capsys, {"name": "app-1", "hosts": ["app-1"]})["msg"] == "no table raw"
