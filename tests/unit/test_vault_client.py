"""Where the password of a vault comes from."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hangs import HANGS_AFTER_SECONDS

CLIENT = Path(__file__).parents[2] / "inventories" / "vault-client.py"


@pytest.fixture(scope="module")
def client() -> Any:
    specification = importlib.util.spec_from_file_location("vault_client", CLIENT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "my-env").write_text("from the directory\n")
    (tmp_path / "named").write_text(" from the file \n")
    (tmp_path / "empty").write_text("\n")
    return tmp_path


ORDER = [
    pytest.param(["PASSWORD_MY_ENV", "PASSWORD_FILE_MY_ENV", "PASSWORD_DIR"], "kept", "from the variable", id="variable"),
    pytest.param(["PASSWORD_FILE_MY_ENV", "PASSWORD_DIR"], "kept", "from the file", id="the file that is named"),
    pytest.param(["PASSWORD_DIR"], "kept", "from the directory", id="a file in the directory"),
    pytest.param([], "kept", "from the keyring", id="keyring"),
]
VALUES = {"PASSWORD_MY_ENV": "from the variable", "PASSWORD_FILE_MY_ENV": "{}/named", "PASSWORD_DIR": "{}"}


@pytest.mark.parametrize(("given", "kept", "password"), ORDER)
def test_the_first_place_that_has_a_password_gives_it(
    client: Any, files: Path, given: list[str], kept: str, password: str
) -> None:
    environment = {f"MORPHEUS_VAULT_{name}": VALUES[name].format(files) for name in given}
    environment.setdefault("MORPHEUS_VAULT_PASSWORD_DIR", str(files / "nowhere"))
    assert client.password("my-env", environment, lambda vault_id: f"from the keyring{vault_id[6:]}") == password


@pytest.mark.parametrize("file", ["empty", "missing", "."])
def test_a_file_without_a_password_is_passed_over(client: Any, files: Path, file: str) -> None:
    environment = {"MORPHEUS_VAULT_PASSWORD_FILE_MY_ENV": str(files / file), "MORPHEUS_VAULT_PASSWORD_MY_ENV": ""}
    assert client.password("my-env", environment, lambda _: "from the keyring") == "from the keyring"


def test_without_any_password_one_is_given_that_opens_nothing(client: Any, files: Path) -> None:
    given = {client.password("my-env", {"MORPHEUS_VAULT_PASSWORD_DIR": str(files / "nowhere")}, lambda _: "") for _ in range(2)}
    assert len(given) == 2
    assert min(map(len, given)) >= 32


@pytest.mark.parametrize(
    ("module", "password"),
    [
        ("def get_password(service, user): return f'{service} {user}'", "morpheus.deploy my-env"),
        ("def get_password(service, user): return None", ""),
        ("def get_password(service, user): raise RuntimeError('locked')", ""),
        ("raise ImportError", ""),
    ],
)
def test_the_keyring_is_asked_and_never_in_the_way(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, password: str
) -> None:
    (tmp_path / "keyring.py").write_text(module + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    assert client.from_keyring("my-env") == password
    sys.modules.pop("keyring", None)


def test_it_is_the_client_that_new_environments_get_but_for_the_directory_of_the_sandbox() -> None:
    sandbox = {
        "   .vault when not set\n": "   .sandbox/vault when not set: there the sandbox puts the passwords of the demo vaults\n",
        'parents[1] / ".vault"': 'parents[1] / ".sandbox" / "vault"',
    }
    module = CLIENT.parents[1] / "plugins" / "plugin_utils" / "new_environment" / "password_client.py"
    text = "#!/usr/bin/env python3\n" + module.read_text()
    for theirs, own in sandbox.items():
        assert text.count(theirs) == 1
        text = text.replace(theirs, own)
    assert CLIENT.read_text() == text


def test_it_is_called_as_ansible_calls_it_and_says_nothing_else(tmp_path: Path) -> None:
    environment = {**os.environ, "MORPHEUS_VAULT_PASSWORD_STAGING": "given"}
    done = subprocess.run(
        [sys.executable, str(CLIENT), "--vault-id", "staging"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=HANGS_AFTER_SECONDS,
    )
    assert (done.stdout, done.stderr) == ("given\n", "")
