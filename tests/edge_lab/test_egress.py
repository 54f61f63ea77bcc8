"""What containers reach through the packet filter, tried by packets: the real kernel and iptables, in network namespaces."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.egress import egress_filter
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.egress_filter import EgressFilter
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.rules import Base, Host

from tests.edge_lab.handed_over import Network, sh
from tests.edge_lab.namespace import in_a_thread, own_network

# As the engine names them; and one of the host's own.
SHOP, BLOG, LAN = "br-0123456789ab", "br-ba9876543210", "br-lan"
METADATA = "169.254.169.254"
OTHER = "10.9.0.2"
# The same by IPv6: the first part of a network's addresses is of its bridge, the last one as by IPv4.
METADATA_6, OTHER_6 = "fd00:ec2::254", "fd00:9::2"
BASE = Base(Host((), (22,), 8405), {"app-2": Host((OTHER, OTHER_6), (2222,), 8405)}, (LAN,))
# Answers with a word on each of the ports, by TCP, until it ends.
SERVER = """
import selectors, socket, sys
found = selectors.DefaultSelector()
for port in sys.argv[1:]:
    one = socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    found.register(one, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in found.select():
        key.fileobj.accept()[0].close()
"""
# All at once, a line each.
TRY = """
import concurrent.futures, socket, sys
def attempt(target):
    try: socket.create_connection(target, 1.0).close()
    except TimeoutError: return "dropped"
    except OSError as exc: return str(exc)
    return "connected"
targets = [(address, int(port)) for address, _, port in (one.rpartition(":") for one in sys.argv[1:])]
with concurrent.futures.ThreadPoolExecutor(len(targets)) as pool: print(*pool.map(attempt, targets), sep="\\n")
"""


@dataclass
class Lab:
    """A host with two stacks, a machine behind a bridge of its own, another host, and the cloud. Lives in one thread."""

    thread: ThreadPoolExecutor
    root: Path
    places: dict[str, Network]

    def reaches(self, place: str, targets: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
        inside = self.places[place].inside() if place else []
        words = [f"{address}:{port}" for address, port in targets]
        said = self.thread.submit(sh, *inside, sys.executable, "-I", "-S", "-c", TRY, *words).result()
        return dict(zip(targets, said.splitlines(), strict=True))

    def sh(self, *command: str) -> str:
        return self.thread.submit(sh, *command).result()

    def filter(self, suffix: str, *, six: bool = False) -> EgressFilter:
        """With one of the two kinds of iptables, and for IPv6 as well when that is asked. ``submit``: its commands run where the
        host is.
        """

        def run(command: list[str], text: str) -> str:
            program = command[0].replace("tables", f"tables-{suffix}", 1)
            return self.thread.submit(egress_filter.run, [program, *command[1:]], text).result()

        enabled = self.root / "enabled"
        enabled.touch()
        root = self.root / f"{suffix}-{six}"
        return EgressFilter(root, run, self.root if six else self.root / "no-ipv6", enabled)  # type: ignore[arg-type]


def by_six(places: dict[str, Network]) -> None:
    """Every address by IPv6, too, and bridges have the link-local one that the engine gives them."""
    Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
    outside = {SHOP: "fd00:18::1", BLOG: "fd00:19::1", LAN: "fd00:20::1", "v-outside": "fd00:9::1", "v-cloud": "fd00:ec2::1"}
    for interface, address in outside.items():
        sh("ip", "addr", "add", f"{address}/64", "dev", interface, "nodad")
    for bridge in (SHOP, BLOG, LAN):
        sh("ip", "addr", "add", "fe80::1/64", "dev", bridge, "nodad")
    for place, address, gateway in (
        ("shop", "fd00:18::2", "fd00:18::1"),
        ("neighbour", "fd00:18::3", "fd00:18::1"),
        ("blog", "fd00:19::2", "fd00:19::1"),
        ("machine", "fd00:20::2", "fd00:20::1"),
        ("app-2", OTHER_6, "fd00:9::1"),
        ("cloud", METADATA_6, "fd00:ec2::1"),
    ):
        sh(*places[place].inside(), "ip", "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
        sh(*places[place].inside(), "ip", "route", "add", "default", "via", gateway)


@contextmanager
def living(thread: ThreadPoolExecutor, root: Path) -> Iterator[Lab]:
    with own_network(), ExitStack() as ending:
        for bridge, number in ((SHOP, 18), (BLOG, 19), (LAN, 20)):
            sh("ip", "link", "add", bridge, "type", "bridge")
            sh("ip", "addr", "add", f"172.{number}.0.1/24", "dev", bridge)
            sh("ip", "link", "set", bridge, "up")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        places = {
            "shop": Network("v-shop", "172.18.0.2", "172.18.0.1", SHOP),
            "neighbour": Network("v-neighbour", "172.18.0.3", "172.18.0.1", SHOP),
            "blog": Network("v-blog", "172.19.0.2", "172.19.0.1", BLOG),
            "machine": Network("v-machine", "172.20.0.2", "172.20.0.1", LAN),
            "app-2": Network("v-outside", OTHER, "10.9.0.1"),
            "cloud": Network("v-cloud", METADATA, "169.254.169.1"),
        }
        by_six(places)
        # The edge's published port leads to a container, as the engine does it.
        sh(
            "iptables",
            "-t",
            "nat",
            "-A",
            "PREROUTING",
            *["-p", "tcp", "-m", "addrtype", "--dst-type", "LOCAL", "--dport", "80"],
            *["-j", "DNAT", "--to-destination", "172.18.0.3:8080"],
        )
        for place, ports in (
            ("", ("22", "8405", "9000")),
            ("app-2", ("22", "2222", "8405")),
            ("cloud", ("53", "80")),
            ("shop", ("22", "8080")),
            ("neighbour", ("22", "8080")),
        ):
            inside = places[place].inside() if place else []
            server = subprocess.Popen(
                [*inside, sys.executable, "-I", "-S", "-c", SERVER, *ports], stdout=subprocess.PIPE, text=True
            )
            ending.callback(server.wait)
            ending.callback(server.kill)
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        for one in places.values():
            ending.callback(one.process.wait)
            ending.callback(one.process.kill)
        yield Lab(thread, root, places)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("egress")
    with in_a_thread(lambda thread: living(thread, root)) as found:
        yield found


FORBIDDEN = {
    "metadata": [(METADATA, 80)],
    # This host by each of its addresses, and the other one.
    "ssh": [("172.18.0.1", 22), ("172.19.0.1", 22), ("10.9.0.1", 22), (OTHER, 2222)],
    "metrics": [("172.18.0.1", 8405), ("10.9.0.1", 8405), (OTHER, 8405)],
}
ALLOWED = {
    # Services of both hosts, the cloud's resolver, the edge by the host's address, the neighbour, also by SSH.
    "shop": [("172.18.0.1", 9000), (OTHER, 22), (METADATA, 53), ("10.9.0.1", 80), ("172.18.0.3", 22), ("172.18.0.3", 8080)],
    # The gate's probes and SSH from the host to containers; the host itself.
    "": [("172.18.0.2", 8080), ("172.18.0.2", 22), ("127.0.0.1", 22), ("127.0.0.1", 8405), ("10.9.0.1", 22), (OTHER, 2222)],
    # Users, administrators and who collects metrics, from outside.
    "app-2": [("10.9.0.1", 80), ("10.9.0.1", 22), ("10.9.0.1", 8405)],
    # Behind a bridge of the host itself.
    "machine": [("172.20.0.1", 22), (METADATA, 80)],
}
FORBIDDEN_6 = {
    "metadata": [(METADATA_6, 80)],
    "ssh": [("fd00:18::1", 22), ("fd00:19::1", 22), ("fd00:9::1", 22), (OTHER_6, 2222)],
    "metrics": [("fd00:18::1", 8405), ("fd00:9::1", 8405), (OTHER_6, 8405)],
    # Of the bridge. Who asks it has an address that is of no network of the stack, so nothing lets it through.
    "": [("fe80::1%eth0", 22), ("fe80::1%eth0", 8405)],
}
ALLOWED_6 = {
    "shop": [("fd00:18::1", 9000), ("fe80::1%eth0", 9000), (OTHER_6, 22), (METADATA_6, 53), ("fd00:18::3", 22)],
    "": [("fd00:18::2", 8080), ("fd00:18::2", 22), ("::1", 22), ("fd00:9::1", 22), (OTHER_6, 2222)],
    "app-2": [("fd00:9::1", 22), ("fd00:9::1", 8405)],
    "machine": [("fd00:20::1", 22), (METADATA_6, 80)],
}
Targets = dict[str, list[tuple[str, int]]]


def all_of(targets: Targets) -> list[tuple[str, int]]:
    return [place for places in targets.values() for place in places]


def every(word: str, targets: list[tuple[str, int]]) -> dict[tuple[str, int], str]:
    return dict.fromkeys(targets, word)


@pytest.mark.parametrize("suffix", ["nft", pytest.param("legacy", marks=pytest.mark.deep)])
@pytest.mark.parametrize(
    ("six", "forbidden", "allowed"), [(False, FORBIDDEN, ALLOWED), (True, FORBIDDEN_6, ALLOWED_6)], ids=["IPv4", "IPv6"]
)
def test_containers_reach_what_they_may_and_nothing_else(
    lab: Lab, suffix: str, six: bool, forbidden: Targets, allowed: Targets
) -> None:
    found, whole = lab.filter(suffix, six=six), all_of(forbidden)
    # Without it all of it is reached, so what is dropped below is dropped by it.
    assert lab.reaches("shop", whole) == every("connected", whole)
    try:
        found.apply(BASE)
        assert found.problems() == []
        for place in ("shop", "blog"):
            assert lab.reaches(place, whole) == every("dropped", whole)
        for place, targets in allowed.items():
            assert lab.reaches(place, targets) == every("connected", targets)
        for kind, targets in forbidden.items():
            if not kind:
                continue
            found.admit("shop", [kind], ["172.18.0.0/24", "fd00:18::/64"])
            assert lab.reaches("shop", targets) == every("connected", targets)
            others = [target for target in whole if target not in targets]
            assert lab.reaches("shop", others) == every("dropped", others)
            assert lab.reaches("blog", targets) == every("dropped", targets)
            assert found.problems() == []
        found.admit("shop", [], [])
        assert lab.reaches("shop", whole) == every("dropped", whole)
        assert found.apply(BASE) == []
    finally:
        programs = ["iptables", "ip6tables"] if six else ["iptables"]
        for program in programs:
            lab.sh(program.replace("tables", f"tables-{suffix}"), "-t", "raw", "-F")
    assert found.problems() == [
        f"rules that keep containers away are not in the kernel as they should be ({program} -t raw -S)" for program in programs
    ]


def test_rules_of_engine_and_firewall_come_and_go_without_it(lab: Lab) -> None:
    """What the engine does when it restarts, and what a firewall does that begins again with its own rules."""
    found, whole = lab.filter("nft"), all_of(FORBIDDEN)
    found.apply(BASE)
    try:
        lab.sh("iptables-nft", "-I", "FORWARD", "-j", "ACCEPT")
        lab.sh("iptables-nft", "-I", "INPUT", "-j", "ACCEPT")
        assert lab.reaches("shop", whole) == every("dropped", whole)
        lab.sh("iptables-nft", "-F")
        lab.sh("iptables-nft", "-X")
        assert lab.reaches("shop", whole) == every("dropped", whole)
        assert found.problems() == []
    finally:
        lab.sh("iptables-nft", "-t", "raw", "-F")
