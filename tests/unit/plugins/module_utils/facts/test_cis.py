"""The benchmark's items over what the engine says, and a place in the table for every one of them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.cis_containers import container_findings, with_volumes
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.cis_controls import CONTROLS, NOT_APPLICABLE, Finding
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.cis_daemon import daemon_findings
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.cis_images import image_findings

ROOT = Path(__file__).parents[5]

# As `docker inspect` shows a replica of the example.
GOOD: dict[str, Any] = {
    "Id": "5c1a5c1a5c1a5c1a",
    "Name": "/morpheus-api-1",
    "Path": "python3",
    "Args": ["-m", "uvicorn"],
    "AppArmorProfile": "docker-default",
    "Config": {
        "User": "10001:10001",
        "Image": "morpheus/api@sha256:5c1a",
        "Healthcheck": {"Test": ["CMD", "true"]},
        "Labels": {"com.docker.compose.project": "morpheus", "com.docker.compose.service": "api"},
    },
    "HostConfig": {
        "CapAdd": None,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "ReadonlyRootfs": True,
        "Privileged": False,
        "NetworkMode": "morpheus_default",
        "PidMode": "",
        "IpcMode": "private",
        "UTSMode": "",
        "UsernsMode": "",
        "Memory": 201326592,
        "NanoCpus": 500000000,
        "PidsLimit": 64,
        "PortBindings": {},
        "Devices": None,
        "CgroupParent": "",
        "LogConfig": {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}},
    },
    "Mounts": [
        {
            "Type": "bind",
            "Source": "/var/lib/morpheus.deploy/stacks/morpheus/project/secrets/session_secret",
            "Destination": "/run/secrets/session_secret",
            "RW": False,
            "Propagation": "rprivate",
        },
        {"Type": "volume", "Name": "data", "Source": "/var/lib/docker/volumes/data/_data", "RW": True, "Propagation": ""},
    ],
}
EDGE = {"Config": {"Labels": {"com.docker.compose.project": "edge", "com.docker.compose.service": "haproxy"}}}


def container(**changes: Any) -> dict[str, Any]:
    """GOOD with keys of HostConfig changed (those of a capital letter), or of the top level."""
    found = copy.deepcopy(GOOD)
    for key, value in changes.items():
        if key in found:
            found[key] = {**found[key], **value} if isinstance(value, dict) else value
        else:
            found["HostConfig"][key] = value
    return found


def mount(source: str, *, writes: bool = False, propagation: str = "rprivate") -> list[dict[str, Any]]:
    return [{"Type": "bind", "Source": source, "Destination": "/x", "RW": writes, "Propagation": propagation}]


def ports(**published: str) -> dict[str, Any]:
    return {"80/tcp": [{"HostIp": published.get("ip", ""), "HostPort": published.get("port", "8080")}]}


def said(findings: list[Finding]) -> list[str]:
    return [f"{one.item} {one.level}: {one.text}" for one in findings]


def test_a_container_as_the_collection_makes_it_has_no_finding() -> None:
    assert container_findings(GOOD) == []


CONTAINERS = [
    pytest.param(container(Config={"User": ""}), ["4.1 medium: runs as root"], id="no user"),
    pytest.param(container(Config={"User": "0:0"}), ["4.1 medium: runs as root"], id="user 0"),
    pytest.param(container(Config={"User": "root"}), ["4.1 medium: runs as root"], id="user root"),
    pytest.param(container(AppArmorProfile="unconfined"), ["5.2 medium: AppArmor is turned off"], id="AppArmor"),
    pytest.param(
        container(SecurityOpt=["no-new-privileges", "label:disable"]), ["5.3 medium: SELinux labels are turned off"], id="SELinux"
    ),
    pytest.param(container(CapDrop=None), ["5.4 medium: keeps the engine's default capabilities"], id="no capability dropped"),
    pytest.param(container(CapAdd=["NET_RAW"]), ["5.4 medium: has the capabilities NET_RAW"], id="a capability added"),
    pytest.param(container(CapAdd=["CAP_NET_BIND_SERVICE"]), [], id="a capability that many need"),
    pytest.param(
        container(CapAdd=["CAP_SYS_ADMIN", "CHOWN"]), ["5.4 high: has the capabilities SYS_ADMIN"], id="a capability like root"
    ),
    pytest.param(container(Privileged=True, CapDrop=None), ["5.5 high: is privileged"], id="privileged"),
    pytest.param(container(Mounts=mount("/etc")), ["5.6 medium: has /etc of the host mounted to read"], id="/etc"),
    pytest.param(
        container(Mounts=mount("/lib/modules", writes=True)),
        ["5.6 high: has /lib/modules of the host mounted to write"],
        id="/lib to write",
    ),
    pytest.param(container(Mounts=mount("/etc/localtime")), [], id="the time zone"),
    pytest.param(
        container(Mounts=mount("/srv/data", writes=True)),
        ["5.6 high: has /srv/data of the host mounted to write"],
        id="data of the host",
    ),
    pytest.param(container(Path="/usr/sbin/sshd", Args=["-D"]), ["5.7 medium: runs sshd"], id="sshd"),
    pytest.param(
        container(PortBindings=ports(ip="10.0.0.1", port="25")),
        ["5.8 low: port 80/tcp is mapped to the privileged port 25"],
        id="privileged port",
    ),
    pytest.param(container(NetworkMode="host"), ["5.10 high: shares the host's network"], id="network"),
    pytest.param(container(Memory=0), ["5.11 medium: may take all memory of the host"], id="memory"),
    pytest.param(container(NanoCpus=0), ["5.12 low: may take all CPU time of the host"], id="CPU"),
    pytest.param(container(NanoCpus=0, CpuShares=512), [], id="CPU weighted"),
    pytest.param(container(ReadonlyRootfs=False), ["5.13 medium: may write to its root file system"], id="root to write"),
    pytest.param(container(PortBindings=ports()), ["5.14 medium: port 80/tcp is open on every address of the host"], id="open"),
    pytest.param(container(PortBindings=ports(ip="127.0.0.1")), [], id="open to the host alone"),
    pytest.param(container(PidMode="host"), ["5.16 high: shares the host's processes"], id="processes"),
    pytest.param(container(IpcMode="host"), ["5.17 high: shares the host's IPC"], id="IPC"),
    pytest.param(container(Devices=[{"PathOnHost": "/dev/sda"}]), ["5.18 medium: has the host's devices /dev/sda"], id="devices"),
    pytest.param(
        container(Mounts=mount("/srv", propagation="rshared")),
        ["5.6 medium: has /srv of the host mounted to read", "5.20 medium: mounts at /x propagate back to the host"],
        id="propagation",
    ),
    pytest.param(container(UTSMode="host"), ["5.21 medium: shares the host's UTS namespace"], id="UTS"),
    pytest.param(
        container(SecurityOpt=["no-new-privileges:true", "seccomp=unconfined"]),
        ["5.22 high: the seccomp profile is turned off"],
        id="seccomp",
    ),
    pytest.param(container(CgroupParent="/batch"), ["5.25 low: runs in the cgroup /batch"], id="cgroup"),
    pytest.param(container(SecurityOpt=None), ["5.26 medium: processes may acquire new privileges"], id="new privileges"),
    pytest.param(
        container(SecurityOpt=["no-new-privileges:false"]), ["5.26 medium: processes may acquire new privileges"], id="allowed"
    ),
    pytest.param(container(Config={"Healthcheck": {"Test": ["NONE"]}}), ["5.27 low: has no healthcheck"], id="no healthcheck"),
    pytest.param(
        container(Config={"Image": "morpheus/api:1.0.0"}),
        ["5.28 low: runs morpheus/api:1.0.0 by a name that may be pushed again"],
        id="image by tag",
    ),
    pytest.param(container(PidsLimit=None), ["5.29 medium: may start processes without limit"], id="processes without limit"),
    pytest.param(container(NetworkMode="bridge"), ["5.30 low: is on the default bridge docker0"], id="docker0"),
    pytest.param(container(UsernsMode="host"), ["5.31 medium: shares the host's user namespace"], id="user namespace"),
    pytest.param(
        container(Mounts=mount("/var/run/docker.sock")),
        ["5.32 high: reaches the engine's socket through /var/run/docker.sock"],
        id="socket",
    ),
    pytest.param(
        container(Mounts=mount("/run")), ["5.32 high: reaches the engine's socket through /run"], id="socket in a directory"
    ),
    pytest.param(
        container(LogConfig={"Type": "json-file", "Config": {}}), ["M.1 medium: may fill the disk with its log"], id="log"
    ),
    pytest.param(container(LogConfig={"Type": "journald", "Config": {}}), [], id="log of the host"),
    pytest.param(container(MaskedPaths=[]), ["M.2 high: sees /proc and /sys of the host unmasked"], id="unmasked"),
    pytest.param(container(MaskedPaths=["/proc/kcore"]), [], id="masked"),
    pytest.param(
        container(**EDGE, PortBindings=ports(port="443"), Mounts=mount("/var/lib/morpheus.deploy/edge/run", writes=True)),
        [],
        id="the edge is open, and has its own files",
    ),
]


@pytest.mark.parametrize(("inspect", "findings"), CONTAINERS)
def test_a_container_is_found(inspect: dict[str, Any], findings: list[str]) -> None:
    # What EDGE replaces of Config is not what is looked at.
    if inspect["Config"].get("Labels", {}).get("com.docker.compose.project") == "edge":
        inspect["Config"] = {**GOOD["Config"], **inspect["Config"]}
    assert said(container_findings(inspect)) == findings


def volume(**options: str) -> list[str]:
    """What is found against a container with a volume of these options."""
    mounted = [{"Type": "volume", "Name": "v", "Source": "/var/lib/docker/volumes/v/_data", "Destination": "/x", "RW": True}]
    return said(container_findings(with_volumes(container(Mounts=mounted), {"v": options})))


@pytest.mark.parametrize(
    ("options", "findings"),
    [
        ({}, []),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}, []),
        ({"type": "nfs", "device": ":/export", "o": "addr=10.0.0.1"}, []),
        ({"type": "none", "o": "bind", "device": "/"}, ["5.32 high: reaches the engine's socket through /"]),
        ({"o": "rbind,ro", "device": "/etc"}, ["5.6 high: has /etc of the host mounted to write"]),
        (
            {"type": "overlay", "device": "overlay", "o": "lowerdir=/etc:/root,upperdir=/srv/up,workdir=/srv/work"},
            [
                "5.6 high: has /etc of the host mounted to write",
                "5.6 high: has /root of the host mounted to write",
                "5.6 high: has /srv/up of the host mounted to write",
            ],
        ),
    ],
)
def test_a_volume_that_is_a_directory_of_the_host_is_judged_as_one(options: dict[str, str], findings: list[str]) -> None:
    assert volume(**options) == findings


def test_an_exempted_item_is_still_found_but_low() -> None:
    found = container_findings(container(ReadonlyRootfs=False, SecurityOpt=None), {"read_only"})
    assert said(found) == [
        "5.26 medium: processes may acquire new privileges",
        "5.13 low: may write to its root file system (exempted in stack.hardening)",
    ]


def test_the_edge_has_no_limits_on_purpose() -> None:
    edge = container(Memory=0, PidsLimit=None)
    edge["Config"] = {**edge["Config"], **EDGE["Config"]}
    assert said(container_findings(edge)) == [
        "5.11 low: may take all memory of the host (a limit that it reached would cut off every user of the host)",
        "5.29 low: may start processes without limit (HAProxy starts a fixed number of processes)",
    ]


def test_a_finding_names_its_container_and_the_mend() -> None:
    [found] = container_findings(container(Privileged=True))
    mend = "remove privileged: true and add the capabilities that are needed to cap_add"
    assert found == Finding("5.5", "high", "morpheus-api-1", "is privileged", mend)


INFO: dict[str, Any] = {
    "Driver": "overlay2",
    "LiveRestoreEnabled": True,
    "ExperimentalBuild": False,
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin"],
    "Swarm": {"LocalNodeState": "inactive"},
    "RegistryConfig": {
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {"docker.io": {"Secure": True}},
        "Mirrors": ["https://mirror.example/"],
    },
}
DAEMON: dict[str, Any] = {"icc": False, "no-new-privileges": True, "live-restore": True}
SECRETS_IN_LOG = "writes the environment of every container that it creates into its log, secrets included: it runs in debug mode"
ENGINES = [
    pytest.param({}, {}, [], id="as it should be"),
    pytest.param({}, {"icc": True}, ["2.2 low: lets containers on the default bridge reach each other"], id="icc"),
    pytest.param({}, {"log-level": "warn"}, ["2.3 low: logs at level warn"], id="log level"),
    *(
        pytest.param(info, daemon, [f"2.3 high: {SECRETS_IN_LOG}"], id=name)
        for name, info, daemon in [
            ("debug", {"Debug": True}, {}),
            ("a log level of debug", {}, {"log-level": "debug"}),
            ("a log level of trace", {}, {"log-level": "trace"}),
        ]
    ),
    pytest.param(
        {}, {"iptables": False}, ["2.4 medium: may not change iptables, so containers are not kept apart"], id="iptables"
    ),
    pytest.param(
        {},
        {"ip6tables": False},
        ["2.4 medium: may not change ip6tables, so containers with IPv6 are not kept apart"],
        id="ip6tables",
    ),
    pytest.param(
        {"RegistryConfig": {"InsecureRegistryCIDRs": ["10.0.0.0/8", "::1/128"], "Mirrors": ["http://mirror.example/"]}},
        {},
        ["2.5 medium: trusts 10.0.0.0/8 without TLS", "2.5 medium: trusts http://mirror.example/ without TLS"],
        id="registries",
    ),
    pytest.param({"Driver": "aufs"}, {}, ["2.6 low: keeps its images with aufs"], id="aufs"),
    pytest.param(
        {}, {"hosts": ["fd://", "tcp://0.0.0.0:2375"]}, ["2.7 high: is open on tcp://0.0.0.0:2375 to everybody"], id="open"
    ),
    pytest.param({}, {"hosts": ["tcp://0.0.0.0:2376"], "tlsverify": True}, [], id="open with TLS"),
    pytest.param({}, {"cgroup-parent": "/x"}, ["2.10 low: puts containers into the cgroup /x"], id="cgroup"),
    pytest.param(
        {},
        {"no-new-privileges": False},
        ["2.14 low: lets containers acquire new privileges that do not say otherwise"],
        id="new privileges",
    ),
    pytest.param({"LiveRestoreEnabled": False}, {}, ["2.15 medium: stops every container when it restarts"], id="live-restore"),
    pytest.param(
        {"SecurityOptions": ["name=seccomp,profile=unconfined"]},
        {},
        ["2.17 high: starts containers without a seccomp profile"],
        id="seccomp",
    ),
    pytest.param({"ExperimentalBuild": True}, {}, ["2.18 low: has experimental features on"], id="experimental"),
    pytest.param({"Swarm": {"LocalNodeState": "active"}}, {}, ["5.1 low: is part of a swarm"], id="swarm"),
]


@pytest.mark.parametrize(("info", "daemon", "findings"), ENGINES)
def test_an_engine_is_found(info: dict[str, Any], daemon: dict[str, Any], findings: list[str]) -> None:
    assert said(daemon_findings({**INFO, **info}, {**DAEMON, **daemon})) == findings


IMAGE: dict[str, Any] = {
    "Id": "sha256:9e0b",
    "RepoTags": ["morpheus/api:1.0.0"],
    "Config": {"User": "10001", "Healthcheck": {"Test": ["CMD", "true"]}, "Env": ["PATH=/usr/bin", "MAX_TOKENS=4096"]},
}
STEPS = [
    "/bin/sh -c #(nop) ADD file:0a1b in / ",
    "COPY app/ app/ # buildkit",
    "RUN |2 RELEASE=1.0.0 GIT_SHA=unknown /bin/sh -c true # buildkit",
    "ARG FAULT=",
]
IMAGES = [
    pytest.param({}, [], [], id="as it should be"),
    pytest.param({"User": ""}, [], ["4.1 medium: runs as root unless told otherwise"], id="root"),
    pytest.param({"Healthcheck": None}, [], ["4.6 low: has no HEALTHCHECK"], id="no healthcheck"),
    pytest.param(
        {},
        ["ADD https://example.org/tool.tgz /opt/ # buildkit"],
        ["4.9 low: was built with ADD https://example.org/tool.tgz"],
        id="ADD",
    ),
    pytest.param({"Env": ["DB_PASSWORD=canary"]}, [], ["4.10 high: holds a value for DB_PASSWORD"], id="secret in ENV"),
    pytest.param({"Env": ["DB_PASSWORD="]}, [], [], id="no value"),
    pytest.param(
        {},
        ["RUN |1 NPM_TOKEN=canary /bin/sh -c npm ci # buildkit"],
        ["4.10 high: holds a value for NPM_TOKEN"],
        id="secret as build argument",
    ),
]


@pytest.mark.parametrize(("config", "steps", "findings"), IMAGES)
def test_an_image_is_found(config: dict[str, Any], steps: list[str], findings: list[str]) -> None:
    inspect = {**IMAGE, "Config": {**IMAGE["Config"], **config}}
    found = image_findings(inspect, [{"CreatedBy": step} for step in [*STEPS, *steps]])
    assert said(found) == findings
    assert {one.subject for one in found} <= {"morpheus/api:1.0.0"}
    assert "canary" not in str(found)


def test_every_item_of_the_sections_is_checked_or_explained_and_never_both() -> None:
    sections = [f"2.{n}" for n in range(1, 19)] + [f"4.{n}" for n in range(1, 13)] + [f"5.{n}" for n in range(1, 33)]
    assert sorted([*CONTROLS, *NOT_APPLICABLE]) == sorted([*sections, "M.1", "M.2"])


def test_every_control_has_a_case_that_finds_it() -> None:
    cases: list[Any] = [param.values[-1] for param in (*CONTAINERS, *ENGINES, *IMAGES)]
    found = {text.split()[0] for texts in cases for text in texts}
    assert found == set(CONTROLS)


def test_the_documentation_has_both_tables_as_they_are() -> None:
    text = (ROOT / "docs" / "hardening.md").read_text()
    for item, control in CONTROLS.items():
        assert f"| {item} | {control.title} | {control.level} |\n" in text
    for item, reason in NOT_APPLICABLE.items():
        assert f"| {item} | {reason} |\n" in text
