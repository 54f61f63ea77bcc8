"""Programs that a run starts: how they end, what of their words is shown, and what the one that sends says when it cannot."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.processes import state_and_start
from ansible_collections.morpheus.deploy.plugins.module_utils.words.said import Knowledge
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify import programs

from tests.plays.sinks import Sink, sinks
from tests.unit import certificates

PATIENT = 120.0
# It has ended, and nobody has noticed yet.
GONE = ("", "Z", "X")


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def hook(script: str, seconds: float = PATIENT) -> dict[str, Any]:
    return {"command": ["sh", "-c", script], "timeout_seconds": seconds}


def test_a_program_reads_one_line_and_may_say_what_it_wants(tmp_path: Path) -> None:
    script = f"cat > {tmp_path}/read; echo said; echo complained >&2"
    assert programs.called("after_deploy", hook(script), json.dumps({"verdict": "deployed"}), Knowledge()) == ""
    assert (tmp_path / "read").read_text() == '{"verdict": "deployed"}\n'


def test_one_that_reads_nothing_of_much_ends_well() -> None:
    assert programs.called("after_deploy", hook("true"), "x" * 1_000_000, Knowledge()) == ""


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 3", "the hook tell (sh) ended with exit status 3"),
        ("kill -9 $$", "the hook tell (sh) was ended by signal 9"),
        ("seq 9; echo; exit 1", "the hook tell (sh) ended with exit status 1; it said:\n7\n8\n9"),
        ("printf 'caf\\351'; exit 1", "the hook tell (sh) ended with exit status 1; it said:\ncaf\ufffd"),
    ],
)
def test_a_program_that_fails_is_said_with_the_last_of_its_words(script: str, problem: str) -> None:
    assert programs.called("tell", hook(script), "{}", Knowledge()) == problem


def test_much_that_a_program_says_is_neither_waited_for_nor_shown_whole() -> None:
    problem = programs.called("tell", hook("yes | head -c 3000000; exit 1"), "{}", Knowledge())
    assert problem == "the hook tell (sh) ended with exit status 1; it said 3000000 bytes, at last:\ny\ny\ny"
    assert len(programs.called("tell", hook("head -c 3000000 /dev/zero | tr '\\0' z; exit 1"), "{}", Knowledge())) < 600


def test_what_is_said_without_end_is_kept_on_no_disk_and_ends_with_its_time() -> None:
    program = programs.Program(["yes"], "{}", PATIENT)
    assert str(Path(f"/proc/{program._process.pid}/fd/1").readlink()).startswith("pipe:")
    program.kill()
    assert len(program._kept) <= 65_536
    said = programs.called("tell", hook("exec yes", 0.8), "{}", Knowledge())
    assert re.fullmatch(
        r"the hook tell \(sh\) did not end within 0\.8 s and was stopped; it said \d+ bytes, at last:\ny\ny\ny", said
    )


def test_one_that_closes_its_output_is_waited_for_and_one_that_leaves_somebody_behind_is_not() -> None:
    assert programs.called("tell", hook("exec >&- 2>&-; sleep 0.2; exit 3"), "{}", Knowledge()) == (
        "the hook tell (sh) ended with exit status 3"
    )
    # The one in the background has the program's output, and goes on to speak.
    said = programs.called("tell", hook("yes & echo $! >&2; exit 4"), "{}", Knowledge())
    assert said.startswith("the hook tell (sh) ended with exit status 4; it said")


def test_what_it_says_is_masked_before_it_is_cut() -> None:
    known = Knowledge()
    known.know([("vault_key", "a-canary-of-the-vault")])
    for more in (*range(470, 500, 3), *range(9970, 10_000, 3)):
        script = f"printf 'a-canary-of-the-vault'; head -c {more} /dev/zero | tr '\\0' z; exit 1"
        assert "vault" not in programs.called("tell", hook(script), "{}", known)


def test_one_that_is_not_there_is_said() -> None:
    problem = programs.called("tell", {"command": ["/nosuch/tell"], "timeout_seconds": 1}, "{}", Knowledge())
    assert problem == "the hook tell (/nosuch/tell) could not be run: No such file or directory"


def test_when_its_time_is_over_it_ends_with_all_that_it_has_started(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/child.new; mv {tmp_path}/child.new {tmp_path}/child; sleep 1000"
    program = programs.Program(["sh", "-c", script], "{}", PATIENT)
    wait_until((tmp_path / "child").exists)
    child = int((tmp_path / "child").read_text())
    assert state_and_start(child)[0] not in GONE
    program.kill()
    wait_until(lambda: state_and_start(child)[0] in GONE)
    assert programs.called("tell", hook("sleep 1000", 0.2), "{}", Knowledge()) == (
        "the hook tell (sh) did not end within 0.2 s and was stopped"
    )


def test_a_signal_that_comes_while_the_end_of_a_program_is_waited_for_waits_for_nothing() -> None:
    program = programs.Program(["sleep", "1000"], "{}", PATIENT)

    def interrupted() -> None:
        # The lock is held by whoever waits, as a signal before this one does.
        with program._process._waitpid_lock, programs.ends_with_this_process(program):  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(PATIENT)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert program._process.wait(PATIENT) == -signal.SIGKILL


def mail(sink: Sink, **more: Any) -> dict[str, Any]:
    login = {"username": "deploys", "password": "right"}
    people = {"sender": "deploys@example.com", "recipients": ["team@example.com"], "subject": "caf\u00e9", "text": "well"}
    where = {"server": "localhost", "port": sink.smtp_port, "tls": "starttls", "timeout_seconds": PATIENT}
    return {**where, **login, **people, **more}


def not_sent(given: dict[str, Any]) -> str:
    return programs.not_sent(programs.sender(json.dumps(given), given["timeout_seconds"]))


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a server that is called localhost, whose certificate programs trust."""
    certificate, key = certificates.make(["localhost"])
    (tmp_path / "server.pem").write_text(certificate + key)
    (tmp_path / "trusted.pem").write_text(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    return context


def test_a_login_is_made_after_tls_and_a_wrong_one_is_said(trusted: ssl.SSLContext) -> None:
    with sinks() as sink:
        sink.tls = trusted
        assert not_sent(mail(sink)) == ""
        assert (sink.logins, len(sink.mails)) == (["deploys\0right"], 1)
        assert not_sent(mail(sink, password="wrong")) == "the server refused the login (535)"
        assert len(sink.mails) == 1


def test_no_login_is_told_to_a_server_whose_certificate_nobody_trusts(
    trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with sinks() as sink:
        sink.tls = trusted
        assert not_sent(mail(sink)).startswith("its certificate is not trusted (")
        assert (sink.logins, sink.mails) == ([], [])


def test_no_login_is_told_to_a_server_that_offers_no_tls() -> None:
    with sinks() as sink:
        assert not_sent(mail(sink)) == "the server offers no TLS or no login"
        assert (sink.logins, sink.mails) == ([], [])


def test_an_address_is_in_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    for url in ("http://127.0.0.1:9/canary", "http://nosuch.invalid/canary", "http://[canary/"):
        said = not_sent({"url": url, "token": "", "body": "{}", "timeout_seconds": PATIENT})
        assert said
        assert "canary" not in said
