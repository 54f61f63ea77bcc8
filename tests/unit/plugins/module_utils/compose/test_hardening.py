"""What a service may not ask of its host, what it is given, and that the two come from one mapping of the inventory."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import (
    WORDS,
    Hardening,
    additions,
    applied,
    problems,
    warnings,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

Service = dict[str, Any]
NONE: dict[str, Any] = {"exempt": {}, "docker_socket": [], "privileged": []}
OWN = Own.of("/var/lib/morpheus.deploy/stacks/shop", ["compose.yml", "migrations/1.sql", "env/api.env"])
SOCKET = (
    "gives the engine's socket, which makes the service root on the host; remove it, or name api in stack.hardening.docker_socket"
)
HOSTS_OWN = (
    "belongs to the host; keep data in a named volume or in a directory of the stack (./data), or name volumes in "
    "stack.hardening.exempt.api"
)
OPEN = "or route the service, or name ports in stack.hardening.exempt.api"


def exempt(*words: str) -> dict[str, Any]:
    return {**NONE, "exempt": {"api": list(words)}}


def refused(service: Service, model: dict[str, Any] | None = None, *, routed: bool = False) -> list[str]:
    return Hardening().problems("api", service, project(service, model), routed=routed)


def project(service: Service, model: dict[str, Any] | None = None) -> Project:
    return Project({"services": {"api": service}, **(model or {})}, OWN)


# service, its problems, what admits it
REFUSED = [
    pytest.param(
        {"privileged": True},
        [
            "services.api.privileged: makes the service root on the host; name the capabilities that it needs in cap_add "
            "instead, or name api in stack.hardening.privileged"
        ],
        {**NONE, "privileged": ["api"]},
        id="privileged",
    ),
    pytest.param(
        {"volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro"]},
        [f'services.api.volumes: "/var/run/docker.sock" {SOCKET}'],
        {**NONE, "docker_socket": ["api"]},
        id="the socket, also to read",
    ),
    pytest.param(
        {"volumes": [{"type": "bind", "source": "/run", "target": "/host"}]},
        [f'services.api.volumes: "/run" {SOCKET}'],
        {**NONE, "docker_socket": ["api"]},
        id="the socket's directory",
    ),
    pytest.param(
        {"volumes": ["/run/user/1000/docker.sock:/s"]},
        [f'services.api.volumes: "/run/user/1000/docker.sock" {SOCKET}'],
        {**NONE, "docker_socket": ["api"]},
        id="another engine's socket",
    ),
    pytest.param(
        {"use_api_socket": True},
        [
            "services.api.use_api_socket: the engine's socket makes the service root on the host; remove it, "
            "or name api in stack.hardening.docker_socket"
        ],
        {**NONE, "docker_socket": ["api"]},
        id="the socket by Compose's own key",
    ),
    pytest.param(
        {"volumes": ["/:/host:ro"]},
        [f'services.api.volumes: "/" {SOCKET}', f'services.api.volumes: "/" {HOSTS_OWN}'],
        {**exempt("volumes"), "docker_socket": ["api"]},
        id="everything",
    ),
    pytest.param(
        {"volumes": ["/etc/../etc//:/x"]},
        [f'services.api.volumes: "/etc/../etc//" {HOSTS_OWN}'],
        exempt("volumes"),
        id="a directory of the host",
    ),
    pytest.param(
        {"volumes": ["~/.ssh:/x:ro"]},
        [f'services.api.volumes: "~/.ssh" {HOSTS_OWN}'],
        exempt("volumes"),
        id="root's home",
    ),
    pytest.param(
        {"volumes": ["./../secrets:/x:ro"]},
        [f'services.api.volumes: "./../secrets" {HOSTS_OWN}'],
        exempt("volumes"),
        id="every secret of the stack",
    ),
    pytest.param(
        {"volumes_from": ["agent"]},
        [
            "services.api.volumes_from: takes over mounts that no check sees; write the mounts out, "
            "or name volumes in stack.hardening.exempt.api"
        ],
        exempt("volumes"),
        id="mounts of another service",
    ),
    *[
        pytest.param(
            {key: "host"},
            [
                f"services.api.{key}: host shares the host's {what} with the service; remove it, "
                f"or name {key} in stack.hardening.exempt.api"
            ],
            exempt(key),
            id=f"{key} of the host",
        )
        for key, what in {
            "network_mode": "network",
            "pid": "processes",
            "ipc": "IPC",
            "uts": "host name",
            "userns_mode": "user namespace",
            "cgroup": "control groups",
        }.items()
    ],
    pytest.param(
        {"cap_add": ["NET_BIND_SERVICE", "cap_sys_admin", "NET_RAW"]},
        [
            "services.api.cap_add: NET_RAW, SYS_ADMIN is more than CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, NET_BIND_SERVICE, "
            "SETGID, SETUID; remove it, or name cap_add in stack.hardening.exempt.api"
        ],
        exempt("cap_add"),
        id="capabilities",
    ),
    *[
        pytest.param(
            {"security_opt": [option]},
            [f"services.api.security_opt: {said}; remove it, or name {word} in stack.hardening.exempt.api"],
            exempt(word),
            id=option,
        )
        for option, word, said in (
            ("seccomp:unconfined", "seccomp", "seccomp:unconfined lets every system call pass"),
            ("seccomp=unconfined", "seccomp", "seccomp:unconfined lets every system call pass"),
            ("apparmor:unconfined", "apparmor", "apparmor:unconfined turns AppArmor off"),
            ("label:disable", "selinux", "label:disable turns SELinux labels off"),
            (
                "no-new-privileges:false",
                "no_new_privileges",
                "no-new-privileges:false lets setuid files give privileges",
            ),
        )
    ],
    pytest.param(
        {"devices": ["/dev/sda"]},
        ["services.api.devices: gives the service devices of the host; remove it, or name devices in stack.hardening.exempt.api"],
        exempt("devices"),
        id="devices",
    ),
    pytest.param(
        {"read_only": False},
        ["services.api.read_only: false is not what hosts do; remove it, or name read_only in stack.hardening.exempt.api"],
        exempt("read_only"),
        id="a root to write, said in the file alone",
    ),
    *[
        pytest.param(
            {"ports": [port]},
            [f'services.api.ports: "{said}" is open on every address of the host, past its edge; write "{mend}", {OPEN}'],
            exempt("ports"),
            id=f"an open port {port}",
        )
        for port, said, mend in (
            ("8080:80", "8080:80", "127.0.0.1:8080:80"),
            ("0.0.0.0:8080:80/udp", "0.0.0.0:8080:80/udp", "127.0.0.1:8080:80/udp"),
            ("[::]:8080:80", "[::]:8080:80", "127.0.0.1:8080:80"),
            (80, "80", "127.0.0.1::80"),
            ({"target": 80, "published": "8080"}, "8080:80", "127.0.0.1:8080:80"),
        )
    ],
]


@pytest.mark.parametrize(("service", "expected", "admitted"), REFUSED)
def test_what_a_service_may_not_ask_is_refused_with_the_mend_that_admits_it(
    service: Service, expected: list[str], admitted: dict[str, Any]
) -> None:
    assert refused(service) == expected
    model = project(service)
    assert Hardening(**admitted).problems("api", service, model, routed=False) == []
    # Another exemption does not admit it, and what one service is admitted is not admitted to others.
    assert Hardening(**exempt("mem_limit")).problems("api", service, model, routed=False) == expected
    assert Hardening(**admitted).problems("web", service, model, routed=False) != []


ALLOWED = [
    pytest.param({}, id="nothing"),
    pytest.param({"volumes": ["./migrations:/m:ro", "data:/data", "./data:/d", "/anonymous"]}, id="mounts of its own"),
    pytest.param({"volumes": ["./secrets/session_secret:/s:ro"]}, id="one secret, to read"),
    pytest.param({"volumes": ["/etc/localtime:/etc/localtime:ro", "/etc/ssl/certs/ca.pem:/ca.pem:ro"]}, id="what all may read"),
    pytest.param({"volumes": ["${DATA}:/data"]}, id="a variable, which only the host knows"),
    pytest.param({"ports": ["127.0.0.1:8080:80", "[::1]:8080:80", "${PORT:-80}:80"]}, id="ports on one address"),
    pytest.param({"ports": [{"target": 80, "published": "80", "host_ip": "10.0.0.1"}]}, id="a port on one address, resolved"),
    pytest.param({"cap_add": ["CAP_NET_BIND_SERVICE", "chown"]}, id="capabilities that many need"),
    pytest.param({"security_opt": ["no-new-privileges", "apparmor:docker-default"], "ipc": "private"}, id="options of its own"),
    pytest.param({"privileged": False, "volumes": None, "ports": None, "cap_add": None}, id="empty"),
]


@pytest.mark.parametrize("service", ALLOWED)
def test_what_a_service_may_ask(service: Service) -> None:
    assert refused(service) == []


def test_the_network_of_a_routed_service_is_refused_by_other_rules() -> None:
    assert refused({"network_mode": "host"}, routed=True) == []


@pytest.mark.parametrize("port", ["222:22", "127.0.0.1:222:22", {"target": 22, "published": "222"}])
def test_a_port_of_a_routed_service_is_a_persons_wish_wherever_it_is_open(port: Any) -> None:
    service = {"ports": [port]}
    [said] = refused(service, routed=True)
    assert said.endswith("by services: {api: {ports: !reset []}}, or name ports in stack.hardening.exempt.api")
    assert Hardening(exempt={"api": ("ports",)}).problems("api", service, project(service), routed=True) == []
    assert refused({"ports": []}, routed=True) == []


@pytest.mark.parametrize(
    ("service", "model"),
    [
        ({"configs": ["engine"]}, {"configs": {"engine": {"file": "/var/run"}}}),
        ({"secrets": [{"source": "engine"}]}, {"secrets": {"engine": {"file": "/var/run"}}}),
    ],
    ids=["a config", "a secret"],
)
def test_a_mount_by_another_name_is_one_too(service: Service, model: dict[str, Any]) -> None:
    [key] = service
    assert refused(service, model) == [f'services.api.{key}: "/var/run" {SOCKET}']


@pytest.mark.parametrize(
    "service", [{"volumes": ["engine:/x"]}, {"volumes": [{"type": "volume", "source": "engine"}]}], ids=["short", "long"]
)
def test_a_named_volume_can_be_the_socket_too(service: Service) -> None:
    volumes = {"engine": {"driver_opts": {"device": "/var/run", "o": "bind"}}}
    assert refused(service, {"volumes": volumes}) == [
        f'services.api.volumes: "/var/run" {SOCKET}',
        "services.api.volumes: the volume engine has driver_opts (device, o), which can show any directory of the host; "
        "declare it without, or name volumes in stack.hardening.exempt.api",
    ]


GIVEN = {
    "security_opt": ["no-new-privileges:true"],
    "cap_drop": ["ALL"],
    "read_only": True,
    "tmpfs": ["/tmp"],
    "pids_limit": 512,
    "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
}


def without(*names: str, **changes: Any) -> dict[str, Any]:
    return {**{name: value for name, value in GIVEN.items() if name not in names}, **changes}


# what the resolved service says, what it is exempted from, what it is given
ADDITIONS = [
    pytest.param({}, [], GIVEN, id="all of it"),
    pytest.param(GIVEN, [], {}, id="nothing when it says all of it"),
    pytest.param({}, list(WORDS[:5]), {}, id="nothing when it is exempted from all of it"),
    pytest.param({"security_opt": ["no-new-privileges=true"]}, [], without("security_opt"), id="privileges"),
    pytest.param({"security_opt": ["apparmor:own"]}, [], GIVEN, id="options of its own stay"),
    pytest.param({"cap_drop": ["NET_RAW"]}, [], GIVEN, id="some capabilities dropped are not all"),
    pytest.param({"cap_drop": ["all"]}, [], without("cap_drop"), id="all capabilities dropped"),
    pytest.param({"read_only": True}, [], without("read_only", "tmpfs"), id="a read-only root as it is"),
    pytest.param({"tmpfs": ["/tmp:size=1m"]}, [], without("tmpfs"), id="a /tmp of its own"),
    pytest.param({"volumes": [{"type": "volume", "source": "t", "target": "/tmp"}]}, [], without("tmpfs"), id="a /tmp mounted"),
    pytest.param({}, ["read_only"], without("read_only", "tmpfs"), id="no /tmp without a read-only root"),
    pytest.param({"pids_limit": 64}, [], without("pids_limit"), id="a limit of processes"),
    pytest.param({"deploy": {"resources": {"limits": {"pids": 64}}}}, [], without("pids_limit"), id="the same below deploy"),
    pytest.param(
        {"deploy": {"resources": {"limits": {"memory": "64m"}}}},
        [],
        without("pids_limit", deploy={"resources": {"limits": {"pids": 512}}}),
        id="a limit of processes beside that of memory",
    ),
    pytest.param(
        {"logging": {"driver": "json-file", "options": {"max-file": "9", "tag": "x"}}},
        [],
        without(logging={"driver": "json-file", "options": {"max-size": "10m", "max-file": "9", "tag": "x"}}),
        id="a log without a limit",
    ),
    pytest.param({"logging": {"driver": "journald"}}, [], without("logging"), id="another log"),
    pytest.param({"logging": {"options": {"max-size": "1m"}}}, [], without("logging"), id="a limited log"),
]


@pytest.mark.parametrize(("service", "words", "expected"), ADDITIONS)
def test_a_service_is_given_what_its_files_do_not_say(service: Service, words: list[str], expected: dict[str, Any]) -> None:
    found = additions(Stack(hardening=exempt(*words)), {"services": {"api": service}})
    assert found == {"api": expected}


def test_what_is_given_becomes_part_of_the_model_as_compose_merges_it() -> None:
    model: dict[str, Any] = {"services": {"api": {"security_opt": ["apparmor:own"], "image": "a"}, "web": {}}, "volumes": {}}
    model["services"]["api"]["deploy"] = {"replicas": 2, "resources": {"limits": {"memory": "64m"}}}
    limits = {"resources": {"limits": {"pids": 512}}}
    given = {"api": {"security_opt": ["no-new-privileges:true"], "read_only": True, "deploy": limits}}
    before = copy.deepcopy(model)
    assert applied(model, given) == {
        "services": {
            "api": {
                "image": "a",
                "security_opt": ["apparmor:own", "no-new-privileges:true"],
                "read_only": True,
                "deploy": {"replicas": 2, "resources": {"limits": {"memory": "64m", "pids": 512}}},
            },
            "web": {},
        },
        "volumes": {},
    }
    assert model == before


def test_a_release_from_before_runs_as_it_ran() -> None:
    """It may be what a rollback goes to."""
    model = {"services": {"api": {"privileged": True}}}
    assert problems(Stack(), Project(model, OWN), ()) == warnings(Stack(), model) == []
    assert additions(Stack(), model) == {}


def test_a_service_without_a_memory_limit_is_warned_of() -> None:
    model = {
        "services": {
            "api": {},
            "web": {"mem_limit": "64m"},
            "ml": {"deploy": {"resources": {"limits": {"memory": "64m"}}}},
            "job": {},
        }
    }
    assert warnings(Stack(hardening={**NONE, "exempt": {"job": ["mem_limit"]}}), model) == [
        "services.api: has no memory limit and may take all memory of its host; set deploy.resources.limits.memory, "
        "or name mem_limit in stack.hardening.exempt.api"
    ]
    # Once for all of them: it comes with every deploy.
    assert warnings(Stack(hardening=NONE), model) == [
        "services.api, services.job: have no memory limit and may take all memory of their host; set "
        "deploy.resources.limits.memory, or name mem_limit in stack.hardening.exempt.<service>"
    ]


def test_names_that_mean_nothing_are_found() -> None:
    found = Hardening({"wbe": ["cap_drop"], "api": ["capdrop"], "web": "cap_drop"}, ["agent"], ["api"]).naming_problems(
        {"web": {}, "api": {}}
    )
    known = ", ".join(WORDS)
    assert found == [
        'stack.hardening.docker_socket[0]: the Compose files have no service "agent"; they have api, web',
        'stack.hardening.exempt.wbe: the Compose files have no service "wbe"; they have api, web',
        f'stack.hardening.exempt.api: "capdrop" is unknown; known are {known}',
        f"stack.hardening.exempt.web: must be a list of what the service is exempted from; known are {known}",
    ]


def test_the_words_of_a_service_are_all_that_is_admitted() -> None:
    found = Hardening({"api": ["cap_drop"]}, ["api"], ["web"])
    assert (found.words("api"), found.words("web")) == ({"cap_drop", "docker_socket"}, {"privileged"})


@pytest.mark.parametrize("words", [5, None, "privileged", [["read_only"], 5, {"a": 1}], {"read_only": True}], ids=repr)
def test_words_that_are_no_list_of_words_admit_nothing(words: Any) -> None:
    found = Hardening({"api": words})
    asked = {"privileged": True, "read_only": False}
    assert len(found.problems("api", asked, project(asked), routed=False)) == 2
    assert found.naming_problems({"api": asked}) != []


def test_a_key_that_nobody_has_decided_on_is_admitted_by_its_own_name_where_it_is_used() -> None:
    asked = {"host_shell": True, "deploy": {"firewall": "off"}}
    said = "nobody has reviewed yet what this key may do to the host; remove it, or name"
    assert refused(asked) == [
        f"services.api.deploy.firewall: {said} deploy.firewall in stack.hardening.exempt.api",
        f"services.api.host_shell: {said} host_shell in stack.hardening.exempt.api",
    ]
    named = Hardening(**exempt("host_shell", "deploy.firewall"))
    assert named.problems("api", asked, project(asked), routed=False) == []
    assert named.naming_problems({"api": asked}) == []
    assert named.naming_problems({"api": {}}) == [
        f'stack.hardening.exempt.api: "{word}" is unknown; known are {", ".join(WORDS)}' for word in named.exempt["api"]
    ]
