"""Options of routes that need rules in the stack's own file at the edge, by a real HAProxy and the role's template."""

from __future__ import annotations

import base64
import re
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import users_file

from tests.edge_lab.h2 import H2App
from tests.edge_lab.shop import Answer, Shop, shop
from tests.edge_lab.test_forwarded import SITE, STRANGER, TLS_END
from tests.templates.test_edge_templates import HOST_ID

COOKIE = "edge-sticky"


@pytest.fixture(scope="module")
def web() -> Iterator[Shop]:
    with shop() as found:
        yield found


@pytest.fixture(scope="module")
def three() -> Iterator[Shop]:
    with shop(3) as found:
        yield found


def hash_of(password: str) -> str:
    done = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


ALLOW = {"host": SITE, "paths": ["/admin"], "allow": [STRANGER, "10.8.0.0/16", "2001:db8::/32"]}


@pytest.mark.parametrize(
    ("source", "said", "status"),
    [
        (STRANGER, "", 200),
        ("127.0.0.10", "", 403),
        # Nobody is believed who stands in front of nothing.
        ("127.0.0.10", STRANGER, 403),
        (TLS_END, "", 403),
        (TLS_END, "10.8.1.1", 200),
        (TLS_END, "10.9.1.1", 403),
        (TLS_END, "2001:db8:7::1", 200),
        (TLS_END, "2001:db9::1", 403),
        # What the user said of itself stands before what the TLS end saw.
        (TLS_END, "10.8.1.1, 10.9.1.1", 403),
        (TLS_END, "10.8.1.1, 192.0.2.7", 200),
        (TLS_END, "10.8.1.1, 10.9.1.1, 192.0.2.7", 403),
        (TLS_END, "10.8.1.1, 192.0.2.8, 192.0.2.7", 200),
    ],
)
def test_a_route_lets_in_who_comes_from_where_it_says(web: Shop, source: str, said: str, status: int) -> None:
    web.lead(ALLOW)
    before = web.served()
    headers = {"X-Forwarded-For": said} if said else {}
    answer = web.ask("/admin/users", source, **headers)
    assert answer.status == status
    assert web.served() == before + (status == 200)
    if status == 403:
        assert answer.body == b"This address is not open to where you come from."
    # Another route of the same service is open.
    assert web.ask("/administrator", source, **headers).status == 200


SPELLED = [
    *(
        "/%61dmin",
        "/%61dmin/users",
        "/admi%6E",
        "/adm%69n/",
        "/ADMIN",
        "/Admin/users",
        "/%41DMIN",
        "//admin",
        "/.//admin",
        "/./admin",
    ),
    *("/x/../admin", "/../admin", "/a/b/../../admin/users", "/%2e%2e/admin", "/x/%2E%2e/admin", "/%2e/admin", "/x%2F..%2Fadmin"),
    *(
        "/admin%2Fusers",
        "/admin;x=1",
        "/admin;x=1/users",
        "/;x/admin",
        "/x;y/..;/admin",
        "/x/..%3B/admin",
        "/x\\..\\admin",
        "/%5cadmin",
    ),
    *("/administrator/../admin", "/a/b/c/d/e/../../../../../../../admin", "/admin/open/../users"),
]
NEITHER = ["/%61dministrator", "/Administrator", "/x//admin", "/admins", "/x;/admin", "/open%2Fadmin", "/a.b/..c/.d"]


@pytest.mark.parametrize("guard", [{"allow": [STRANGER]}, {"basic_auth": "staff"}], ids=["allow", "basic_auth"])
def test_whom_a_route_keeps_away_comes_by_no_other_spelling(web: Shop, guard: dict[str, object]) -> None:
    web.users = {"staff": {"anna": hash_of("right one:")}}
    refused = 403 if "allow" in guard else 401
    web.lead({"host": SITE, "paths": ["/admin"], **guard}, {"host": SITE, "paths": ["/admin/open"]})
    assert {path: web.ask(path).status for path in SPELLED} == dict.fromkeys(SPELLED, refused)
    assert {path: web.ask(path).status for path in NEITHER} == dict.fromkeys(NEITHER, 200)
    assert web.ask("/admin/open/x").status == 200
    assert web.ask("/a" * 9 + "/.." * 9).status == 400
    # Whoever may come does so by any spelling, with the path as it was sent.
    headers = {"Authorization": basic("anna", "right one:")}
    assert web.ask("/%61dmin/Users", STRANGER, **headers).status == 200


