from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import sockets
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.sockets import Listener, parse, published

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = HEAD + (
    "   0: 0100007F:20D5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n"
    "   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n"
    "   2: 0B014D0A:0016 0101A8C0:D431 01 00000000:00000000 02:000A7214 00000000     0        0 4713 2 0 20 4 30 10 -1\n"
)
TCP6 = HEAD + (
    "   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000"
    "     0        0 4714 1 0 100 0 0 10 0\n"
    "   1: 00000000000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000"
    "     0        0 4715 1 0 100 0 0 10 0\n"
)
UDP = HEAD + (
    "  5: 010011AC:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4716 2 0 0\n"
    "  6: 010011AC:9C40 08080808:0035 01 00000000:00000000 00:00000000 00000000     0        0 4717 2 0 0\n"
)


@pytest.mark.skipif(os.sys.byteorder != "little", reason="the tables are of a little-endian machine")  # type: ignore[attr-defined]
@pytest.mark.parametrize(
    ("table", "text", "found"),
    [
        ("tcp", TCP, [Listener("tcp", "127.0.0.1", 8405, "4711"), Listener("tcp", "0.0.0.0", 22, "4712")]),
        ("tcp6", TCP6, [Listener("tcp", "::", 443, "4714"), Listener("tcp", "::1", 443, "4715")]),
        ("udp", UDP, [Listener("udp", "172.17.0.1", 53, "4716")]),
        ("tcp", HEAD, []),
    ],
    ids=["tcp", "tcp6", "udp", "nothing"],
)
def test_the_kernels_tables_say_what_waits_for_anybody(table: str, text: str, found: list[Listener]) -> None:
    assert parse(table, text) == found


def test_a_socket_of_this_process_is_found_with_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        [own] = [one for one in sockets.listeners() if (one.address, one.port) == ("127.0.0.1", port)]
        assert sockets.owners()[own.inode] == os.getpid()
    assert sockets.name(os.getpid())


@pytest.mark.parametrize(
    ("text", "container"),
    [
        ("0::/docker/" + "ab" * 32 + "\n", "ab" * 32),
        ("0::/system.slice/docker-" + "cd" * 32 + ".scope\n", "cd" * 32),
        ("0::/system.slice/ssh.service\n", ""),
    ],
)
def test_a_process_tells_the_container_that_it_is_in(tmp_path: Path, text: str, container: str) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(text)
    assert sockets.container(7, tmp_path) == container
    assert sockets.container(8, tmp_path) == ""


def test_published_ports_are_read_from_the_bindings() -> None:
    bindings = {
        "8443/tcp": [{"HostIp": "", "HostPort": "443"}],
        "53/udp": [{"HostIp": "10.0.0.5", "HostPort": "53"}],
        "9000/tcp": None,
        "9001/tcp": [{"HostIp": "", "HostPort": ""}],
    }
    assert published(bindings) == [("tcp", "", 443), ("udp", "10.0.0.5", 53)]
