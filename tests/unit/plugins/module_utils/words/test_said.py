"""What a module says leaves its host without secrets, however the module ends and wherever they stand in what it says."""

from __future__ import annotations

import base64
import importlib
import io
import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from http.client import BadStatusLine
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import flow, server
from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import answers, compose_command, one_offs
from ansible_collections.morpheus.deploy.plugins.module_utils.health import dependencies, gate, http, seen
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import removal
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import client, greeting
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words

ROOT = Path(__file__).parents[5]
VALUE = 's3ntinel-"quoted"/ünd $HOME\'s+more'
URL = f"postgresql://app:{quote(VALUE, safe='')}@db.example/app"
ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": json.dumps,
    "URL": lambda value: quote(value, safe=""),
    "base64": lambda value: base64.b64encode(b"x" + value.encode() + b"yz").decode(),
    "hexadecimal": lambda value: value.encode().hex(),
    "Python": repr,
}
MARK = "s3ntinel"


def is_shown(text: str) -> bool:
    raw = MARK.encode()
    shifted = [base64.b64encode(b" " * shift + raw).decode()[4:-4] for shift in range(3)]
    return any(one in text for one in (MARK, raw.hex(), *shifted))


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host that has the secrets of one stack."""
    monkeypatch.setattr(said, "STACKS_ROOT", tmp_path)
    secrets = tmp_path / "shop" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "api.env").write_text(dotenv.render({"API_KEY": VALUE, "DATABASE_URL": URL, "DEBUG": "true", "STACK": "shop"}))
    (secrets / "tls_key").write_text("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----\n")
    return secrets


def ended(body: Callable[[AnsibleModule], None], capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[str, str]:
    """Output and errors of a module."""

    @in_words
    def main() -> None:
        specification = {"key": {"type": "str", "no_log": True}, "inner": {"type": "dict", "options": {"url": {"no_log": True}}}}
        module = AnsibleModule(specification)
        said.know_options(module)
        body(module)

    with patch_module_args(options), pytest.raises(SystemExit):
        main()
    return capsys.readouterr()


def fails(error: BaseException) -> Callable[[AnsibleModule], None]:
    def body(module: AnsibleModule) -> None:
        raise error

    return body


def warns(text: str) -> Callable[[AnsibleModule], None]:
    def body(module: AnsibleModule) -> None:
        module.warn(text)
        module.deprecate(text, version="9.0.0", collection_name="morpheus.deploy")
        module.exit_json(changed=False, diff={"before": text, "after": [text, {"deep": text}]})

    return body


def in_a_thread(text: str) -> Callable[[AnsibleModule], None]:
    def body(module: AnsibleModule) -> None:
        thread = threading.Thread(target=fails(ValueError(text)), args=[module])
        thread.start()
        thread.join()
        module.exit_json(changed=False)

    return body


WAYS: dict[str, Callable[[str], Callable[[AnsibleModule], None]]] = {
    "an error of ours": lambda text: fails(DeployError(f"the engine said {text}")),
    "a mistake": lambda text: fails(KeyError(text)),
    "a mistake with a cause": lambda text: fails(_caused(text)),
    "an error of the system": lambda text: fails(OSError(5, text, text)),
    "a message": lambda text: lambda module: module.fail_json(msg=f"it said: {text}", log=[text], gates=[{"last": text}]),
    "warnings and a diff": warns,
    "no JSON": lambda text: lambda module: print(f"it said: {text}"),
    "an error of a thread": in_a_thread,
    "what is told of errors": lambda text: lambda module: print(f"it said: {text}", file=sys.stderr),
}


def _caused(text: str) -> BaseException:
    error = ValueError("no value")
    error.__cause__ = UnicodeEncodeError("ascii", text, 0, 1, text)
    return error


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=list(ENCODINGS))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_module_says_no_secret_of_its_host(
    way: Callable[[str], Callable[[AnsibleModule], None]],
    encoding: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Not pytest's own, which keeps what is told of threads to itself.
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    out, err = ended(way(encoding(VALUE)), capsys)
    assert not is_shown(out + err)
    assert "***" in out + err


@pytest.mark.parametrize("options", [{"key": VALUE}, {"inner": {"url": URL}}], ids=["an option", "an option of an option"])
def test_what_no_log_hides_is_no_part_of_messages_either(
    options: Mapping[str, Any], capsys: pytest.CaptureFixture[str], host: Path
) -> None:
    (host / "api.env").unlink()
    out, _ = ended(fails(DeployError(f"refused: {quote(VALUE, safe='')}")), capsys, **options)
    assert json.loads(out) == {"failed": True, "msg": "refused: ***"}


def test_what_repeats_by_chance_stays(capsys: pytest.CaptureFixture[str]) -> None:
    words = "shop: true, 1 of 1 replicas of the stack shop; DEBUG=true"
    out, _ = ended(lambda module: module.exit_json(changed=True, says=words), capsys)
    assert json.loads(out)["says"] == words.replace("DEBUG=true", "DEBUG=***")


def test_what_a_release_says_openly_stays_though_it_is_among_the_secrets(capsys: pytest.CaptureFixture[str], host: Path) -> None:
    url, image = "https://shop.example.com/health", "registry.example.com/shop/api:1.2.0"
    (host / "web.env").write_text(dotenv.render({"SITE": "shop.example.com", "REGISTRY": "registry.example.com", "X": VALUE}))
    manifest = host.parent / "releases" / "1.2.0-aa" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    stack = {"name": "shop", "public_check": {"url": url, "headers": {"X-Key": VALUE}}, "env": {"web": {"KEY": VALUE}}}
    manifest.write_text(json.dumps({"stack": stack, "images": {"api": {"reference": image}}}))
    out, _ = ended(lambda module: module.exit_json(changed=True, url=url, image=image, other=f"at {VALUE}"), capsys)
    found = json.loads(out)
    assert (found["url"], found["image"], found["other"]) == (url, image, "at ***")


def test_a_host_whose_secrets_cannot_be_read_says_what_it_says(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (host / "api.env").unlink()
    (host / "api.env").mkdir()
    out, _ = ended(fails(DeployError("no")), capsys)
    assert json.loads(out) == {"failed": True, "msg": "no"}


class Api:
    """An engine with one container, that was started with yesterday's key."""

    log = b""

    def logs(self, identity: str, **options: Any) -> bytes:
        return self.log

    def inspect_container(self, identity: str) -> Mapping[str, Any]:
        return {"Config": {"Env": ["API_KEY=yesterdays-key", "PATH=/usr/local/bin:/usr/bin"]}}


