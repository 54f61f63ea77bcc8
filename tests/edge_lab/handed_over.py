"""A host of the engine's kind without an engine: HAProxy in network namespaces behind a bridge, the engine's forwarding of ports
by iptables and by a proxy for this host's own loopback, and users in a network of their own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.instance import Instance, Seen, waiting
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.redirect import parse_ports
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import EdgeSettings

from tests.edge_lab import traffic
from tests.edge_lab.haproxy import Haproxy

BRIDGE, GATEWAY = "br-edge", "172.30.0.1"
HOST, USER = "10.9.0.1", "10.9.0.2"
PORTS = ("80:8080", "127.0.0.1:8405:8405")
# Of the container that stands in.
OPEN = {("127.0.0.1", 8080): 20080, (GATEWAY, 8080): 20081, ("127.0.0.1", 8405): 20405}


def sh(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}")
    return done.stdout


def bare_host() -> None:
    """What the engine has set up before the first container: to be called in a network of one's own."""
    sh("ip", "link", "add", BRIDGE, "type", "bridge")
    sh("ip", "addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
    sh("ip", "link", "set", BRIDGE, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    sh("iptables", "-t", "nat", "-N", "DOCKER")
    sh("iptables", "-t", "nat", "-A", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "DOCKER")
    outgoing = ("-A", "OUTPUT", "!", "-d", "127.0.0.0/8", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "DOCKER")
    sh("iptables", "-t", "nat", *outgoing)
    # Nobody is forwarded to a container that has published nothing.
    sh("iptables", "-N", "DOCKER")
    sh("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
    sh("iptables", "-A", "FORWARD", "-o", BRIDGE, "-j", "DOCKER")
    sh("iptables", "-A", "FORWARD", "-o", BRIDGE, "-j", "DROP")


class Network:
    """A namespace with one interface, held by a process that does nothing."""

    def __init__(self, name: str, address: str, gateway: str, bridge: str = "") -> None:
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"])
        self.pid = self.process.pid
        own = Path("/proc/thread-self/ns/net").readlink()
        while Path(f"/proc/{self.pid}/ns/net").readlink() == own:
            time.sleep(0.005)
        self._outside = name
        sh("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        if bridge:
            sh("ip", "link", "set", name, "master", bridge)
        else:
            sh("ip", "addr", "add", f"{gateway}/24", "dev", name)
        sh("ip", "link", "set", name, "up")
        for command in (
            ("ip", "addr", "add", f"{address}/24", "dev", "eth0"),
            ("ip", "link", "set", "eth0", "up"),
            ("ip", "link", "set", "lo", "up"),
            ("ip", "route", "add", "default", "via", gateway),
        ):
            sh(*self.inside(), *command)

    def inside(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net"]

    def remove(self) -> None:
        # As the engine does: the interface goes first, whoever still sends.
        sh("ip", "link", "del", self._outside, check=False)
        self.process.kill()
        self.process.wait()


class _Inside(Haproxy):
    """HAProxy in another network, with a directory of its own for its sockets."""

    def __init__(self, root: Path, paths: EdgePaths, conf: Path, network: Network) -> None:
        super().__init__(root, paths)
        self._conf = conf
        self._network = network

    def _script(self, conf: Path, command: list[str]) -> list[str]:
        return [*self._network.inside(), *super()._script(self._conf, command)]

    @property
    def master(self) -> int:
        """Process id of HAProxy's master; 0 when it has ended."""
        if self._process is None or self._process.poll() is not None:
            return 0
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else 0


class Container(Instance):
    """A container with HAProxy. ``published``: whether its ports are the host's; otherwise they are open to what is led there."""

    def __init__(self, name: str, paths: EdgePaths, root: Path, addresses: Sequence[str], *, published: bool) -> None:
        directory = paths.root if published else paths.root / "stand-in"
        self.name, self._paths, self._root, self._published = name, EdgePaths(directory), root, published
        self._open = {} if published else OPEN
        self._conf = paths.conf
        # Each start gets another one.
        self._addresses = list(addresses)
        self.broken: tuple[str, ...] = ()
        self.ending = False
        self.image = self._next = "haproxy:old"
        self._network: Network | None = None
        self._haproxy: _Inside | None = None
        self._proxies: list[subprocess.Popen[bytes]] = []
        self._run = directory / "run"
        self._run.mkdir(parents=True, exist_ok=True)
        self._bind(self._run)

    # What the engine does

    def look(self) -> Seen | None:
        if self._haproxy is None or self._network is None:
            return None
        pid = self._haproxy.master
        if not pid:
            self._unplug()
        return Seen(
            self.name,
            self.image,
            bool(pid),
            self.address,
            GATEWAY,
            self._network.pid if pid else 0,
            self._open,
        )

    def start(self, *, anew: bool = False) -> None:
        seen = self.look()
        if seen and seen.running:
            if seen.image == self._next and not anew:
                return
            self.end()
        self.remove()
        self.image = self._next
        self.address = self._addresses.pop(0)
        self._network = Network(f"v-{self.address.rpartition('.')[2]}", self.address, GATEWAY, BRIDGE)
        self._haproxy = _Inside(self._root, self._paths, self._conf, self._network)
        if self.image in self.broken:
            self._network.remove()
            raise EngineError("it cannot be started")
        self._haproxy.start()
        self._rules("-A")

    def soft_stop(self) -> None:
        self.ending = True
        if self._haproxy and self._haproxy.master:
            os.kill(self._haproxy.master, signal.SIGUSR1)

    def end(self) -> None:
        if self._haproxy and self._haproxy.master:
            self._haproxy.kill()
        self._unplug()

    def remove(self) -> None:
        self.end()
        self._haproxy = None

    def waiting(self) -> int:
        return sum(waiting(self._network.pid)) if self._network else 0

    def last_words(self) -> str:
        return self._haproxy.log.read_text()[-300:] if self._haproxy and self._haproxy.log.exists() else ""

    def write(self, settings: EdgeSettings) -> None:
        self._next = settings.image

    def settings(self) -> EdgeSettings:
        return EdgeSettings(self._next, "0:0", PORTS)

    def text(self) -> dict[Path, str]:
        return {Path("image"): self._next}

    def put(self, texts: Mapping[Path, str]) -> None:
        self._next = texts[Path("image")]

    def _unplug(self) -> None:
        if self._network and self._network.process.poll() is None:
            self._rules("-D")
            self._network.remove()

    def _rules(self, what: str) -> None:
        for port in parse_ports(PORTS):
            there = ("-d", self.address, "!", "-i", BRIDGE, "-o", BRIDGE, "-p", "tcp", "--dport", str(port.inside))
            sh("iptables", what, "DOCKER", *there, "-j", "ACCEPT")
            if self._published and not port.address:
                to = ("--dport", str(port.outside), "-j", "DNAT", "--to-destination", f"{self.address}:{port.inside}")
                sh("iptables", "-t", "nat", what, "DOCKER", "!", "-i", BRIDGE, "-p", "tcp", *to)
        if what == "-A":
            places = [("0.0.0.0", one.inside, one.outside) for one in parse_ports(PORTS)]
            places = places if self._published else [(address, inside, port) for (address, inside), port in OPEN.items()]
            for address, inside, outside in places:
                command = [sys.executable, traffic.__file__, "proxy", address, str(outside), self.address, str(inside)]
                one = subprocess.Popen(command, stdout=subprocess.PIPE)
                self._proxies.append(one)
                # Like the engine, which waits until its proxy listens.
                assert one.stdout is not None
                one.stdout.readline()
        else:
            for proxy in self._proxies:
                proxy.kill()
                proxy.wait()
            self._proxies = []
