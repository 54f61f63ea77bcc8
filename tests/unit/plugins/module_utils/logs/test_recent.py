"""What a host says of its logs: lines of pieces, whose they are, the newest, and none with a secret or an escape sequence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.logs import lines, recent, sources
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

from tests.unit.endings.ran import run
from tests.unit.endings.worlds import World

SECRET = "correct-horse-battery"
AT = "2026-01-01T12:00:0{}.000000000Z"


def piece(second: int, text: str) -> bytes:
    return f"{AT.format(second)} {text}".encode()


def item(identity: str, project: str, service: str, *, ours: bool = True) -> dict[str, Any]:
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": service}
    if ours:
        labels |= {"morpheus.deploy.fingerprint": "f", "morpheus.deploy.release": "1.0.0"}
    return {"Id": identity, "Names": [f"/{project}-{service}-1"], "Labels": labels}


class Api:
    """Containers and what they have logged, by id."""

    def __init__(self, **logs: Any) -> None:
        self.logs_of = logs
        self.items = [
            item("api", "shop", "api"),
            item("job", "shop", "migrate"),
            item("mail", "post", "mail"),
            item("edge", "edge", "haproxy", ours=False),
            item("other", "stranger", "db", ours=False),
            {"Id": "bare", "Names": ["/bare"], "Labels": {}},
        ]
        # A one-off has no fingerprint of its own, and is its stack's by its project.
        del self.items[1]["Labels"]["morpheus.deploy.fingerprint"]
        self.since = 0

    def containers(self, all: bool) -> list[dict[str, Any]]:
        assert all
        return self.items

    def inspect_container(self, identity: str) -> dict[str, Any]:
        return {"Config": {"Env": ["API_KEY=yesterdays-own-key"]}}

    def logs(self, identity: str, *, stream: bool, timestamps: bool, since: int, follow: bool | None = None) -> Iterator[bytes]:
        assert stream
        # As docker-py has it: a stream that nobody told otherwise goes on until the container ends.
        assert follow is False
        assert timestamps
        self.since = since
        found = self.logs_of.get(identity, [])
        if isinstance(found, Exception):
            raise found
        return iter(found)


class Client:
    def __init__(self, **logs: Any) -> None:
        self.api = Api(**logs)


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ([], []),
        ([piece(1, "a\n"), piece(2, "b\n")], [(AT.format(1), "a"), (AT.format(2), "b")]),
        # Of a terminal there are no pieces, but whatever the engine has read.
        ([piece(1, "a\n") + piece(2, "b\r\n")], [(AT.format(1), "a"), (AT.format(2), "b")]),
        ([piece(1, "long "), piece(2, "longer "), piece(3, "end\n")], [(AT.format(1), "long longer end")]),
        ([piece(1, "no end")], [(AT.format(1), "no end")]),
        ([b"no time\n"], [("", "no time")]),
        ([piece(1, "") + b"\xff\n"], [(AT.format(1), "\ufffd")]),
        ([piece(1, "\n")], [(AT.format(1), "")]),
    ],
)
def test_pieces_become_lines_with_the_time_of_their_beginning(pieces: list[bytes], found: list[tuple[str, str]]) -> None:
    assert list(lines.split(pieces)) == found


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    [(_, text)] = lines.split([piece(1, "x" * 200_000)] * 5)
    assert len(text) <= lines.LONGEST


@pytest.mark.parametrize("length", [lines.LONGEST - 1, lines.LONGEST, lines.LONGEST + 1, 10 * lines.LONGEST])
def test_what_comes_after_a_line_that_is_too_long_is_there(length: int) -> None:
    long = [piece(1, "x" * 16_384)] * (length // 16_384) + [piece(1, "x" * (length % 16_384) + "\n")]
    found = list(lines.split([*long, piece(2, "seen\n"), piece(3, "seen\n")]))
    assert found[1:] == [(AT.format(2), "seen"), (AT.format(3), "seen")]
    assert len(found[0][1]) <= lines.LONGEST


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_a_time_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert lines.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "0m", "-1m", "1w", "1.5h", "10 m", "10m\n", "9999999s"])
def test_anything_else_is_none(text: str) -> None:
    assert lines.seconds(text) == 0


@pytest.mark.parametrize(
    ("stack", "services", "found"),
    [
        ("", [], ["edge-haproxy-1", "post-mail-1", "shop-api-1", "shop-migrate-1"]),
        ("shop", [], ["edge-haproxy-1", "shop-api-1", "shop-migrate-1"]),
        ("shop", ["api"], ["shop-api-1"]),
        ("", ["mail", "edge"], ["edge-haproxy-1", "post-mail-1"]),
        ("shop", ["mail"], []),
    ],
)
def test_whose_logs_are_read(stack: str, services: list[str], found: list[str]) -> None:
    assert [one.replica for one in sources.chosen(sources.every(Client()), stack, services)] == found


def test_the_newest_lines_of_all_containers_are_told_in_their_order() -> None:
    client = Client(api=[piece(1, "one\n"), piece(3, "three\n"), piece(3, "four\n")], mail=[piece(2, "two\n")])
    every = sources.every(client)
    found, left_out, unread = recent.read(client, every, 1000.9, "", 3)
    assert [(line["replica"], line["text"]) for line in found] == [
        ("post-mail-1", "two"),
        ("shop-api-1", "three"),
        ("shop-api-1", "four"),
    ]
    assert (left_out, unread, client.api.since) == (1, [], 1000)


def test_of_a_request_only_its_lines_are_counted_and_told() -> None:
    client = Client(api=[piece(1, "a request-1\n"), piece(2, "b\n"), piece(3, "c request-1\n")])
    found, left_out, _ = recent.read(client, sources.every(client), 1, "request-1", 1)
    assert ([line["text"] for line in found], left_out) == (["c request-1"], 1)


def test_a_log_that_cannot_be_read_does_not_keep_the_others_back() -> None:
    client = Client(api=OSError("no such driver"), mail=[piece(1, "here\n")])
    found, _, unread = recent.read(client, sources.every(client), 1, "", 9)
    assert [line["text"] for line in found] == ["here"]
    assert unread == ["shop-api-1: its log cannot be read: no such driver"]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    World(tmp_path, monkeypatch)
    stack = tmp_path / "stacks" / "shop"
    (stack / "secrets").mkdir(parents=True)
    (stack / "secrets" / "api.env").write_text(f'DATABASE_PASSWORD="{SECRET}"\n')
    monkeypatch.setattr(said, "STACKS_ROOT", tmp_path / "stacks")

    def ask(*texts: str, **options: Any) -> dict[str, Any]:
        client = Client(api=[piece(1, f"{text}\n") for text in texts])
        monkeypatch.setattr(engine, "connect", lambda: client)
        result: dict[str, Any] = run("stack_logs", capsys, options)
        return result

    return ask


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        json.dumps({"url": f"postgres://shop:{SECRET}@db/shop"}),
        "y" * 3_990 + SECRET + "z" * 100,
        SECRET[:7] + "\x1b[31m" + SECRET[7:],
        f"two of them {SECRET} {SECRET}",
    ],
)
def test_no_secret_leaves_the_host(asked: Callable[..., dict[str, Any]], text: str) -> None:
    [line] = asked(text)["lines"]
    assert SECRET[:8] not in line["text"]
    assert "***" in line["text"]


def test_nothing_leaves_the_host_that_a_terminal_acts_on(asked: Callable[..., dict[str, Any]]) -> None:
    [line] = asked("\x1b[31mred\x1b[0m \x1b]0;title\x07 \u202ebackwards \x9b2J")["lines"]
    assert line["text"] == "red \\x1b]0;title\\x07 \\u202ebackwards \\x9b2J"


@pytest.mark.parametrize(
    ("options", "said_of_it"),
    [
        ({"since": "soon"}, 'since: "soon" is no time; write 90s, 10m, 2h or 1d'),
        ({"request": "a b"}, "request: an id has 8 to 64 letters, digits, dots, - and _"),
        ({"lines": 0}, "lines: 0 must be at least 1"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    asked: Callable[..., dict[str, Any]], options: dict[str, Any], said_of_it: str
) -> None:
    assert said_of_it in asked(**options)["msg"]
