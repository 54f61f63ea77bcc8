"""What only a host knows of what a service asks: where links lead, whose volumes and networks are here, which files it reads."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.data import Ground
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.file_mounts import Sources
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import Here
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.project_mounts import ProjectMounts
from ansible_collections.morpheus.deploy.plugins.module_utils.host import hardening_here
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Lineage
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import harm
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import Mounted
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

Model = dict[str, Any]
STACK: dict[str, Any] = {"compose_files": ["compose.yml"], "files": ["conf"], "services": [], "hardening": {}}
VARIABLES = {"STACK_RELEASE": "1.2.0", "STACK_ENVIRONMENT": "production"}
VOLUMES = "or name volumes in stack.hardening.exempt.api"
BLIND = "which can show any directory of the host"


class Host:
    """Of host.StackHost, what is asked here."""

    def __init__(self, root: Path) -> None:
        self.releases = Releases("shop", root)
        self.read: Model | None = {}

    def mounts(self, stack: Any, workspace: Workspace) -> ProjectMounts:
        sources = Sources.of(stack, workspace.shipped())
        return ProjectMounts(sources, self.releases.project, self.releases.live_files.root, self.releases.contents)

    def written(self, stack: Any, workspace: Workspace) -> Model:
        if self.read is None:
            raise EngineError("services.api.deploy.replicas must be a integer")
        return self.read


@pytest.fixture
def host(tmp_path: Path) -> Host:
    found = Host(tmp_path)
    found.releases.write_files("1-a", "1.2.0", "production", {"compose.yml": b"", "conf/a.env": b"", "env/api.env": b""})
    found.releases.write_manifest(Manifest("1-a", "1.2.0", "production", Stack.of(STACK)))
    found.releases.project.mkdir(parents=True)
    return found


def problems(host: Host, *exempt: str, **service: Any) -> list[str]:
    stack = {**STACK, "hardening": {"exempt": {"api": list(exempt)}}}
    model = {"services": {"api": service}}
    workspace = host.releases.workspace("1-a")
    return hardening_here.problems(host, Stack.of(stack), workspace, model, VARIABLES)  # type: ignore[arg-type]


def bind(host: Host, name: str) -> Model:
    return {"type": "bind", "source": str(host.releases.project / name), "target": "/x"}


def test_data_that_is_a_link_to_something_of_the_host_is_refused(host: Host) -> None:
    """The application may have put it there, and the engine would follow it as root."""
    project = host.releases.project
    (project / "uploads").mkdir()
    (project / "uploads" / "evil").symlink_to("/etc")
    assert problems(host, volumes=[bind(host, "uploads")]) == []
    said = f'services.api.volumes: "{project}/uploads/evil" is or lies behind a link, and leads to /etc'
    assert problems(host, volumes=[bind(host, "uploads/evil")]) == [f"{said}; remove the link on this host, {VOLUMES}"]
    assert problems(host, volumes=[bind(host, "uploads/evil/ssl")])[0].startswith(
        f'services.api.volumes: "{project}/uploads/evil/ssl" is or lies behind a link, and leads to /etc/ssl;'
    )
    assert problems(host, "volumes", volumes=[bind(host, "uploads/evil")]) == []


def test_a_disk_of_its_own_for_everything_of_ours_is_no_link_of_the_application(host: Host, tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk"
    (tmp_path / "shop").rename(elsewhere)
    (tmp_path / "shop").symlink_to(elsewhere)
    (host.releases.project / "uploads").mkdir()
    assert problems(host, volumes=[bind(host, "uploads"), bind(host, "not-there-yet")]) == []


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("{project}/env/api.env", False),
        ("{project}/env/${{STACK_ENVIRONMENT:?}}.env", False),
        ("{project}/secrets/api.env", False),
        ("{project}/conf/a.env", False),
        ("{project}/uploads/a.env", True),
        ("/root/other.env", True),
        ("{project}/${{FILE:-../x}}.env", True),
    ],
)
def test_env_files_that_compose_takes_over_are_judged_as_written(host: Host, path: str, refused: bool) -> None:
    given = path.format(project=host.releases.project)
    host.read = {"services": {"api": {"env_file": [{"path": given, "required": False}]}}}
    mend = "use env/<name>.env (from stack.env) or secrets/<name>.env (from stack_secrets), or name env_file in"
    sentence = f'services.api.env_file: "{given}" is not a file of the release; {mend} stack.hardening.exempt.api'
    assert problems(host) == ([sentence] if refused else [])
    assert problems(host, "env_file") == []


def test_compose_files_that_say_nothing_without_variables_stop_no_deploy(host: Host) -> None:
    """The controller has judged what they read, in the same files."""
    host.read = None
    assert problems(host) == []
    assert problems(host, pid="host") == [
        "services.api.pid: host shares the host's processes with the service; remove it, or name pid in "
        "stack.hardening.exempt.api"
    ]


def test_a_dollar_that_compose_leaves_is_no_variable_any_more(host: Host) -> None:
    """It writes two where a file has two; the engine makes one path of all that."""
    mount = {"type": "bind", "source": "/srv/$$x/../../etc", "target": "/x"}
    [said] = problems(host, volumes=[mount], pid="$$host")[1:]
    assert said.startswith('services.api.volumes: "/srv/$$x/../../etc" belongs to the host; ')


def test_a_release_from_before_is_not_asked(host: Host) -> None:
    stack = {name: value for name, value in STACK.items() if name != "hardening"}
    model = {"services": {"api": {"privileged": True}}}
    workspace = host.releases.workspace("1-a")
    assert hardening_here.problems(host, Stack.of(stack), workspace, model, VARIABLES) == []  # type: ignore[arg-type]
    assert hardening_here.strangers(Stack.of(stack), "shop", model, Here()) == []


MODEL: Model = {
    "services": {
        "api": {
            "volumes": [{"type": "volume", "source": "data", "target": "/x"}],
            "networks": {"default": None},
        }
    },
    "volumes": {"data": {"name": "shop_data"}},
    "networks": {"default": {"name": "shop_default"}},
}
OURS = {"Driver": "local", "Labels": {"com.docker.compose.project": "shop"}, "Options": None}


def renamed(element: str, name: str) -> Model:
    [key] = MODEL[element]
    return {**MODEL, element: {key: {"name": name}}}


BLOGS = {"com.docker.compose.project": "blog", "com.docker.compose.network": "default"}
# model, what is here, what is said of it
STRANGERS = [
    pytest.param(MODEL, Here(volumes={"shop_data": OURS}, networks={"shop_default": OURS}), "", id="the stack's own"),
    pytest.param(MODEL, Here(), "", id="not here yet"),
    pytest.param(MODEL, Here(volumes={"shop_data": {"Driver": "local"}}), "", id="a volume that was brought back by hand"),
    pytest.param(renamed("volumes", "old"), Here(volumes={"old": OURS}), "", id="another name"),
    pytest.param(
        renamed("volumes", "blog_data"),
        Here(volumes={"blog_data": {"Driver": "local", "Labels": BLOGS}}),
        'volumes: the volume data ("blog_data" on this host) belongs to blog',
        id="another stack's volume",
    ),
    pytest.param(
        renamed("volumes", "pgdata"),
        Here(volumes={"pgdata": {"Driver": "local", "Labels": None}}),
        'volumes: the volume data ("pgdata" on this host) was not made by this stack',
        id="a volume of nobody's",
    ),
    pytest.param(
        MODEL,
        Here(volumes={"shop_data": {**OURS, "Options": {"o": "lowerdir=/etc", "type": "overlay"}}}),
        f'volumes: the volume data ("shop_data" on this host) was made with driver_opts (o, type), {BLIND}',
        id="a volume that an earlier release has made a window to the host",
    ),
    pytest.param(
        MODEL,
        Here(volumes={"shop_data": {**OURS, "Driver": "rexray"}}),
        f'volumes: the volume data ("shop_data" on this host) was made with driver_opts (driver rexray), {BLIND}',
        id="a volume of another driver",
    ),
    pytest.param(
        renamed("networks", "blog_default"),
        Here(networks={"blog_default": {"Labels": BLOGS}}),
        'networks: the network default ("blog_default" on this host) belongs to blog',
        id="another stack's network",
    ),
]


@pytest.mark.parametrize(("model", "here", "said"), STRANGERS)
def test_volumes_and_networks_that_are_not_what_they_seem(model: Model, here: Here, said: str) -> None:
    word = said.partition(":")[0]
    mend = f"give it another name, or name {word} in stack.hardening.exempt.api"
    assert hardening_here.strangers(Stack.of(STACK), "shop", model, here) == ([f"services.api.{said}; {mend}"] if said else [])
    exempt = {"hardening": {"exempt": {"api": ["volumes", "networks"]}}}
    assert hardening_here.strangers(Stack.of(exempt), "shop", model, here) == []


def test_data_where_a_running_container_could_still_put_a_link(host: Host) -> None:
    """Its release is not this one: here nothing else writes there."""
    project = host.releases.project
    model = {"services": {"api": {"volumes": [bind(host, "uploads/a")]}}}
    runs = Mounted("shop-old-1", "old", "bind", f"{project}/uploads", "/uploads")
    said = (
        f'services.api.volumes: "{project}/uploads/a" lies in {project}/uploads, where shop-old-1, which runs, could put a link'
    )
    assert hardening_here.strangers(Stack.of(STACK), "shop", model, Here(mounted=[runs])) == [
        f"{said} to anything of the host; stop shop-old-1 before, {VOLUMES}"
    ]
    for harmless in (
        replace(runs, writable=False),
        replace(runs, kind="volume"),
        replace(runs, source=f"{project}/uploads/a"),
        replace(runs, source=f"{project}/up"),
    ):
        assert hardening_here.strangers(Stack.of(STACK), "shop", model, Here(mounted=[harmless])) == []


ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
vpn0\t0000640A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def test_the_hosts_routes_are_those_that_the_kernel_has(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTES)
    assert hardening_here.routes(tmp_path / "route") == [ip_network("192.168.1.0/24"), ip_network("10.100.0.0/16")]
    assert hardening_here.routes(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    ("subnet", "exists", "route"),
    [
        ("10.100.7.0/24", False, "10.100.0.0/16"),
        ("192.168.0.0/16", False, "192.168.1.0/24"),
        ("10.100.7.0/24", True, ""),
        ("172.28.0.0/16", False, ""),
        ("fd00:1::/64", False, ""),
        ("no subnet", False, ""),
    ],
)
def test_a_new_network_takes_no_addresses_that_the_host_has_another_way_to(subnet: str, exists: bool, route: str) -> None:
    network = {"default": {"name": "shop_default", "ipam": {"config": [{"subnet": subnet}]}}}
    here = Here(networks={"shop_default": OURS}) if exists else Here()
    routes = [IPv4Network("192.168.1.0/24"), IPv4Network("10.100.0.0/16")]
    said = f"services.api.networks: the network default takes {subnet}, and this host has a route to {route}; take another subnet"
    found = hardening_here.strangers(Stack.of(STACK), "shop", {**MODEL, "networks": network}, here, routes)
    assert found == ([f"{said}, or none, or name networks in stack.hardening.exempt.api"] if route else [])


def test_prepare_refuses_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its precautions know what is here."""
    stranger = Here(volumes={"shop_data": OURS})

    def strangers(*given: Any) -> list[str]:
        assert given == (Stack.of(STACK), "shop", {"services": {}}, stranger, hardening_here.routes(), "")
        return ["a stranger"]

    class World:
        releases = Releases("shop", Path("/nowhere"))

        def here(self, *_: Any) -> Here:
            return stranger

        def ground(self, *_: Any) -> Ground:
            return Ground()

    monkeypatch.setattr(hardening_here, "strangers", strangers)
    wanted = Wanted("1", "staging", Stack.of(STACK), {}, {})
    with pytest.raises(ConfigError, match="a stranger"):
        harm.take_precautions(World(), wanted, None, {"services": {}}, {}, Lineage())  # type: ignore[arg-type]


