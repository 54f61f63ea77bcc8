"""Proofs with staging's address and tokens: against the stand-in, and against a real Postgres that lets some addresses in."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import greeting
from ansible_collections.morpheus.deploy.plugins.modules import supabase_isolation_info

from tests import postgres
from tests.supabase.standin import PRODUCTION, STAGING, STAGING_TOKEN, WIDE_TOKEN, StandIn, keys
from tests.unit.module_run import run_module


@contextmanager
def letting_in(network: str) -> Iterator[int]:
    """The port of a Postgres that refuses all other addresses, as network restrictions do."""
    # Where the server's user may read it.
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as hba:
        hba.write(f"host all all {network} scram-sha-256\n")
        hba.flush()
        Path(hba.name).chmod(0o644)
        with postgres.server("postgres", "listen_addresses=127.0.0.1", f"hba_file={hba.name}") as port:
            yield port


@pytest.fixture(scope="module")
def ours() -> Iterator[int]:
    with letting_in("127.0.0.1/32") as port:
        yield port


@pytest.fixture(scope="module")
def theirs() -> Iterator[int]:
    with letting_in("192.0.2.0/24") as port:
        yield port


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Takes a connection's first words and says the same to all of them."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            stream, _ = server.accept()
            with stream:
                stream.recv(100)
                stream.sendall(b"N")
                stream.recv(1000)
                stream.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def error(message: str) -> bytes:
    fields = f"SFATAL\0CXX000\0M{message}\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def test_postgres_asks_an_address_that_it_lets_in_and_refuses_another(ours: int, theirs: int) -> None:
    well = greeting.greet("127.0.0.1", ours, "postgres", 10)
    assert (well.outcome, well.detail) == (greeting.ASKED, "it asks for a password")
    refused = greeting.greet("127.0.0.1", theirs, "postgres", 10)
    assert refused.outcome == greeting.REFUSED
    assert "no pg_hba.conf entry for host" in refused.detail


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (error("Address not in tenant allow_list: {192, 0, 2, 1}"), greeting.REFUSED),
        (error("Tenant or user not found"), greeting.UNKNOWN),
        (error("the database system is starting up"), greeting.UNKNOWN),
        (b"", greeting.REFUSED),
        (b"R\0\0\0\x08\0\0\0\x05", greeting.ASKED),
        (b"HTTP/1.1 400 Bad Request\r\n", greeting.UNKNOWN),
    ],
    ids=["the pooler's word", "wrong user", "starting", "closed", "password", "no Postgres"],
)
def test_what_a_database_says_tells_whether_it_is_the_address(answer: bytes, outcome: str) -> None:
    with answering(answer) as port:
        assert greeting.greet("127.0.0.1", port, "postgres", 10).outcome == outcome


def test_a_port_where_nobody_listens_refuses_and_a_name_that_nobody_knows_tells_nothing() -> None:
    assert greeting.greet("127.0.0.1", postgres.free_port(), "postgres", 10).outcome == greeting.REFUSED
    assert greeting.greet("no-such-name.invalid", 5432, "postgres", 10).outcome == greeting.UNKNOWN


def proofs(
    supabase: StandIn, capsys: pytest.CaptureFixture[str], ours: int, theirs: int, **more: Any
) -> dict[tuple[str, str], str]:
    own, other = (
        {"name": name, "project_ref": ref, "url": supabase.project_url(ref), "databases": [{"host": "127.0.0.1", "port": port}]}
        for name, ref, port in (("", STAGING, ours), ("production", PRODUCTION, theirs))
    )
    given = {"own": own, "others": [other], "token": STAGING_TOKEN, "api_keys": keys(STAGING), "api_url": supabase.url, **more}
    result = run_module(supabase_isolation_info, capsys, given)
    assert result["changed"] is False
    return {(one["project"], one["subject"]): one["outcome"] for one in result["proofs"]}


SUBJECTS = ["the Management API's token", "the key anon", "the key service_role", "the address of this host"]


def test_stagings_address_and_every_token_are_refused_by_production(
    supabase: StandIn, capsys: pytest.CaptureFixture[str], ours: int, theirs: int
) -> None:
    found = proofs(supabase, capsys, ours, theirs)
    assert found == {
        (name, subject): word for name, word in (("", "accepted"), ("production", "refused")) for subject in SUBJECTS
    }


def test_a_token_that_production_accepts_is_seen(
    supabase: StandIn, capsys: pytest.CaptureFixture[str], ours: int, theirs: int
) -> None:
    found = proofs(supabase, capsys, ours, theirs, token=WIDE_TOKEN, api_keys=keys(PRODUCTION))
    assert found["production", "the Management API's token"] == "accepted"
    assert found["production", "the key anon"] == "accepted"
    assert found["", "the key anon"] == "refused"
