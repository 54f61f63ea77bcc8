"""What HAProxy 3.0 prints is quoted here as it was printed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import sockets
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import (
    backend_name,
    parse_map,
    render_backends,
    render_map,
    route_key,
    service_of,
    slot_names,
    slots_for,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket, parse_old_workers
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import Load, Server, parse_load, parse_servers

from tests.unit.fake_haproxy import STATE_HEADER, FakeHAProxy

STATE = f"""1
{STATE_HEADER}
3 shop.api 1 s1 172.18.0.2 2 0 1 1 9 8 2 0 6 0 0 0 shop-api-1 8000 - 0 0 - - 0
3 shop.api 2 s2 172.18.0.3 2 68 1 1 0 1 0 1 6 0 0 0 shop-api-2 8000 - 0 0 - - 0
3 shop.api 3 s3 172.18.0.4 2 76 1 1 0 1 0 1 6 0 0 0 shop-api-3 8000 - 0 0 - - 0
3 shop.api 4 s4 0.0.0.0 0 5 1 1 2 1 0 0 14 0 0 0 - 8000 - 0 0 - - 0
3 shop.api 5 s5 - 0 32 1 1 2 1 0 0 14 0 0 0 shop-api-5 8000 - 0 0 - - 0
3 shop.api 6 s6 172.18.0.6 0 69 1 1 2 1 0 0 14 0 0 0 shop-api-6 8000 - 0 0 - - 0
4 shop.api.tunnels 4 s4 0.0.0.0 0 7 1 1 2 1 0 0 8 0 0 0 - 8000 - 0 0 - - 0

"""


def test_the_servers_are_read_from_the_table_of_their_states() -> None:
    assert parse_servers(STATE) == [
        Server("shop.api", "s1", "172.18.0.2", 0, "shop-api-1", 8000),
        Server("shop.api", "s2", "172.18.0.3", 68, "shop-api-2", 8000),
        Server("shop.api", "s3", "172.18.0.4", 76, "shop-api-3", 8000),
        Server("shop.api", "s4", "0.0.0.0", 5, "", 8000, True),
        Server("shop.api", "s5", "-", 32, "shop-api-5", 8000, True),
        Server("shop.api", "s6", "172.18.0.6", 69, "shop-api-6", 8000, True),
        Server("shop.api.tunnels", "s4", "0.0.0.0", 7, "", 8000, True),
    ]


@pytest.mark.parametrize("table", ["", "1\n", f"1\n{STATE_HEADER}\n\n"], ids=["nothing", "version only", "no servers"])
def test_an_empty_table_has_no_servers(table: str) -> None:
    assert parse_servers(table) == []


ADMIN_STATES = [
    pytest.param(0, True, False, id="0: from the file, ready"),
    pytest.param(64, True, False, id="64: name given at run time"),
    pytest.param(68, True, False, id="68: was disabled in the file, is ready"),
    pytest.param(1, False, True, id="1: maintenance"),
    pytest.param(5, False, True, id="5: disabled in the file"),
    pytest.param(69, False, True, id="69: disabled again"),
    pytest.param(2, False, True, id="2: maintenance of the tracked server"),
    pytest.param(7, False, True, id="7: both disabled in the file"),
    pytest.param(32, False, True, id="32: name not resolved"),
    pytest.param(8, False, False, id="8: drain"),
    pytest.param(76, False, False, id="76: drain of one that was disabled in the file"),
    pytest.param(84, False, False, id="84: drain of the tracked server"),
    pytest.param(92, False, False, id="92: drain of both"),
]


@pytest.mark.parametrize(("admin_state", "admitted", "free"), ADMIN_STATES)
def test_the_admin_state_tells_whether_a_slot_is_admitted_or_free(admin_state: int, admitted: bool, free: bool) -> None:
    server = Server("shop.api", "s1", "172.18.0.2", admin_state, "shop-api-1", 8000)
    assert (server.is_admitted, server.is_free) == (admitted, free)


@pytest.mark.parametrize(
    ("address", "resolved"), [("172.18.0.2", True), ("::1", True), ("0.0.0.0", False), ("-", False), ("", False)]
)
def test_a_server_without_an_address_is_not_resolved(address: str, resolved: bool) -> None:
    assert Server("b", "s", address, 0, "n").is_resolved == resolved


STAT = """# pxname,svname,scur,stot,econ,eresp,status,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,cli_abrt,srv_abrt,
f,FRONTEND,1,3,,,OPEN,0,3,0,0,0,0,,,
shop.api,s1,3,1204,2,5,UP,0,1100,50,40,7,0,4,1,
shop.api,s2,0,0,0,0,MAINT,,,,,,,0,0,
shop.api,BACKEND,3,1204,2,5,UP,0,1100,50,40,9,0,4,1,
shop.api.tunnels,s2,1,1,0,0,MAINT (via shop.api/s2),1,0,0,0,0,0,0,0,

