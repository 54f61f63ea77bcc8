"""The modules of a rotation as Ansible runs them: an API on 127.0.0.1, secrets below a temporary directory, no database."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.modules import key_probe, postgres_login, rotation, stack_secret

from tests.unit.module_run import run_module

STATUS = {"Bearer canary-good": 200, "Bearer canary-bad": 401, "Bearer canary-none": 403, "Bearer canary-broken": 500}


class Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(STATUS[self.headers["Authorization"]])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as found:
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}/me"
        found.shutdown()


def run(module: Any, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    return run_module(module, capsys, options)


@pytest.mark.parametrize(
    ("key", "state", "accepted"),
    [
        ("good", "accepted", True),
        ("bad", "refused", False),
        ("none", "refused", False),
        ("good", "told", True),
        ("bad", "told", False),
    ],
)
def test_an_answer_as_it_should_be_is_returned(
    capsys: pytest.CaptureFixture[str], api: str, key: str, state: str, accepted: bool
) -> None:
    result = run(key_probe, capsys, url=api, key=f"canary-{key}", state=state, wait_seconds=0)
    assert (result["accepted"], result["status"]) == (accepted, STATUS[f"Bearer canary-{key}"])


@pytest.mark.parametrize(
    ("key", "state", "words"),
    [
        ("good", "refused", "should refuse the old key, and answered with status 200"),
        ("bad", "accepted", "should accept the old key, and answered with status 401"),
        ("broken", "accepted", "should accept the old key, and answered with status 500"),
        ("broken", "refused", "should refuse the old key, and answered with status 500"),
        ("broken", "told", "should tell whether it accepts the old key, and answered with status 500"),
    ],
)
def test_another_answer_fails_and_says_what_it_was(
    capsys: pytest.CaptureFixture[str], api: str, key: str, state: str, words: str
) -> None:
    result = run(key_probe, capsys, url=api, key=f"canary-{key}", state=state, wait_seconds=0, name="the old key")
    assert result["msg"] == f"{api} {words}, for 0 s"


def test_a_password_is_tried_as_basic_authentication_sends_it(capsys: pytest.CaptureFixture[str], api: str) -> None:
    STATUS["Basic " + base64.b64encode(b"deploy:canary-{secret}").decode()] = 200
    options = {"url": api, "value": "Basic {basic}", "username": "deploy", "wait_seconds": 0}
    # A password may look like the place of one.
    assert run(key_probe, capsys, key="canary-{secret}", **options)["accepted"]
    assert run(key_probe, capsys, key="canary-wrong", state="refused", **options)["accepted"] is False


def test_silence_is_no_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(key_probe, capsys, url="http://127.0.0.1:9/me", key="canary-x", state="refused", wait_seconds=0)
    assert result["msg"] == "http://127.0.0.1:9/me should refuse the key, and gave no answer, for 0 s"


def test_a_key_that_no_header_can_carry_is_not_shown(capsys: pytest.CaptureFixture[str], api: str) -> None:
    assert "gave no answer" in run(key_probe, capsys, url=api, key="canary\nx", wait_seconds=0)["msg"]


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    found = Releases("shop", tmp_path)
    found.write_secrets({"api.env": 'A="1"\nKEY="canary-old"\n', "ml.env": 'KEY="canary-old"\n', "token": "canary-old"})
    (found.secrets / "token").chmod(0o400)
    return found


def test_only_the_named_secrets_change(releases: Releases) -> None:
    names = ["api.KEY", "ml.KEY", "files.token"]
    assert stack_secret.give(releases, names, 'n"$w', check_mode=True) == ["api.env", "ml.env", "token"]
    assert (releases.secrets / "token").read_text() == "canary-old"
    assert stack_secret.give(releases, names, 'n"$w', check_mode=False) == ["api.env", "ml.env", "token"]
    assert (releases.secrets / "api.env").read_text() == 'A="1"\nKEY="n\\"$$w"\n'
    assert (releases.secrets / "ml.env").read_text() == 'KEY="n\\"$$w"\n'
    assert (releases.secrets / "token").read_text() == 'n"$w'
    assert (releases.secrets / "token").stat().st_mode & 0o777 == 0o400
    assert stack_secret.give(releases, names, 'n"$w', check_mode=False) == []


def test_secrets_that_are_not_there_are_all_named_and_nothing_is_written(releases: Releases) -> None:
    with pytest.raises(DeployError) as caught:
        stack_secret.give(releases, ["api.KEY", "api.NONE", "none.KEY", "files.none"], "new", check_mode=False)
    assert str(caught.value) == (
        "this host has no api.NONE, none.KEY, files.none; deploy the live release first, which brings its secrets"
    )
    assert "canary-old" in (releases.secrets / "api.env").read_text()


def test_two_variables_of_one_file_change_together(releases: Releases) -> None:
    assert stack_secret.give(releases, ["api.A", "api.KEY"], "new", check_mode=False) == ["api.env"]
    assert (releases.secrets / "api.env").read_text() == 'A="new"\nKEY="new"\n'


def test_a_host_without_the_driver_is_told_what_installs_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_login, "psycopg2", None)
    result = run(
        postgres_login,
        capsys,
        url="postgresql://a:canary@db/x",
        admin_url="postgresql://b:canary@db/x",
        environment="staging",
        token=7,
    )
    assert str(missing_library("psycopg2")) in result["msg"]


def test_the_controllers_part_says_where_it_happens(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(rotation, capsys, name="x", rotations=[], vault="/v", environment="staging")
    assert result["msg"] == "rotation happens on the controller, in its action plugin of the same name"
