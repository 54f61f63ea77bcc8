"""A HAProxy that keeps its slots in memory and answers on both sockets as version 3.0 does, word for word.

It reads the same configuration files as the real one whenever it is reloaded, so that what is on disk counts.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The bits of srv_admin_state, as doc/management.txt names them.
FMAINT, IMAINT, CMAINT, FDRAIN, IDRAIN, HMAINT = 0x01, 0x02, 0x04, 0x08, 0x10, 0x40
STATE_HEADER = (
    "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change "
    "srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn "
    "srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port"
)
STAT_HEADER = (
    "# "
    "pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,chkfail,"
    "chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,rate_lim,rate_max,check_status,check_code,"
    "check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,hanafail,req_rate,req_rate_max,req_tot,cli_abrt,srv_abrt,"
)
_COLUMNS = {name: number for number, name in enumerate(STAT_HEADER.removeprefix("# ").split(","))}
_SERVER = re.compile(r"    server (?P<slot>\S+) (?P<host>\S+):(?P<port>\d+)(?: track (?P<track>\S+))?(?P<disabled> disabled)?$")


@dataclass
class Slot:
    backend: str
    name: str
    port: int
    fqdn: str = ""
    address: str = "0.0.0.0"
    flags: int = 0
    tracked: Slot | None = None
    sessions: int = 0
    total: int = 0
    well: int = 0
    badly: int = 0
    broken_off: int = 0

    @property
    def admin_state(self) -> int:
        inherited = self.tracked.flags if self.tracked else 0
        return self.flags | (IMAINT if inherited & FMAINT else 0) | (IDRAIN if inherited & FDRAIN else 0)

    @property
    def takes_requests(self) -> bool:
        return not self.admin_state & (FMAINT | IMAINT | FDRAIN | IDRAIN)


@dataclass
class Worker:
    pid: int
    slots: dict[str, Slot] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)
    # Connections of users, idle ones included.
    clients: int = 0


class FakeHAProxy:
    """Listens below ``root``/run as long as it is used as a context. ``addresses`` is Docker's DNS: name -> address."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.addresses: dict[str, str] = {}
        # Whether the engine answers no question.
        self.is_silent = False
        # (backend, slot, name) -> address: what the last new worker was left by the one before.
        self.left: dict[tuple[str, str, str], str] = {}
        self.worker = Worker(7)
        self.old: list[Worker] = []
        self.commands: list[str] = []
        self.reloads = 0
        self.rejects = ""
        # How many commands that change something are still answered; then every connection is cut until this is None again.
        # To the caller that is as if it had been killed there.
        self.patience: int | None = None
        # Docker's DNS alone gives addresses: what a server answers whose last name has died.
        self.resolves_only = False
        # How many times the state is still shown with the old address after a new one was accepted: HAProxy changes it a moment
        # after its answer. Servers that were made ready before that are ``early``.
        self.lag = 0
        self.early: list[str] = []
        self._late: dict[str, tuple[str, int, int]] = {}
        self.on_command: Callable[[str], None] = lambda command: None
        # Whether its checks call a server down.
        self.calls_down: Callable[[Slot], bool] = lambda slot: False
        self._lock = threading.RLock()
        self._listening: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> FakeHAProxy:
        (self.root / "run").mkdir(parents=True, exist_ok=True)
        for name, answer in (("admin", self._admin), ("master", self._master)):
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(str(self.root / "run" / f"{name}.sock"))
            listening.listen(64)
            self._listening.append(listening)
            thread = threading.Thread(target=self._serve, args=[listening, answer, name == "master"], daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        for listening in self._listening:
            # Who waits for a connection is woken by it.
            listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def slot(self, server: str) -> Slot:
        return self.worker.slots[server]

    def serving(self, backend: str) -> dict[str, str]:
        """container -> address of what the current worker sends new requests to."""
        slots = [slot for slot in self.worker.slots.values() if slot.backend == backend and slot.takes_requests]
        return {slot.fqdn: slot.address for slot in slots}

    def load_files(self) -> None:
        """What a new worker knows: the files, the addresses that it was left, DNS, and nothing that was only said at run time."""
        path = self.root / "run" / "servers.state"
        rows = [line.split() for line in path.read_text().splitlines()[1:]] if path.exists() else []
        self.left = {(row[1], row[3], row[17]): row[4] for row in rows}
        slots: dict[str, Slot] = {}
        tracks: list[tuple[Slot, str]] = []
        for path in sorted((self.root / "conf" / "stacks").glob("*.cfg")):
            backend = ""
            for line in path.read_text().splitlines():
                if line.startswith("backend "):
                    backend = line.split()[1]
                elif line.startswith("    server "):
                    found = _SERVER.match(line)
                    assert found, f"HAProxy would not understand: {line}"
                    slot = Slot(backend, found["slot"], int(found["port"]))
                    if found["disabled"]:
                        slot.flags = FMAINT | CMAINT
                    if not re.match(r"[0-9.]+\Z", found["host"]):
                        slot.fqdn = found["host"]
                        said = "0.0.0.0" if self.is_silent else self.addresses.get(slot.fqdn, "0.0.0.0")
                        slot.address = self.left.get((backend, slot.name, slot.fqdn), said)
                    slots[f"{backend}/{slot.name}"] = slot
                    if found["track"]:
                        tracks.append((slot, found["track"]))
        for slot, track in tracks:
            slot.tracked = slots[track]
        if self.worker.clients or any(slot.sessions for slot in self.worker.slots.values()):
            self.old.append(self.worker)
        path = self.root / "conf" / "routes.map"
        lines = path.read_text().splitlines() if path.exists() else []
        self.worker = Worker(self.worker.pid + 10, slots, dict(line.split() for line in lines if not line.startswith("#")))

    def _serve(self, listening: socket.socket, answer: Callable[[str], str], keeps_open: bool) -> None:
        with listening, contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                if self.patience == 0:
                    connection.close()
                    continue
                threading.Thread(target=self._talk, args=[connection, answer, keeps_open], daemon=True).start()

    def _talk(self, connection: socket.socket, answer: Callable[[str], str], keeps_open: bool) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            data = b""
            while b"\n" not in data:
                data += connection.recv(4096)
            command = data.decode().strip()
            self.on_command(command)
            with self._lock:
                connection.sendall((answer(command) + "\n").encode())
            # The master waits for the next command until its client says that there is none.
            while keeps_open and connection.recv(4096):
                pass

    def _admin(self, command: str) -> str:
        self.commands.append(command)
        if command == "show servers state":
            return self._state(self.worker)
        if command.startswith("show stat"):
            return self._stat(self.worker)
        if command == "show info":
            return "Name: HAProxy\n"
        words = command.split()
        if words[1] == "map":
            assert words[2] == "/usr/local/etc/haproxy/routes.map", command
        if words[:2] == ["show", "map"]:
            return "".join(f"0x{number:x} {key} {value}\n" for number, (key, value) in enumerate(self.worker.routes.items(), 1))
        if self.patience is not None:
            self.patience -= 1
        return self._change_map(words) if words[1] == "map" else self._set(words)

    def _change_map(self, words: list[str]) -> str:
        verb, key = words[0], words[3]
        if (verb == "add") == (key in self.worker.routes):
            # A second entry of one key is no error for HAProxy, and never what we want.
            return "entry not found.\n" if verb != "add" else "the key is there already\n"
        if verb == "del":
            del self.worker.routes[key]
        else:
            self.worker.routes[key] = words[4]
        return ""

    def _master(self, command: str) -> str:
        self.commands.append(f"master: {command}")
        if command == "show proc":
            lines = ["#<PID>          <type>          <reloads>       <uptime>        <version>      "]
            lines.append("1               master          3 [failed: 0]   0d00h01m00s     3.0.11-1+deb13u5")
            lines += ["# workers", f"{self.worker.pid:<15} worker          0               0d00h00m00s     3.0.11-1+deb13u5"]
            if self.old:
                lines.append("# old workers")
            lines += [f"{one.pid:<15} worker          1               0d00h00m23s     3.0.11-1+deb13u5" for one in self.old]
            return "\n".join([*lines, "# programs", ""])
        if command == "reload":
            self.reloads += 1
            if self.rejects:
                return f"Success=0\n--\n[NOTICE]   (1) : haproxy version is 3.0.11\n[ALERT]    (1) : config : {self.rejects}\n"
            self.load_files()
            return "Success=1\n--\n[NOTICE]   (1) : New worker (12) forked\n[NOTICE]   (1) : Loading success.\n"
        if re.match(r"@!\d+ show map /usr/local/etc/haproxy/maintenance.map", command):
            return "0x1 state off\n"
        found = re.match(r"@!(\d+) show (stat|servers state)", command)
        worker = next((one for one in self.old if found and one.pid == int(found[1])), None)
        if worker and found and found[2] == "servers state":
            return self._state(worker)
        return self._stat(worker) if worker else f"Can't find the target PID matching the prefix '{command.split()[0]}'"

    def _state(self, worker: Worker) -> str:
        lines = ["1", STATE_HEADER]
        for name, (address, port, left) in list(self._late.items()):
            self._late[name] = (address, port, left - 1)
            if left <= 0:
                self.worker.slots[name].address, self.worker.slots[name].port, _ = self._late.pop(name)
        for number, slot in enumerate(worker.slots.values(), 1):
            state = 0 if self.calls_down(slot) else 2
            begin = f"3 {slot.backend} {number} {slot.name} {slot.address} {state} {slot.admin_state} 1 1 9 8 2 0 6 0 0 0"
            lines.append(f"{begin} {slot.fqdn or '-'} {slot.port} - 0 0 - - 0")
        return "\n".join([*lines, ""])

    def _stat(self, worker: Worker) -> str:
        lines = [STAT_HEADER, _stat_line({"pxname": "https", "svname": "FRONTEND", "scur": worker.clients})]
        for slot in worker.slots.values():
            values = {"pxname": slot.backend, "svname": slot.name, "scur": slot.sessions, "stot": slot.total}
            values |= {"hrsp_2xx": slot.well, "hrsp_5xx": slot.badly}
            values |= {"econ": 0, "eresp": slot.broken_off, "srv_abrt": slot.broken_off}
            lines.append(_stat_line(values))
        return "\n".join([*lines, ""])

    def _set(self, words: list[str]) -> str:
        slot = self.worker.slots.get(words[2])
        if slot is None:
            return "No such server.\n"
        name, verb, value = words[2], words[3], words[4]
        if verb == "fqdn":
            if slot.fqdn == value:
                return "no need to change the FDQN by 'stats socket command'\n"
            before, slot.fqdn = slot.fqdn or "(null)", value
            slot.flags |= HMAINT
            if self.resolves_only:
                slot.address = self.addresses.get(value, slot.address)
            return f"{name} changed its FQDN from {before} to {value} by 'stats socket command'\n"
        if verb == "addr":
            assert words[5] == "port", words
            return self._set_place(name, slot, value, int(words[6]))
        assert (verb, value) in {("state", "ready"), ("state", "drain"), ("state", "maint")}, words
        if value == "ready" and name in self._late:
            self.early.append(name)
        slot.flags &= ~(FMAINT | FDRAIN)
        slot.flags |= {"ready": 0, "drain": FDRAIN, "maint": FMAINT}[value]
        return ""

    def _set_place(self, name: str, slot: Slot, address: str, port: int) -> str:
        if (slot.address, slot.port) == (address, port):
            return "nothing changed\n"
        if self.resolves_only and slot.address != address:
            return "could not update the address\n"
        was = (slot.address, slot.port)
        if not self.lag:
            slot.address, slot.port = address, port
        elif self._late.get(name, ())[:2] != (address, port):
            self._late[name] = (address, port, self.lag)
        said = [f"IP changed from '{was[0]}' to '{address}'"] if address != was[0] else []
        said += [f"port changed from '{was[1]}' to '{port}'"] if port != was[1] else []
        return f"{', '.join(said)} by 'stats socket command'\n"


def _stat_line(values: Mapping[str, object]) -> str:
    fields = [""] * len(_COLUMNS)
    for name, value in values.items():
        fields[_COLUMNS[name]] = str(value)
    return ",".join(fields)