def test_where_users_come_from_changes_with_the_route(web: Shop) -> None:
    web.lead(ALLOW)
    assert web.ask("/admin", STRANGER).status == 200
    web.lead({**ALLOW, "allow": ["10.0.0.0/8"]})
    assert web.ask("/admin", STRANGER).status == 403
    web.lead({**ALLOW, "allow": []})
    assert web.ask("/admin", STRANGER).status == 200


def test_a_route_asks_for_a_user_and_keeps_the_password_to_itself(web: Shop) -> None:
    web.users = {"staff": {"anna": hash_of("right one:"), "bert": hash_of("other")}, "others": {"carl": hash_of("third")}}
    web.lead({"host": SITE, "paths": ["/inside"], "basic_auth": "staff"}, {"host": SITE, "paths": ["/o"], "basic_auth": "others"})
    before = web.served()
    answer = web.ask("/inside")
    assert (answer.status, answer.body) == (401, b"This address asks for a user and a password.")
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="staff", charset="UTF-8"'
    for user, password in (("anna", "wrong"), ("bert", "right one:"), ("carl", "third"), ("anna", ""), ("nobody", "other")):
        assert web.ask("/inside", Authorization=basic(user, password)).status == 401, (user, password)
    assert web.ask("/inside", Authorization="Bearer other").status == 401
    assert web.served() == before
    answer = web.ask("/inside/x", Authorization=basic("anna", "right one:"))
    assert (answer.status, answer.saw("authorization")) == (200, [])
    assert web.ask("/o", Authorization=basic("carl", "third")).status == 200
    # Where nobody is asked for, the header is the service's.
    assert web.ask("/", Authorization="Bearer x").saw("authorization") == ["Bearer x"]
    status = (web.edge.paths.conf / users_file("test")).stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o400, 99)


def test_a_list_without_users_lets_nobody_in(web: Shop) -> None:
    web.users = {"staff": {}}
    web.lead({"host": SITE, "paths": ["/inside"], "basic_auth": "staff"})
    assert web.ask("/inside", Authorization=basic("anna", "right one:")).status == 401


ODD = """50% of "all" $HOME \\ it's # ${PATH} %[src] {x}"""


def test_headers_are_set_and_taken_away_on_both_ways(web: Shop) -> None:
    asked = {"X-Odd": ODD, "User-Agent": "", "X-Added": "1"}
    told = {"X-Frame-Options": "DENY", "X-Powered-By": "", "X-Odd": ODD}
    web.lead({"host": SITE, "paths": ["/a"], "request_headers": asked, "response_headers": told})
    answer = web.ask("/a", User_Agent="tests", X_Added="from the user")
    assert [answer.saw(name) for name in ("x-odd", "user-agent", "x-added")] == [[ODD], [], ["1"]]
    assert [answer.headers.get_all(name) for name in ("X-Frame-Options", "X-Powered-By", "X-Odd")] == [["DENY"], None, [ODD]]
    answer = web.ask("/b", User_Agent="tests")
    assert (answer.saw("user-agent"), answer.headers["X-Powered-By"], answer.headers["X-Odd"]) == (["tests"], "app/1.0", None)


def test_what_the_edge_answers_itself_has_the_routes_headers_too(web: Shop) -> None:
    web.lead({"host": SITE, "paths": ["/a"], "allow": ["10.0.0.0/8"], "response_headers": {"X-Robots-Tag": "noindex"}})
    answer = web.ask("/a")
    assert (answer.status, answer.headers["X-Robots-Tag"]) == (403, "noindex")


def cookie_of(answer: Answer) -> str:
    found = answer.headers.get_all("Set-Cookie") or []
    assert len(found) == 1, found
    return str(found[0])