"""


def test_the_load_of_each_server_is_read_from_the_statistics() -> None:
    assert parse_load(STAT) == {
        # One answer broken off, and two requests without any.
        ("shop.api", "s1"): Load(3, 1200, 10, 3),
        ("shop.api", "s2"): Load(0, 0, 0),
        ("shop.api.tunnels", "s2"): Load(1, 1, 0),
    }
    assert parse_load("") == {}


@pytest.mark.parametrize("answer", ["Can't find the target PID matching the prefix '@!16'\n", "Unknown command.\n"])
def test_an_answer_that_is_no_table_has_no_load(answer: str) -> None:
    assert parse_load(answer) == {}


def test_loads_can_be_added() -> None:
    assert Load(1, 20, 2, 4) + Load(2, 30, 3, 5) == Load(3, 50, 5, 9)


PROCESSES = """#<PID>          <type>          <reloads>       <uptime>        <version>      
1               master          3 [failed: 0]   0d00h01m00s     3.0.11-1+deb13u5
# workers
26              worker          0               0d00h00m00s     3.0.11-1+deb13u5
# old workers
16              worker          1               0d00h00m23s     3.0.11-1+deb13u5
9               worker          2               0d00h00m51s     3.0.11-1+deb13u5
# programs
30              spoa            0               0d00h00m51s     -

