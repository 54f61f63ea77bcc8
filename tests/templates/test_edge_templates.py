"""The edge role's templates, rendered with its defaults and with what a scenario sets, and read as HAProxy and systemd would."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.filter.core import comment, get_hash
from ansible_collections.morpheus.deploy.plugins.filter.edge_options import edge_options
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.ending import IDLE_SECONDS
from jinja2 import Environment, FileSystemLoader, StrictUndefined

ROLE = Path(__file__).parents[2] / "roles" / "edge"


HOST_ID = "0a1b2c3d"
LOG = {"__edge_log_environment": "staging", "__edge_log_host": "app-1"}


def render(template: str, **variables: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(ROLE / "templates"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"comment": comment, "hash": get_hash}
    known = {name: value for path in ("defaults", "vars") for name, value in _yaml(ROLE / path / "main.yml").items()}
    given = {**known, "ansible_managed": "Managed", "__edge_host_id": HOST_ID, **LOG, **variables}
    options = edge_options({name: value for name, value in given.items() if name.startswith("edge_")})
    assert options["problems"] == []
    return environment.get_template(template).render({**given, "__edge_options": options})


def _yaml(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def sections(text: str) -> dict[str, list[str]]:
    """HAProxy's sections by their first line, each with its settings."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace():
            current.append(line.strip())
        else:
            current = found.setdefault(line.strip(), [])
    return found


CERTIFICATES = {"www.example.com": "/secure/www.pem", "example.com": "/secure/apex.pem"}


def test_without_certificates_the_edge_serves_plain_http_and_redirects_nothing() -> None:
    found = sections(render("haproxy.cfg.j2"))
    assert "frontend https from base" not in found
    http = found["frontend http from base"]
    assert not [line for line in http if "redirect prefix" in line]
    assert "default_backend no_route" in http


def test_with_certificates_http_only_redirects_and_https_routes() -> None:
    found = sections(render("haproxy.cfg.j2", edge_certificate_paths=CERTIFICATES))
    assert found["frontend http from base"] == [
        "bind :8080",
        "http-request redirect prefix https://%[req.hdr(host),host_only] code 308",
    ]
    https = found["frontend https from base"]
    assert https[0] == "bind :8443 ssl crt-list /usr/local/etc/haproxy/certificates.list alpn h2,http/1.1"
    anything, tunnels, streams, requests = [line for line in https if line.startswith("use_backend")]
    assert ".any " in anything
    assert ".tunnels " in tunnels
    assert ".tunnels " in streams
    assert ".tunnels" not in requests


def test_the_certificate_list_names_each_certificate_once_and_ends_with_a_line_break() -> None:
    text = render("certificates.list.j2", edge_certificate_paths=CERTIFICATES)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == [f"/usr/local/etc/haproxy/certs/{name}.pem" for name in CERTIFICATES]
    assert text.endswith("\n")


ACME = {"email": "ops@example.com", "directory": "https://acme.example.com/directory"}


def test_an_authority_is_answered_by_plain_http_before_anything_is_redirected_and_in_maintenance() -> None:
    http = sections(render("haproxy.cfg.j2", edge_acme=ACME))["frontend http from base"]
    wanted = ("return status 200", "redirect")
    answer, redirect = ([number for number, line in enumerate(http) if word in line] for word in wanted)
    assert len(answer) == len(redirect) == 1
    assert answer < redirect
    assert "acl challenge path_reg ^/[.]well-known/acme-challenge/[A-Za-z0-9_-]+$" in http
    assert "challenge" not in render("haproxy.cfg.j2", edge_certificate_paths=CERTIFICATES)


def test_a_balancer_answers_an_authority_itself() -> None:
    upstreams = [{"name": "app-1", "address": "192.0.2.11"}]
    assert "return status 200" in render("haproxy.cfg.j2", edge_acme=ACME, edge_upstreams=upstreams)


def test_with_an_authority_https_is_served_and_its_certificate_comes_after_those_that_are_given() -> None:
    assert "frontend https from base" in sections(render("haproxy.cfg.j2", edge_acme=ACME))
    text = render("certificates.list.j2", edge_certificate_paths=CERTIFICATES, edge_acme=ACME)
    assert text.splitlines()[-1] == "/usr/local/etc/haproxy/certs/acme.pem"
    assert text.count(".pem") == 3


