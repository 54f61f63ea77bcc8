"""What is refused of edge_acme, and which names a certificate is for."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.acme_options import acme_options
from ansible_collections.morpheus.deploy.plugins.filter.stack_config import stack_config
from ansible_collections.morpheus.deploy.plugins.filter.stack_configs import stack_configs

from tests.unit import certificates

KEY = certificates.make(["www.example.com"])[1]
GOOD: dict[str, Any] = {"email": "ops@example.com", "directory": "https://acme.example.com/directory"}


def stack(*hosts: str) -> dict[str, Any]:
    return {"name": "shop", "services": [{"name": "web", "routes": [{"host": host} for host in hosts] + [{"paths": ["/"]}]}]}


SHOP = stack("www.example.com", "Shop.Example.com.", "www.example.com")


def problems(*, stacks: Any = None, sites: Any = (), key: Any = KEY, **more: Any) -> list[str]:
    found: list[str] = acme_options({**GOOD, **more}, [SHOP] if stacks is None else stacks, list(sites), key)["problems"]
    return found


def test_the_least_that_must_be_said_is_enough() -> None:
    found = acme_options(GOOD, [SHOP], [], KEY)
    assert found.pop("thumbprint")
    assert found == {
        **GOOD,
        "problems": [],
        "names": ["www.example.com", "shop.example.com"],
        "challenge": "http-01",
        "dns_hook": [],
        "renew_days": 30,
        "ca_path": "",
    }


def test_nothing_is_asked_for_where_nothing_is_said() -> None:
    assert acme_options({}, [SHOP], [], None) == {"problems": [], "names": []}


def test_names_are_those_of_all_stacks_but_for_sites_with_a_certificate_of_their_own() -> None:
    found = acme_options(GOOD, [SHOP, stack("admin.example.com")], ["shop.example.com"], KEY)
    assert found["names"] == ["www.example.com", "admin.example.com"]


def test_names_that_are_given_stand_in_the_place_of_the_routes() -> None:
    assert acme_options({**GOOD, "names": ["SHOP.example.com"]}, [SHOP], [], KEY)["names"] == ["shop.example.com"]


def test_a_wildcard_serves_its_names_and_is_given_by_dns_only() -> None:
    by_dns = {"challenge": "dns-01", "dns_hook": ["/usr/local/bin/txt"]}
    wild = [stack("*.example.com")]
    assert problems(stacks=wild, names=["a.example.com"]) == []
    assert problems(stacks=wild, **by_dns) == []
    assert "is the host of no route" in problems(stacks=wild, names=["a.b.example.com"])[0]


SUCH = "such as https://acme-v02.api.letsencrypt.org/directory"
UNROUTED = (
    "is the host of no route, so nobody is served by it (routes: www.example.com, shop.example.com); correct it, or give it a "
    "route"
)
NO_NAME = "is not a DNS name that an authority can look up, such as www.example.com"
# What somebody wrote, beside what is well, and what is said of it.
REFUSED = [
    pytest.param(
        {"email": ""}, 'edge_acme.email: "" is not an address, such as ops@example.com; the authority warns there', id="no email"
    ),
    pytest.param(
        {"email": "a@b.example, c@d.example"},
        'edge_acme.email: "a@b.example, c@d.example" is not an address, such as ops@example.com; the authority warns there',
        id="two addresses for email",
    ),
    pytest.param(
        {"directory": ""},
        f'edge_acme.directory: "" is not an https URL; give the authority\'s directory, {SUCH}',
        id="no directory of an authority",
    ),
    pytest.param(
        {"directory": "http://acme.example.com"},
        f'edge_acme.directory: "http://acme.example.com" is not an https URL; give the authority\'s directory, {SUCH}',
        id="a directory by plain http",
    ),
    pytest.param(
        {"directory": "https://"},
        f'edge_acme.directory: "https://" is not an https URL; give the authority\'s directory, {SUCH}',
        id="a directory without a host",
    ),
    pytest.param(
        {"challenge": "tls-alpn-01"},
        'edge_acme.challenge: "tls-alpn-01" is not one of http-01, dns-01',
        id="a challenge that the edge does not answer",
    ),
    pytest.param(
        {"challenge": "dns-01"},
        "edge_acme.dns_hook: required, because edge_acme.challenge is dns-01; give the program that sets a TXT record, with its "
        "arguments",
        id="dns-01 without a program",
    ),
    pytest.param(
        {"dns_hook": ["/bin/txt"]},
        "edge_acme.dns_hook: only dns-01 calls it; say edge_acme.challenge: dns-01",
        id="a program that nobody calls",
    ),
    pytest.param({"renew_days": 0}, "edge_acme.renew_days: 0 is not from 1 to 60", id="no days to renew in"),
    pytest.param({"renew_days": 80}, "edge_acme.renew_days: 80 is not from 1 to 60", id="too many days to renew in"),
    pytest.param(
        {"ca_path": "/nowhere/ca.pem"},
        "edge_acme.ca_path: there is no file /nowhere/ca.pem on the controller",
        id="an authority's file that is not there",
    ),
    pytest.param(
        {"names": ["other.example.com"]},
        f'edge_acme.names[0]: "other.example.com" {UNROUTED}',
        id="a name that no route has",
    ),
    pytest.param(
        {"names": ["www_example.com"]}, f'edge_acme.names[0]: "www_example.com" {NO_NAME}', id="a name with an underscore"
    ),
    pytest.param(
        {"names": ["www.example.com", "localhost"]}, f'edge_acme.names[1]: "localhost" {NO_NAME}', id="a name without a dot"
    ),
    pytest.param({"names": ["10.0.0.1"]}, f'edge_acme.names[0]: "10.0.0.1" {NO_NAME}', id="an address for a name"),
    pytest.param(
        {"names": ["https://www.example.com"]}, f'edge_acme.names[0]: "https://www.example.com" {NO_NAME}', id="a URL for a name"
    ),
    pytest.param(
        {"names": ["bücher.example.com"]},
        'edge_acme.names[0]: "bücher.example.com" has letters that DNS does not know; write it as users\' browsers '
        "send it (xn--...)",
        id="a name with an umlaut",
    ),
    pytest.param(
        {"stacks": [stack("*.example.com")]},
        'edge_acme.names (from the routes): "*.example.com" is a wildcard, which authorities give for edge_acme.challenge: '
        "dns-01 only",
        id="a wildcard by http-01",
    ),
    pytest.param(
        {"stacks": [stack()]},
        "edge_acme.names: no route names a host, so nobody knows for what the certificate is to be; list the names",
        id="no host in any route",
    ),
    pytest.param(
        {"sites": ["acme"]},
        "edge_certificate_paths.acme: is the name of the certificate that edge_acme brings; give yours another one",
        id="a certificate called acme",
    ),
    pytest.param(
        {"key": ""},
        "certificates_account_key: required; make one with openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256, put "
        "it into the environment's vault, and take it from there",
        id="no key of the account",
    ),
    pytest.param(
        {"key": "canary-of-a-key"},
        "certificates_account_key: is not a private key in PEM without a passphrase, of RSA or on the curve P-256, P-384 or "
        "P-521",
        id="a key of the account that is none",
    ),
    pytest.param({"mail": "x"}, 'edge_acme.mail: unknown key; did you mean "email"?', id="a misspelled option of edge_acme"),
    pytest.param(
        {"names": "www.example.com"}, "edge_acme.names: must be a list, not a string", id="names of edge_acme that are no list"
    ),
]


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_what_cannot_work_is_refused_with_path_and_value(given: dict[str, Any], said: str) -> None:
    assert problems(**given) == [said]
    assert "canary" not in said


def test_all_problems_come_at_once() -> None:
    found = problems(email="", directory="ftp://x", names=["other.example.com", "a b"], key="")
    assert [one.partition(":")[0] for one in found] == [
        "edge_acme.email",
        "edge_acme.directory",
        "edge_acme.names[0]",
        "edge_acme.names[1]",
        "certificates_account_key",
    ]


def test_a_mapping_that_is_none_is_one_problem() -> None:
    assert acme_options("yes", [SHOP], [], KEY)["problems"] == ["edge_acme: must be a mapping, not a string"]


def test_without_the_client_it_is_said_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    [problem] = problems()
    assert "ansible-galaxy collection install community.crypto" in problem


def test_a_check_of_a_stack_says_it_with_everything_else() -> None:
    given = {"stack": stack("www.example.com"), "edge_acme": {**GOOD, "email": ""}, "certificates_account_key": KEY}
    found = stack_config(given)["problems"]
    assert 'edge_acme.email: "" is not an address, such as ops@example.com; the authority warns there' in found
    assert [problem for problem in found if problem.startswith("stack_environment: required")]


def test_a_stack_of_several_does_not_refuse_the_names_of_the_others() -> None:
    given = {"edge_acme": GOOD, "certificates_account_key": KEY, "stack": stack("www.example.com")}
    others = {"shop": stack("www.example.com"), "blog": stack("blog.example.com")}
    wanted = {**GOOD, "names": ["blog.example.com"]}
    assert not [one for one in stack_config({**given, "edge_acme": wanted, "stacks": others})["problems"] if "edge_acme" in one]
    found = stack_configs({**given, "edge_acme": {**wanted, "email": ""}}, others, ["shop", "blog"])["problems"]
    assert [one.partition(":")[0] for one in found if "edge_acme" in one] == ["edge_acme.email"]