def words_of(log: str) -> str:
    api = Api()
    api.log = log.encode()
    with said.knowing():
        found = answers.last_words(SimpleNamespace(api=api), "id1")
        assert one_offs.OneOffs(SimpleNamespace(api=api), "shop").last_words(one_offs.OneOff("id1", "x")) == found
    return found


def test_the_last_words_of_a_container_hold_no_secret() -> None:
    assert words_of(f"connecting to {URL}\nwith {json.dumps({'key': VALUE})}\nMIIEvQIBADANBgkq") == (
        'connecting to ***\nwith {"key": "***"}\n***'
    )


def test_they_hold_no_secret_of_yesterday_that_the_container_still_has() -> None:
    assert words_of("key yesterdays-key, PATH=/usr/local/bin:/usr/bin") == "key ***, PATH=/usr/local/bin:/usr/bin"


def test_they_do_not_act_on_a_terminal() -> None:
    assert words_of("\x1b[31m" + VALUE[:5] + "\x1b[0m" + VALUE[5:] + "\x1b[2J\rok\x00\u202e") == "***\\x1b[2J\nok\\x00\\u202e"


def test_a_long_log_is_cut_where_no_value_is_cut() -> None:
    found = words_of(f"{'x' * 70_000} {VALUE}\n{VALUE}{'y' * 3000}")
    assert found == f"***{'y' * 1997}… (1003 more characters)"
    assert words_of(f"{VALUE}" * 3000) == ""


def test_what_compose_says_is_masked_before_it_is_cut() -> None:
    with said.knowing():
        for length in range(560, 700, 7):
            assert not is_shown(compose_command.scrub(f"invalid API_KEY={quote(VALUE)} {'x' * length}"))


def test_what_a_health_endpoint_answers_is_masked_before_it_is_cut() -> None:
    with said.knowing():
        for length in range(150, 200):
            body = f"{'x' * length} {VALUE} and more".encode()
            assert MARK[:4] not in seen.Answer(0.1, 500, body).excerpt
            found = gate.Expectation(version="version", release="1").violation(
                seen.Answer(0.1, 200, json.dumps({"version": "x" * length + VALUE}).encode())
            )
            assert MARK[:4] not in found


def of_health(text: str) -> str:
    return seen.Answer(0.1, 500, text.encode()).excerpt


def of_a_dependency(text: str) -> str:
    return dependencies.down(json.dumps({"dependencies": {"db": f"down: {text}"}}).encode())["db"]


def of_no_status(text: str) -> str:
    return http._words(BadStatusLine(text))