def test_a_user_sticks_to_one_replica_and_none_to_one_that_drains(three: Shop) -> None:
    three.lead({"host": SITE, "paths": ["/chat"], "sticky": True})
    for port in three.ports:
        three.tell("ready", port)
    users: dict[str, int] = {}
    for _ in range(30):
        answer = three.ask("/chat")
        cookie = cookie_of(answer).partition(";")[0]
        users[cookie] = answer.said["port"]
    assert set(users.values()) == set(three.ports)

    def ports() -> dict[str, int]:
        answers = {cookie: three.ask("/chat/x", Cookie=f"a=b; {cookie}; c=d") for cookie in users}
        assert not [one for one in answers.values() if one.headers["Set-Cookie"]]
        return {cookie: one.said["port"] for cookie, one in answers.items()}

    assert ports() == users
    drained = three.ports[0]
    three.tell("drain", drained)
    moved = ports()
    assert drained not in moved.values()
    assert {one: port for one, port in users.items() if port != drained} == {
        one: moved[one] for one, port in users.items() if port != drained
    }
    assert ports() == moved
    # A rollout that fails admits it again, and its users are back.
    three.tell("ready", drained)
    assert ports() == users


def test_who_sticks_is_known_by_a_cookie_of_this_host(three: Shop) -> None:
    three.lead({"host": SITE, "paths": ["/chat"], "sticky": True})
    plain, secure = three.ask("/chat"), three.ask("/chat", TLS_END, X_Forwarded_Proto="https")
    assert re.fullmatch(rf"{COOKIE}=[0-9a-f-]{{36}}\.{HOST_ID}; Path=/; HttpOnly; SameSite=Lax", cookie_of(plain))
    assert cookie_of(secure).endswith("; SameSite=Lax; Secure")
    assert three.ask("/elsewhere").headers["Set-Cookie"] is None
    # One of another host keeps its id, so that it comes back to the same replica.
    own = cookie_of(plain).partition("=")[2].partition(".")[0]
    assert cookie_of(three.ask("/chat", Cookie=f"{COOKIE}={own}.ffffffff")).startswith(f"{COOKIE}={own}.{HOST_ID};")
    for odd in ("", "x", f"{own}{own}.{HOST_ID}"):
        found = cookie_of(three.ask("/chat", Cookie=f"{COOKIE}={odd}"))
        assert re.match(rf"{COOKIE}=[0-9a-f-]{{36}}\.{HOST_ID};", found), odd
        assert own not in found


def test_texts_are_compressed_for_those_who_take_it(web: Shop) -> None:
    web.lead({"host": SITE, "paths": ["/a"], "compression": True})
    plain = web.ask("/a", Accept_Encoding="identity")
    packed = web.ask("/a", Accept_Encoding="gzip, br")
    assert (plain.headers["Content-Encoding"], packed.headers["Content-Encoding"]) == (None, "gzip")
    assert len(packed.body) < len(plain.body) / 4
    assert web.ask("/a/image", Accept_Encoding="gzip").headers["Content-Encoding"] is None
    web.lead()
    web.lead()
    assert web.ask("/a", Accept_Encoding="gzip").headers["Content-Encoding"] is None


@pytest.fixture
def grpc(web: Shop) -> Iterator[tuple[Shop, H2App]]:
    app = H2App(web.edge.inside.submit(socket.create_server, ("127.0.0.1", 0)).result())
    threading.Thread(target=app.serve, daemon=True).start()
    before, web.ports = web.ports, [app.port]
    yield web, app
    web.ports = before
    web.lead()
    web.lead()
    app.listener.shutdown(socket.SHUT_RDWR)
    app.listener.close()


def test_an_application_that_speaks_http_2_only_is_reached_and_its_trailers_arrive(grpc: tuple[Shop, H2App]) -> None:
    shop, app = grpc
    shop.lead({"host": SITE, "paths": ["/greet.Greeter"]}, protocol="h2")
    words = ["--http2-prior-knowledge", "--data-binary", "x", "-H", "TE: trailers", "-H", "Content-Type: application/grpc"]
    url = "http://127.0.0.1:8080/greet.Greeter/Hello"
    done = shop.edge.inside.submit(
        subprocess.run, ["curl", "-sv", "-H", f"Host: {SITE}", *words, url], capture_output=True
    ).result()
    assert (done.returncode, done.stdout) == (0, b"\0\0\0\0\2hi"), done.stderr.decode()
    assert b"grpc-status: 0" in done.stderr, done.stderr.decode()
    assert (app.streams, app.refused) == (1, [])