def test_each_trusted_network_has_a_line_of_its_own_because_haproxy_takes_64_words_a_line() -> None:
    trusted = [f"192.0.2.{number}" for number in range(100)]
    found = sections(render("haproxy.cfg.j2", edge_certificate_paths=CERTIFICATES, edge_trusted_proxies=trusted))
    for frontend in ("frontend http from base", "frontend https from base"):
        assert [line for line in found[frontend] if line.startswith("acl trusted src")] == [
            f"acl trusted src {one}" for one in trusted
        ]


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ({}, "https://%[req.hdr(host),host_only]"),
        ({"edge_https_port": 8443}, "https://%[req.hdr(host),host_only]:8443"),
        ({"edge_https_port": 8443, "edge_public_https_port": 443}, "https://%[req.hdr(host),host_only]"),
        ({"edge_public_https_port": 9443}, "https://%[req.hdr(host),host_only]:9443"),
    ],
    ids=["443", "another one", "mapped to 443", "mapped to another one"],
)
@pytest.mark.parametrize("trusted", [[], ["192.0.2.1"]], ids=["nobody", "a TLS end in front"])
def test_a_redirect_leads_to_the_port_that_users_see(trusted: list[str], ports: dict[str, int], expected: str) -> None:
    text = render("haproxy.cfg.j2", edge_certificate_paths=CERTIFICATES, edge_trusted_proxies=trusted, **ports)
    [redirect] = [line for line in sections(text)["frontend http from base"] if "redirect prefix" in line]
    assert redirect.split(" code 308")[0] == f"http-request redirect prefix {expected}"


def test_only_an_edge_without_a_certificate_is_asked_by_this_host_as_a_tls_end_asks_it() -> None:
    own = "bind unix@/run/haproxy/own.sock mode 600 name own"
    assert own in sections(render("haproxy.cfg.j2"))["frontend http from base"]
    assert own not in render("haproxy.cfg.j2", edge_certificate_paths=CERTIFICATES)


def test_a_balancer_verifies_each_upstream_and_routes_nothing_itself() -> None:
    upstreams = [{"name": "app-1", "address": "192.0.2.11"}, {"name": "app-2", "address": "2001:db8::12", "port": 8443}]
    found = sections(
        render(
            "haproxy.cfg.j2", edge_certificate_paths=CERTIFICATES, edge_upstreams=upstreams, edge_upstream_name="www.example.com"
        )
    )
    for name in ("upstreams", "upstreams.any", "checks"):
        backend = found[f"backend {name} from upstreams"]
        assert [line for line in backend if line.startswith("server ")] == [
            "server app-1 192.0.2.11:443",
            "server app-2 [2001:db8::12]:8443",
        ]
    [tls] = [line for line in found["defaults upstreams from base"] if "ssl" in line]
    assert "verify required" in tls
    assert "verifyhost www.example.com" in tls
    assert "default_backend upstreams" in found["frontend https from base"]
    assert "backend no_route from base" not in found


def test_checks_of_a_balancer_are_asked_from_inside_only() -> None:
    found = sections(render("haproxy.cfg.j2", edge_upstreams=[{"name": "app-1", "address": "192.0.2.11"}]))
    assert "bind 127.0.0.1:8404" in found["frontend checks from base"]


def test_a_host_is_kept_off_by_the_map_or_by_the_copy_where_the_map_does_not_say_that_it_is_let_in() -> None:
    checks = sections(render("haproxy.cfg.j2", edge_upstreams=[{"name": "app-1", "address": "192.0.2.11"}]))[
        "frontend checks from base"
    ]
    away, copy = (f"var(txn.upstream),map(/usr/local/etc/haproxy/{name}.map) -m str" for name in ("away", "kept-off"))
    refused = [line for line in checks if "return status 503" in line]
    assert refused == [
        f"http-request return status 503 if {{ {away} on }}",
        f"http-request return status 503 if !is-let-in {{ {copy} on }}",
    ]
    assert f"acl is-let-in {away} off" in checks


def test_a_path_to_check_reaches_an_upstream_as_it_is_written() -> None:
    upstreams = [{"name": "app-1", "address": "192.0.2.11"}]
    backend = sections(render("haproxy.cfg.j2", edge_upstreams=upstreams, edge_upstream_check_path="/a%20b"))
    [request] = [line for line in backend["backend upstreams from upstreams"] if line.startswith("tcp-check send-lf")]
    # In HAProxy's own language a percent sign is written twice.
    assert "GET /a%%20b HTTP/1.1" in request