def of_an_api(text: str) -> str:
    return client._message({"message": text})


def of_a_greeting(text: str) -> str:
    return greeting._message(b"SFATAL\0M" + text.encode() + b"\0\0")


def of_a_program(text: str) -> str:
    complaints = io.BytesIO(text.encode())
    return flow.Program("psql", None, complaints).words()  # type: ignore[arg-type]


def of_a_server(text: str) -> str:
    def wrap(program: str, arguments: Sequence[str]) -> list[str]:
        return ["sh", "-c", 'printf %s "$0" >&2; exit 1', text]

    with pytest.raises(DeployError) as caught:
        server.Scratch(wrap).run("select 1", "")
    return str(caught.value)


def of_a_removal(text: str) -> str:
    with pytest.raises(DeployError) as caught:
        removal._run("sh", "-c", 'printf %s "$0" >&2; exit 1', text)
    return str(caught.value)


CUT_AT_THE_END: dict[str, tuple[int, Callable[[str], str]]] = {
    "a health endpoint": (200, of_health),
    "a dependency": (120, of_a_dependency),
    "no status line": (200, of_no_status),
    "Supabase's API": (200, of_an_api),
    "a database's greeting": (200, of_a_greeting),
}
CUT_AT_THE_BEGINNING: dict[str, tuple[int, Callable[[str], str]]] = {
    "a program of a backup": (2000, of_a_program),
    "the server of a backup": (2000, of_a_server),
    "a removal": (300, of_a_removal),
    "Compose": (600, compose_command.scrub),
}


@pytest.mark.parametrize("name", CUT_AT_THE_END)
def test_whatever_is_shortened_at_its_end_is_masked_before(name: str) -> None:
    length, say = CUT_AT_THE_END[name]
    with said.knowing():
        for before in range(length - 40, length + 1, 5):
            assert MARK[:4] not in say(f"{'x' * before} {VALUE} and more")
        # What is cut before it is masked, so that it costs little, shows nothing of its edge.
        for many in (20 * length - 16, 20 * length - 8):
            assert MARK[:4] not in say(f"{' ' * many}{VALUE} and more")


@pytest.mark.parametrize("name", CUT_AT_THE_BEGINNING)
def test_whatever_is_shortened_at_its_beginning_is_masked_before(name: str) -> None:
    length, say = CUT_AT_THE_BEGINNING[name]
    with said.knowing():
        for after in range(length - 40, length + 1, 5):
            assert "more" not in say(f"before {VALUE} {'x' * after}")


def test_outside_of_a_module_the_password_of_a_url_is_masked_alone() -> None:
    assert said.masked(f"{VALUE} https://a:b@c") == f"{VALUE} https://a:***@c"


MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
# Their work is done on the controller, by a plugin.
ACTIONS = {path.stem for path in (ROOT / "plugins" / "action").glob("*.py")} - {"stack_release", "lease"}


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ACTIONS])
def test_every_module_knows_what_its_secret_options_hold(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The module's own specification, and whether its main has told it by the time that the options were read."""
    module = importlib.import_module(f"ansible_collections.morpheus.deploy.plugins.modules.{name}")
    seen: dict[str, Any] = {}

    class StopError(BaseException):
        pass

    class Seen:
        def __init__(self, argument_spec: Mapping[str, Any], **unused: Any) -> None:
            seen.update(argument_spec)
            self.argument_spec = argument_spec

        @property
        def params(self) -> Mapping[str, Any]:
            return _filled(self.argument_spec)

        def __getattr__(self, unused: str) -> Any:
            raise StopError

    monkeypatch.setattr(module, "AnsibleModule", Seen)
    found: list[said.Secret] = []
    monkeypatch.setattr(said, "know", lambda secrets: found.extend(secrets))
    with redirect_stderr(io.StringIO()), pytest.raises((StopError, SystemExit)):
        module.main()
    capsys.readouterr()
    assert {value for _, value in found} >= set(_secret_values(seen))


def _filled(specification: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(name, option) for name, option in specification.items()}


def _value(name: str, option: Mapping[str, Any]) -> Any:
    if option.get("options"):
        return _filled(option["options"])
    value = f"value-of-{name}"
    return {"dict": {"inner": value}, "list": [value]}.get(option.get("type", "str"), value) if option.get("no_log") else None


def _secret_values(specification: Mapping[str, Any]) -> list[str]:
    found = []
    for name, option in specification.items():
        found += [f"value-of-{name}"] if option.get("no_log") else _secret_values(option.get("options") or {})
    return found
