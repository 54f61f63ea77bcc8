"""Attacks on a host by way of a Compose file: each key of the specification with hostile values, and what is said to them.

The first ones were done for real: each of them deployed, and made its service root on its host or read another's secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Words of the inventory that are no exemptions but lists of their own.
LISTS = ("docker_socket", "privileged")
OWN = "/var/lib/morpheus.deploy/stacks/shop"
OTHER = "/var/lib/morpheus.deploy/stacks/blog"
_HOST = "belongs to the host"
_SOCKET = "gives the engine's socket, which makes the service root on the host"
_DECIDED = "nobody has decided yet what this key may do to the host"
_SAFE = "CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, NET_BIND_SERVICE, SETGID, SETUID"
_DEVICES = "gives the service devices of the host"
_REMOVE = "remove it"
_KEEP = "keep data in a named volume or in a directory of the stack (./data)"
_SHIP = "name it in stack.files"
_ENV_FILES = "use env/<name>.env (from stack.env) or secrets/<name>.env (from stack_secrets)"
_ROOT = "name the capabilities that it needs in cap_add instead"
_LOCAL = 'write "127.0.0.1:8080:80", or route the service'
_BLIND = "which can show any directory of the host"
_REAL_TIME = "takes CPU time in real time, before every other process of the host"
_SUBNETS = (
    "10.0.0.0/8 (/16 or smaller), 172.16.0.0/12 (/16 or smaller), 192.168.0.0/16 (/16 or smaller), fc00::/7 (/48 or smaller)"
)


@dataclass(frozen=True)
class Attack:
    """``asks``: of the service "api". ``elements``: beside the services. ``says``: key -> (what is said, word that admits it).

    ``resolved``: what the host says otherwise, because Compose has put in what the file only names. ``mend``: what is to be done
    when it shall not be admitted.
    """

    name: str
    asks: Mapping[str, Any]
    says: Mapping[str, tuple[str, str]]
    elements: Mapping[str, Any] = field(default_factory=dict)
    resolved: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    mend: str = _REMOVE

    @property
    def words(self) -> set[str]:
        return {word for _, word in self.says.values()}

    @property
    def problems(self) -> list[str]:
        """What is said, whole, where the file is read as it is written."""
        return [self.problem(key, text, word) for key, (text, word) in self.says.items()]

    def problem(self, key: str, text: str, word: str) -> str:
        place = f"api in stack.hardening.{word}" if word in LISTS else f"{word} in stack.hardening.exempt.api"
        return f"services.api.{key}: {text}; {self.mend}, or name {place}"


def _one(name: str, asks: Mapping[str, Any], text: str, word: str = "", mend: str = _REMOVE, **elements: Any) -> Attack:
    """One key of which one thing is said; its word is the key unless it is named."""
    *_, key = asks
    return Attack(name, asks, {key: (text, word or key)}, elements, mend=mend)


def _mount(source: str, **more: Any) -> Attack:
    path, colon, options = source.partition(":")
    asks = {**more, "volumes": [f"{path}:/x{colon}{options}"]}
    return _one(f"mount of {source}", asks, f'"{path}" {_HOST}', mend=_KEEP)


def _socket(path: str) -> Attack:
    return _one(f"mount of {path}", {"volumes": [f"{path}:/x"]}, f'"{path}" {_SOCKET}', "docker_socket")


def _volume(name: str, definition: Mapping[str, Any], text: str) -> Attack:
    asks, volumes = {"volumes": ["stolen:/x"]}, {"stolen": definition}
    return _one(name, asks, f"the volume stolen {text}", mend="declare it without", volumes=volumes)


def _network(name: str, definition: Mapping[str, Any], text: str, mend: str = _REMOVE) -> Attack:
    return _one(name, {"networks": ["back"]}, f"the network back {text}", mend=mend, networks={"back": definition})


# What was done for real.
DONE = [
    _one(
        "core_pattern by root without masked paths",
        {"user": "0", "security_opt": ["systempaths=unconfined"]},
        "systempaths:unconfined opens the kernel's settings below /proc and /sys to the service",
        "systempaths",
    ),
    _volume(
        "an overlay over /etc and /root",
        {"driver_opts": {"type": "overlay", "device": "overlay", "o": "lowerdir=/etc:/root:/var/lib/morpheus.deploy"}},
        f"has driver_opts (device, o, type), {_BLIND}",
    ),
    *[
        _volume(
            f"a volume of type {kind}",
            {"driver_opts": {"type": kind, "device": kind}},
            f"has driver_opts (device, type), {_BLIND}",
        )
        for kind in ("proc", "cgroup2", "devtmpfs", "sysfs", "nfs", "none")
    ],
    *[_mount(path, cap_add=["DAC_OVERRIDE"]) for path in ("/run/systemd", "/var/spool/cron", "/home/anna/.ssh")],
    Attack(
        "an env file of the host",
        {"env_file": [{"path": "/root/other.env", "required": False}]},
        {"env_file": ('"/root/other.env" is not a file of the release', "env_file")},
        mend=_ENV_FILES,
    ),
    Attack(
        "a label file of the host",
        {"label_file": f"{OTHER}/secrets/api.env"},
        {"label_file": (f'"{OTHER}/secrets/api.env" is not a file of the release', "label_file")},
        mend=_SHIP,
    ),
    *[
        _one(f"{key} {value}", {key: value}, f'"{value}" shares the {what} of another container with the service')
        for key, what in (("pid", "processes"), ("network_mode", "network"), ("ipc", "IPC"))
        for value in ("container:edge-haproxy-1",)
    ],
    _one(
        "a control group of the host",
        {"cgroup_parent": "/system.slice"},
        "puts the service among control groups of the host or of another stack, past its own limits",
    ),
    _one(
        "a list of system calls of its own",
        {"security_opt": ["seccomp:./everything.json"]},
        "seccomp:./everything.json replaces the engine's list of system calls",
        "seccomp",
    ),
    _network(
        "macvlan",
        {"driver": "macvlan"},
        'has the driver "macvlan", which is more than a bridge of the stack\'s own',
        "remove the driver",
    ),
    _one(
        "a hook as root on the host",
        {"post_start": [{"command": ["sh"], "privileged": True}]},
        "privileged makes the hook root on the host",
        "privileged",
        "remove privileged",
    ),
]

MOUNTS = [
    *[_socket(path) for path in ("/var/run/docker.sock", "/run", "/run/user/1000/docker.sock")],
    *[
        _mount(path)
        for path in (
            *("/etc", "/etc/shadow", "/etc/../etc//", "//etc", "/srv/data", "/opt", "/tmp", "/dev/mem", "/proc/1/root", "/sys"),
            *("/var/lib/docker/volumes", "/var/lib/morpheus.deploy", "/root/.docker/config.json:ro", "/home", "/mnt/nfs:ro"),
            *(f"{OTHER}/project/uploads", f"{OWN}/secrets/api.env:ro", f"{OWN}/project/secrets:ro", f"{OWN}/lineage.json"),
            *(f"{OWN}/project/override.json", f"{OWN}/project/secrets/key", f"{OWN}/releases", "/etc/localtime"),
            *("/etc/localtime:ro,z", "/etc/ssl/certs:rw"),
        )
    ],
    _one(
        "a mount of root's home",
        {"volumes": [{"type": "bind", "source": "/root", "target": "/x", "read_only": True}]},
        f'"/root" {_HOST}',
        mend=_KEEP,
    ),
    _one(
        "mounts that come back to the host",
        {"volumes": [{"type": "bind", "source": f"{OWN}/project/data", "target": "/x", "bind": {"propagation": "rshared"}}]},
        f'"{OWN}/project/data" is mounted with propagation rshared, so that mounts pass between service and host',
        mend="remove the propagation",
    ),
    _one(
        "a pipe of another system",
        {"volumes": [{"type": "npipe", "source": "/x", "target": "/y"}]},
        'the type "npipe" is none of bind, image, tmpfs, volume',
    ),
    _one(
        "a link in data that a service writes",
        {"volumes": [f"{OWN}/project/data:/data", f"{OWN}/project/data/link:/host"]},
        f'"{OWN}/project/data/link" lies in ./data, where services.api could put a link to anything of the host',
        mend="mount a directory that nothing else writes to",
    ),
    _one(
        "what the deploy itself writes",
        {"volumes": [f"{OWN}/project/env:/x"]},
        f'"{OWN}/project/env" is written by the deploy itself (from stack.env)',
        mend=_KEEP,
    ),
    _one(
        "another service's mounts",
        {"volumes_from": ["worker"]},
        "takes over mounts that no check sees",
        "volumes",
        "write the mounts out",
    ),
    _volume("another driver", {"driver": "rexray/ebs"}, 'has the driver "rexray/ebs", a program of the host'),
    _volume("another stack's volume", {"external": True, "name": "blog_data"}, "is external, so it may be another stack's"),
    _volume("a key of a newer volume", {"mirror": "/etc"}, "has mirror, on which nobody has decided yet"),
    _one(
        "a config of the host",
        {"configs": ["c"]},
        f'"/etc/shadow" {_HOST}',
        "volumes",
        _KEEP,
        configs={"c": {"file": "/etc/shadow"}},
    ),
    _one(
        "a secret of the host",
        {"secrets": [{"source": "s", "target": "s"}]},
        f'"{OTHER}/secrets/api.env" {_HOST}',
        "volumes",
        _KEEP,
        secrets={"s": {"file": f"{OTHER}/secrets/api.env"}},
    ),
    _one(
        "a config behind a link",
        {"configs": ["c"]},
        f'"{OWN}/project/data/link" is not a file of the release',
        "volumes",
        _SHIP,
        configs={"c": {"file": f"{OWN}/project/data/link"}},
    ),
    _one(
        "a config by a program of the host",
        {"configs": ["c"]},
        "configs.c has template_driver, on which nobody has decided yet",
        configs={"c": {"content": "x", "template_driver": "golang"}},
    ),
    _one(
        "a secret by a program of the host",
        {"secrets": ["key"]},
        "secrets.key has driver, on which nobody has decided yet",
        secrets={"key": {"file": "./secrets/key", "driver": "vault"}},
    ),
]

FILES = [
    Attack(
        f"{key} {path}",
        {key: path},
        {key: (f'"{path}" is not a file of the release', key)},
        resolved={key: (f'"{lies}" is not a file of the release', key)},
        mend=mend,
    )
    for key, mend in (("env_file", _ENV_FILES), ("label_file", _SHIP))
    for path, lies in (
        ("../../../../../../../root/other.env", "/root/other.env"),
        ("env/../../../../../../../../root/other.env", "/root/other.env"),
        ("~/other.env", "/root/other.env"),
        ("uploads/link.env", f"{OWN}/project/uploads/link.env"),
    )
]

VALUES = [
    _one(
        "annotations",
        {"annotations": {"org.systemd.property.Slice": "'x'"}},
        "orders to the host's container runtime and its hooks",
    ),
    _one("capabilities", {"cap_add": ["CHOWN", "CAP_SYS_ADMIN"]}, f"SYS_ADMIN is more than {_SAFE}"),
    _one("all capabilities", {"cap_add": ["all"]}, f"ALL is more than {_SAFE}"),
    *[
        _one(f"{key} of the host", {key: "host"}, f"host shares the host's {what} with the service")
        for key, what in (
            *(("cgroup", "control groups"), ("ipc", "IPC"), ("network_mode", "network"), ("pid", "processes")),
            *(("userns_mode", "user namespace"), ("uts", "host name")),
        )
    ],
    _one(
        "the bridge that every container is on",
        {"network_mode": "bridge"},
        '"bridge" is a network that is not the stack\'s own; list networks instead',
    ),
    _one(
        "a network by its name",
        {"network_mode": "edge"},
        '"edge" is a network that is not the stack\'s own; list networks instead',
    ),
    *[_one(key, {key: 950000}, _REAL_TIME, "cpu_rt") for key in ("cpu_rt_period", "cpu_rt_runtime")],
    _one("credential_spec", {"credential_spec": {"file": "/etc/shadow"}}, "reads a file of the host"),
    _one("devices", {"devices": ["/dev/sda"]}, _DEVICES),
    _one("device_cgroup_rules", {"device_cgroup_rules": ["c *:* rwm"]}, "lets the service use devices of the host"),
    _one("gpus", {"gpus": "all"}, _DEVICES),
    Attack(
        "devices by reservation",
        {"deploy": {"resources": {"reservations": {"devices": [{"driver": "cdi", "device_ids": ["x.y/z=all"]}]}}}},
        {"deploy.resources.reservations.devices": (_DEVICES, "gpus")},
    ),
    _one("external_links", {"external_links": ["edge-haproxy-1"]}, "reaches containers of other stacks"),
    _one(
        "labels of another project",
        {"labels": {"com.docker.compose.project": "edge", "traefik.enable": "true"}},
        "com.docker.compose.project says whose container it is, which only the deploy may say",
    ),
    _one(
        "labels of the deploy",
        {"labels": ["morpheus.deploy.port=22"]},
        "morpheus.deploy.port says whose container it is, which only the deploy may say",
    ),
    _one(
        "logging",
        {"logging": {"driver": "syslog", "options": {"syslog-address": "unixgram:///run/systemd/notify"}}},
        'the driver "syslog" lets the host send, as root, what the service prints',
        mend="write one of json-file, journald, local, none",
    ),
    _one("models", {"models": ["llm"]}, "runs models on the host, outside of containers", models={"llm": {"model": "ai/x"}}),
    _one("oom_kill_disable", {"oom_kill_disable": True}, "lets the host run out of memory instead of the service"),
    _one(
        "oom_score_adj",
        {"oom_score_adj": -1000},
        "-1000 lets the kernel end processes of the host and of other stacks first",
    ),
    _one("pids_limit", {"pids_limit": -1}, "-1 lets the service start processes until the host has none left"),
    Attack(
        "pids below deploy",
        {"deploy": {"resources": {"limits": {"pids": -1}}}},
        {"deploy.resources.limits.pids": ("-1 lets the service start processes until the host has none left", "pids_limit")},
    ),
    _one("a port", {"ports": ["8080:80"]}, '"8080:80" is open on every address of the host, past its edge', mend=_LOCAL),
    *[
        _one(
            f"a port at {address}",
            {"ports": [{"target": 80, "published": "8080", "host_ip": address}]},
            '"8080:80" is open on every address of the host, past its edge',
            mend=_LOCAL,
        )
        for address in ("0.0.0.0", "::", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0")
    ],
    _one(
        "pre_start",
        {"pre_start": [{"image": "x:1", "privileged": True}]},
        "runs containers that nothing hardens, of images that no release records",
    ),
    *[
        _one(f"privileged {value!r}", {"privileged": value}, "makes the service root on the host", "privileged", _ROOT)
        for value in (True, "true", "yes", "1", "on")
    ],
    _one("provider", {"provider": {"type": "sh"}}, "runs a program on the host, as root"),
    _one("read_only", {"read_only": False}, "false is not what hosts do"),
    _one("runtime", {"runtime": "io.containerd.own.v1"}, '"io.containerd.own.v1" is another program of the host than runc'),
    *[
        _one(f"security_opt {option}", {"security_opt": [option]}, f"{option.replace('=', ':', 1)} {does}", word)
        for option, does, word in (
            ("apparmor:unconfined", "turns AppArmor off", "apparmor"),
            ("apparmor=libvirtd", "replaces the engine's AppArmor profile", "apparmor"),
            ("label:disable", "turns SELinux labels off", "selinux"),
            ("label=type:spc_t", "replaces the engine's SELinux label", "selinux"),
            ("no-new-privileges:false", "lets setuid files give privileges", "no_new_privileges"),
            ("seccomp:unconfined", "lets every system call pass", "seccomp"),
            ("writable-cgroups=true", "lets the service change control groups", "writable_cgroups"),
            ("of-a-newer-engine=on", "is an option that nobody has decided on", "security_opt"),
        )
    ],
    *[
        _one(f"sysctl {name}", {"sysctls": {name: "1"}}, f"{name} is more than net.*, fs.mqueue.* and kernel.* of IPC")
        for name in ("kernel.core_pattern", "vm.overcommit_memory", "net/../kernel/core_pattern", "kernel.shmmax_x")
    ],
    _one("ulimits", {"ulimits": {"rtprio": 99, "nofile": 65536}}, f"rtprio {_REAL_TIME}"),
    _one(
        "use_api_socket",
        {"use_api_socket": True},
        "the engine's socket makes the service root on the host",
        "docker_socket",
    ),
    _one("a key of a newer Compose", {"host_shell": "sh"}, _DECIDED),
    Attack(
        "a key of a newer Compose below another",
        {"healthcheck": {"on_host": "sh"}},
        {"healthcheck.on_host": (_DECIDED, "healthcheck.on_host")},
    ),
    Attack(
        "a key of a newer mount",
        {"volumes": [{"type": "volume", "source": "data", "target": "/x", "volume": {"chown": "/etc"}}]},
        {"volumes.volume.chown": (_DECIDED, "volumes.volume.chown")},
        {"volumes": {"data": {}}},
    ),
]

NETWORKS = [
    *[
        _network(
            driver,
            {"driver": driver},
            f'has the driver "{driver}", which is more than a bridge of the stack\'s own',
            "remove the driver",
        )
        for driver in ("ipvlan", "host", "overlay", "weave")
    ],
    _network(
        "another stack's network",
        {"external": True, "name": "blog_default"},
        "is external, so other stacks are on it",
        "declare one of the stack's own, or route the service",
    ),
    _network(
        "the edge's network",
        {"name": "edge"},
        'is called "edge", as the networks of the edge are',
        "give it another name, or route the service",
    ),
    _network(
        "another stack's to the edge",
        {"name": "edge.blog"},
        'is called "edge.blog", as the networks of the edge are',
        "give it another name, or route the service",
    ),
    _network(
        "a bridge of the host",
        {"driver_opts": {"com.docker.network.bridge.name": "br0", "com.docker.network.driver.mtu": "1400"}},
        "has driver_opts that reach the host (com.docker.network.bridge.name)",
        "remove them",
    ),
    *[
        _network(
            f"addresses {subnet}",
            {"ipam": {"config": [{"subnet": subnet}]}},
            f"takes {subnet} away from the host, which may need it",
            f"take a subnet of {_SUBNETS}",
        )
        for subnet in ("169.254.169.0/24", "8.8.8.0/24", "0.0.0.0/0", "10.0.0.0/8", "2000::/3", "127.0.0.0/16")
    ],
    _network(
        "a driver of addresses",
        {"ipam": {"driver": "infoblox"}},
        'takes its addresses from the driver "infoblox", a program of the host',
    ),
    _network(
        "options of addresses",
        {"ipam": {"options": {"a": "b"}}},
        "has ipam.options, which are for drivers of the host",
        "remove them",
    ),
    _network("a key of a newer network", {"route": "0.0.0.0/0"}, "has route, on which nobody has decided yet"),
    _one(
        "options of one attachment",
        {"networks": {"back": {"driver_opts": {"parent": "eth0"}}}},
        "the network back has driver_opts that reach the host (parent)",
        mend="remove them",
        networks={"back": {}},
    ),
    Attack(
        "the network that nobody lists",
        {},
        {
            "networks": (
                'the network default has the driver "macvlan", which is more than a bridge of the stack\'s own',
                "networks",
            )
        },
        {"networks": {"default": {"driver": "macvlan"}}},
        mend="remove the driver",
    ),
]

ATTACKS = [*DONE, *MOUNTS, *FILES, *VALUES, *NETWORKS]