SIX = {"services": {"api": {"networks": {"web": None}}}, "networks": {"web": {"enable_ipv6": True}}}


@pytest.mark.parametrize(
    ("version", "daemon", "expected"),
    [
        ("26.1.5+dfsg1", "", "the engine of this host (26.1.5+dfsg1) writes no rules for it before version 27"),
        ("26.1.5", '{"ip6tables": true}', "the engine of this host (26.1.5) writes no rules for it before version 27"),
        ("26.1.5", '{"ip6tables": true, "experimental": true}', ""),
        ("27.0.1", "", ""),
        ("28.4.0", '{"ip6tables": false}', "the engine of this host is told to write no rules for it"),
        ("28.4.0", '{"iptables": false}', "the engine of this host is told to write no rules for it"),
        ("28.4.0", "{", ""),
    ],
)
def test_a_network_with_ipv6_needs_an_engine_that_filters_it(tmp_path: Path, version: str, daemon: str, expected: str) -> None:
    (tmp_path / "daemon.json").write_text(daemon)
    assert hardening_here.unfiltered(SIX, lambda: version, tmp_path / "daemon.json") == expected
    found = hardening_here.strangers(Stack.of(STACK), "shop", SIX, Here(), six=expected)
    sentence = (
        f"services.api.networks: the network web has IPv6 (enable_ipv6), and {expected}: by it containers of other stacks, and "
        "whoever routes to this host, reach every port of the service; remove enable_ipv6, or name networks in "
        "stack.hardening.exempt.api"
    )
    assert found == ([sentence] if expected else [])
    admits = {**STACK, "hardening": {"exempt": {"api": ["networks"]}}}
    assert hardening_here.strangers(Stack.of(admits), "shop", SIX, Here(), six=expected) == []


@pytest.mark.parametrize("network", [{}, None, {"enable_ipv6": False}])
def test_without_ipv6_nobody_asks_the_engine(network: Model | None) -> None:
    def asked() -> str:
        raise AssertionError

    assert hardening_here.unfiltered({"networks": {"web": network}}, asked) == ""