def maintenance_of(https: list[str]) -> tuple[list[str], int]:
    """The answers in maintenance, page first, and where the next rule stands."""
    answers = [number for number, line in enumerate(https) if line.startswith("http-request return status 503")]
    return [https[number] for number in answers], answers[-1] + 1


def test_in_maintenance_browsers_get_the_page_and_others_json_before_anything_is_routed() -> None:
    https = sections(render("haproxy.cfg.j2", edge_certificate_paths=CERTIFICATES))["frontend https from base"]
    (page, data), end = maintenance_of(https)
    assert " file /usr/local/etc/haproxy/maintenance.html " in page
    assert page.endswith(" if maintenance wants_a_page !exempt")
    assert data.endswith(" if maintenance !exempt")
    for answer in (page, data):
        assert " hdr Retry-After 300 " in answer
        assert " hdr Cache-Control no-store " in answer
    assert not [line for line in https[:end] if line.startswith("use_backend") or "routes.map" in line]


def test_what_is_answered_as_ever_in_maintenance_is_a_path_and_all_below_it() -> None:
    https = sections(render("haproxy.cfg.j2", edge_maintenance_exempt_paths=["/health", "/status/"]))["frontend http from base"]
    assert "acl exempt path,concat(/) -m beg /health/ /status/" in https


def test_when_to_come_back_is_said_alike_in_header_and_body() -> None:
    https = sections(render("haproxy.cfg.j2", edge_maintenance_retry_after_seconds=7))["frontend http from base"]
    (page, data), _ = maintenance_of(https)
    assert "hdr Retry-After 7 " in page
    body = json.loads(data.split("string '")[1].split("'")[0])
    assert body == {"error": "maintenance", "retry_after": 7}


def test_a_balancer_shows_what_its_upstreams_answer_and_needs_no_page() -> None:
    upstreams = [{"name": "app-1", "address": "192.0.2.11"}]
    text = render("haproxy.cfg.j2", edge_certificate_paths=CERTIFICATES, edge_upstreams=upstreams)
    assert "maintenance" not in text


def test_the_page_fits_into_haproxy_and_loads_nothing() -> None:
    page = (ROLE / "files" / "maintenance.html").read_text()
    assert len(page.encode()) < 14 * 1024
    assert not re.findall(r"\b(src|href)\s*=|url\(|@import|https?:", page)


def test_nothing_that_was_sent_is_ever_sent_twice() -> None:
    base = sections(render("haproxy.cfg.j2"))["defaults base"]
    assert [line for line in base if line.startswith("retry-on")] == ["retry-on conn-failure"]
    assert "option idle-close-on-response" in base


def test_reloads_keep_the_listening_sockets_and_let_the_old_process_end_its_requests() -> None:
    found = sections(render("haproxy.cfg.j2", edge_timeout_seconds=30))
    [socket] = [line for line in found["global"] if line.startswith("stats socket")]
    assert socket.endswith("expose-fd listeners")
    [hard_stop] = [line for line in found["global"] if line.startswith("hard-stop-after")]
    [server] = [line for line in found["defaults base"] if line.startswith("timeout server ")]
    assert int(hard_stop.split()[1].rstrip("s")) > int(server.split()[2].rstrip("s"))


def test_the_guard_watches_the_published_ports_and_lets_local_traffic_pass() -> None:
    lines = render("edge-guard.service.j2", edge_http_port=8080, edge_https_port=8443).splitlines()
    rules = [line.partition("EDGE-GUARD ")[2] for line in lines if line.startswith("ExecStart=iptables")]
    assert rules == [
        "-i lo -j RETURN",
        "-i docker+ -j RETURN",
        "-i br-+ -j RETURN",
        "-p tcp -m multiport --dports 8080,8443 -m conntrack --ctstate NEW -j DROP",
    ]


def test_replicas_are_waited_for_a_little_longer_than_the_edge_keeps_an_idle_connection() -> None:
    [seconds] = {int(found) for found in re.findall(r"timeout http-keep-alive (\d+)s", render("haproxy.cfg.j2"))}
    assert seconds < IDLE_SECONDS < seconds + 10
