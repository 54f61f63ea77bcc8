"""Another certificate, and answers to an authority, against a fake HAProxy on real sockets and real files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.certificate import EdgeCertificate
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.challenges import Challenges
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths

from tests.unit.fake_haproxy import FakeHAProxy

NAME = "/usr/local/etc/haproxy/certs/acme.pem"
OLD = "-----BEGIN CERTIFICATE-----\nold\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\n"
NEW = OLD.replace("old", "new")


class HAProxy(FakeHAProxy):
    """Answers as version 3.0 does. ``refuses``: what it says of a certificate that it does not take."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.known = {NAME}
        self.refuses = {"set": "", "commit": ""}
        self.given: list[str] = []

    def _admin(self, command: str) -> str:
        verb, _, _, name, *_ = command.split()
        self.commands.append(f"{verb} {name}")
        if verb == "abort":
            return f"Transaction aborted for certificate '{name}'!\n"
        if name not in self.known:
            return "Can't replace a certificate which is not referenced by the configuration!\n"
        if self.refuses[verb]:
            return f"{self.refuses[verb]}\n"
        if verb == "commit":
            return f"Committing {name}\nSuccess!\n"
        self.given.append(command.partition("<<\n")[2])
        return f"Transaction created for certificate {name}!\n"


@pytest.fixture
def paths() -> Iterator[EdgePaths]:
    # Not below pytest's own directory: a socket's path must be short.
    with TemporaryDirectory(dir="/tmp") as directory:
        found = EdgePaths(Path(directory))
        (found.conf / "certs").mkdir(parents=True)
        found.settings.write_text(f'{{"image": "haproxy:3.0", "user": "{os.getuid()}:{os.getgid()}"}}\n')
        (found.conf / "certs" / "acme.pem").write_text(OLD)
        yield found


@pytest.fixture
def haproxy(paths: EdgePaths) -> Iterator[HAProxy]:
    fake = HAProxy(paths.root)
    with fake:
        yield fake


@pytest.fixture
def one(paths: EdgePaths, haproxy: HAProxy) -> EdgeCertificate:
    return EdgeCertificate(paths, "acme")


def test_haproxy_has_it_before_the_file_says_so_and_nothing_is_reloaded(one: EdgeCertificate, haproxy: HAProxy) -> None:
    seen: list[str] = []
    haproxy.on_command = lambda command: seen.append(one.path.read_text())
    assert one.serve(NEW)
    assert haproxy.commands == [f"set {NAME}", f"commit {NAME}"]
    assert haproxy.given == [NEW.strip()]
    assert seen == [OLD, OLD]
    assert one.path.read_text() == NEW
    assert one.path.stat().st_mode & 0o777 == 0o400
    assert haproxy.reloads == 0


def test_an_empty_line_would_end_it_and_is_left_out(one: EdgeCertificate, haproxy: HAProxy) -> None:
    one.serve(NEW.replace("-----BEGIN PRIVATE", "\n\n-----BEGIN PRIVATE"))
    assert haproxy.given == [NEW.strip()]


def test_what_is_served_already_is_told_to_nobody(one: EdgeCertificate, haproxy: HAProxy) -> None:
    assert not one.serve(OLD)
    assert haproxy.commands == []


@pytest.mark.parametrize("verb", ["set", "commit"])
def test_one_that_haproxy_does_not_take_leaves_the_one_before(one: EdgeCertificate, haproxy: HAProxy, verb: str) -> None:
    haproxy.refuses[verb] = "Can't update the certificate!\nThe key does not match."
    with pytest.raises(EdgeError, match=r"goes on with the one before: Can't update the certificate! The key does not match\."):
        one.serve(NEW)
    assert haproxy.commands[-1] == f"abort {NAME}"
    assert one.path.read_text() == OLD


def test_an_edge_that_makes_no_room_for_it_is_to_be_provisioned(one: EdgeCertificate, haproxy: HAProxy) -> None:
    haproxy.known.clear()
    with pytest.raises(EdgeError, match=r"serves no certificate acme yet, .* run playbooks/provision\.yml --tags edge"):
        one.serve(NEW)
    assert one.path.read_text() == OLD
    one.path.unlink()
    with pytest.raises(EdgeError, match="serves no certificate acme yet"):
        one.differs(NEW)


def test_what_is_read_of_it_has_no_key(one: EdgeCertificate) -> None:
    one.path.write_text(OLD.replace("-----BEGIN PRIVATE", NEW.partition("-----BEGIN PR")[0] + "-----BEGIN PRIVATE"))
    assert one.chain().count("BEGIN CERTIFICATE") == 2
    assert "PRIVATE" not in one.chain()
    one.path.unlink()
    assert one.chain() == ""


def test_an_edge_without_challenges_is_to_be_provisioned(paths: EdgePaths) -> None:
    with pytest.raises(EdgeError, match=r"answers no challenges yet, .* run playbooks/provision\.yml --tags edge"):
        Challenges(paths, "www.example.com").switch("thumbprint")