"""  # noqa: W291, quoted as printed


def test_only_old_workers_are_read_from_the_list_of_processes() -> None:
    assert parse_old_workers(PROCESSES) == [16, 9]
    assert parse_old_workers(PROCESSES.split("# old workers")[0]) == []


def test_the_file_has_both_backends_of_each_service_with_every_slot() -> None:
    text = render_backends("shop", ["web", "api"], 3, {"api": {"s2": ("shop-api-7", 8000)}})
    lines = [line.strip() for line in text.splitlines() if line and not line.startswith("#")]
    backends = {line.split()[1]: line for line in lines if line.startswith("backend ")}
    assert list(backends) == [f"shop.{one}{suffix}" for one in ("api", "web") for suffix in ("", ".tunnels", ".any")]
    servers = [line for line in lines if line.startswith("server ")]
    assert servers[:9] == [
        "server s1 0.0.0.0:1 disabled",
        "server s2 shop-api-7:8000",
        "server s3 0.0.0.0:1 disabled",
        "server s1 0.0.0.0:1 track shop.api/s1 disabled",
        "server s2 shop-api-7:8000 track shop.api/s2",
        "server s3 0.0.0.0:1 track shop.api/s3 disabled",
        "server s1 0.0.0.0:1 disabled",
        "server s2 shop-api-7:8000",
        "server s3 0.0.0.0:1 disabled",
    ]
    assert all(line.endswith("disabled") for line in servers[9:])
    assert len(servers) == 18


def test_the_same_assignments_make_the_same_file() -> None:
    one = render_backends("shop", ["web", "api"], 2, {"api": {"s1": ("a", 1), "s2": ("b", 2)}})
    two = render_backends("shop", {"api", "web"}, 2, {"web": {}, "api": {"s2": ("b", 2), "s1": ("a", 1)}})
    assert one == two


KEYS = [
    pytest.param("", "/", "*/", id="anything"),
    pytest.param("example.com", "/api", "example.com/api/", id="host and path"),
    pytest.param("", "/api/", "*/api/", id="a closing slash is there once"),
]


@pytest.mark.parametrize(("host", "path", "key"), KEYS)
def test_the_key_of_a_route_is_host_and_path(host: str, path: str, key: str) -> None:
    assert route_key(host, path) == key


def test_the_map_has_a_line_for_each_route_whatever_their_order() -> None:
    routes = {"a.example/": "web", "a.example/v1/": "api"}
    text = "a.example/ shop.web\na.example/v1/ shop.api\n"
    assert render_map("shop", routes) == render_map("shop", dict(reversed(routes.items()))) == text
    assert render_map("shop", {}) == ""


def test_the_map_as_haproxy_shows_it_is_read_back() -> None:
    shown = "0x55d0c0a8e0f0 a.example/ shop.web\n0x55d0c0a8e1f0 a.example/v1/ shop.api\n\n"
    assert parse_map(shown) == {"a.example/": "shop.web", "a.example/v1/": "shop.api"}
    assert parse_map("Unknown map identifier. Please use #<id> or <file>.") == {}


@pytest.mark.parametrize("suffix", ["", ".tunnels", ".any"])
def test_a_service_is_found_behind_each_of_its_backends(suffix: str) -> None:
    assert service_of("shop", f"shop.api{suffix}") == "api"


@pytest.mark.parametrize(
    ("replicas", "slots"),
    [(0, 16), (2, 16), (12, 16), (13, 32), (28, 32), (29, 48)],
)
def test_there_are_a_few_slots_more_than_replicas(replicas: int, slots: int) -> None:
    assert slots_for(replicas) == slots
    assert slots_for(replicas) >= replicas + 4


def test_slots_and_backends_have_plain_names() -> None:
    assert (slot_names(2), backend_name("shop", "api")) == (["s1", "s2"], "shop.api")


@pytest.fixture
def haproxy() -> Iterator[FakeHAProxy]:
    # Not tmp_path: the path of a socket may have 107 characters at most.
    with TemporaryDirectory() as directory, FakeHAProxy(Path(directory)) as fake:
        conf = Path(directory) / "conf" / "stacks"
        conf.mkdir(parents=True)
        (conf / "shop.cfg").write_text(render_backends("shop", ["api"], 2, {}))
        fake.load_files()
        yield fake


def test_the_socket_gives_the_whole_answer_of_worker_and_master(haproxy: FakeHAProxy) -> None:
    run = haproxy.root / "run"
    assert len(parse_servers(Socket(str(run / "admin.sock")).ask("show servers state"))) == 6
    assert "# workers" in Socket(str(run / "master.sock")).ask("show proc")


SUCCESSFUL = [
    "set server shop.api/s1 state ready",
    "set server shop.api/s1 fqdn shop-api-1",
    "set server shop.api/s1 addr 172.18.0.2 port 8000",
]


@pytest.mark.parametrize("command", SUCCESSFUL)
def test_a_command_may_be_told_twice(haproxy: FakeHAProxy, command: str) -> None:
    admin = Socket(str(haproxy.root / "run" / "admin.sock"))
    admin.tell(command)
    admin.tell(command)
    assert haproxy.commands == [command] * 2


def test_a_command_that_is_refused_is_an_error_in_the_words_of_haproxy(haproxy: FakeHAProxy) -> None:
    with pytest.raises(EdgeError) as caught:
        Socket(str(haproxy.root / "run" / "admin.sock")).tell("set server shop.api/s9 state ready")
    assert str(caught.value) == (
        "HAProxy refused 'set server shop.api/s9 state ready': No such server. (see its log with: docker logs --tail 30 "
        "edge-haproxy-1)"
    )


def test_a_socket_that_nobody_listens_on_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(sockets, "RESTART_SECONDS", 0.0)
    with TemporaryDirectory() as directory:
        path = f"{directory}/admin.sock"
        with pytest.raises(EdgeError) as caught:
            Socket(path).ask("show info")
        assert str(caught.value) == (
            f"HAProxy does not answer on {path}: [Errno 2] No such file or directory. If the edge does not run "
            "(docker ps --all --filter name=edge), playbooks/provision.yml --tags edge for this inventory brings it back"
        )


def test_a_haproxy_that_has_answered_before_is_waited_for_longer_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with TemporaryDirectory() as directory:
        path = Path(directory) / "run" / "admin.sock"
        path.parent.mkdir()

        def waited() -> float:
            began = now[0]
            with pytest.raises(EdgeError):
                Socket(str(path)).ask("show info")
            return now[0] - began

        assert sockets.PATIENCE_SECONDS <= waited() < sockets.RESTART_SECONDS
        with FakeHAProxy(Path(directory)):
            assert Socket(str(path)).ask("show info")
        path.unlink(missing_ok=True)
        assert waited() >= sockets.RESTART_SECONDS
        assert sockets.PATIENCE_SECONDS <= waited() < sockets.RESTART_SECONDS


@contextmanager
def answering(path: str, answers: Sequence[str]) -> Iterator[list[str]]:
    """Listens on ``path`` and gives one answer a connection, however it is broken off; the commands that it was asked."""
    asked: list[str] = []

    def serve() -> None:
        for answer in answers:
            connection, _ = listening.accept()
            with connection:
                asked.append(connection.recv(4096).decode().strip())
                connection.sendall(answer.encode())

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        listening.settimeout(10)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            thread.join()


@pytest.mark.parametrize("bound", [False, True], ids=["no socket yet", "nobody takes connections"])
def test_a_haproxy_that_starts_anew_or_loads_a_configuration_is_waited_for(monkeypatch: pytest.MonkeyPatch, bound: bool) -> None:
    """The master takes no connection while another stack has it reloaded."""
    with TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as silent, ExitStack() as life:
        path = Path(directory) / "run" / "master.sock"
        path.parent.mkdir()
        if bound:
            silent.bind(str(path))

        def begin(seconds: float) -> None:
            path.unlink(missing_ok=True)
            monkeypatch.undo()
            life.enter_context(FakeHAProxy(Path(directory)))

        monkeypatch.setattr(time, "sleep", begin)
        assert "# workers" in Socket(str(path)).ask("show proc")


BROKEN_OFF = {"no answer": "", "a part of one": "1\n# be_id be_name\n3 shop.a"}


@pytest.mark.parametrize("part", BROKEN_OFF.values(), ids=list(BROKEN_OFF))
def test_a_part_of_an_answer_never_passes_for_all_of_it(part: str) -> None:
    with TemporaryDirectory() as directory, answering(f"{directory}/admin.sock", [part, STATE]) as asked:
        assert len(parse_servers(Socket(f"{directory}/admin.sock").ask("show servers state"))) == len(parse_servers(STATE))
    assert asked == ["show servers state"] * 2


@pytest.mark.parametrize("command", ["reload", "add map /usr/local/etc/haproxy/routes.map x/ shop.api"])
def test_what_may_have_been_done_is_not_done_twice(command: str) -> None:
    with TemporaryDirectory() as directory, answering(f"{directory}/master.sock", [""]) as asked:
        with pytest.raises(EdgeError) as caught:
            Socket(f"{directory}/master.sock").ask(command)
        assert "the answer was broken off. If the edge does not run" in str(caught.value)
    assert asked == [command]


def test_a_route_that_a_new_haproxy_has_not_read_any_more_has_ended() -> None:
    with TemporaryDirectory() as directory, answering(f"{directory}/admin.sock", ["Key not found.\n\n"] * 2):
        Socket(f"{directory}/admin.sock").tell("del map /usr/local/etc/haproxy/routes.map x/")
        with pytest.raises(EdgeError, match="Key not found"):
            Socket(f"{directory}/admin.sock").tell("set map /usr/local/etc/haproxy/routes.map x/ shop.api")


def test_a_haproxy_that_never_answers_is_an_error_and_not_a_wait_for_ever() -> None:
    with TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listening:
        path = f"{directory}/admin.sock"
        listening.bind(path)
        listening.listen()
        with pytest.raises(EdgeError, match="timed out"):
            Socket(path, timeout=0.1).ask("show info")
