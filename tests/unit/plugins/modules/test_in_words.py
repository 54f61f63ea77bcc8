"""A module that its host fails, or that lacks a library, ends with a sentence: what, where and what to do."""

from __future__ import annotations

import base64
import errno
import importlib
import json
import os
import platform
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError, FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import Body, explained, in_words, run_module

from tests.hangs import HANGS_AFTER_SECONDS

ROOT = Path(__file__).parents[4]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
SEE = "See what this host says with: dmesg | tail -20; systemctl --failed. Mend it, then run this again"


def _ends(error: BaseException, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    @in_words
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/etc/morpheus.deploy/identity.json"),
            "/etc/morpheus.deploy/identity.json could not be read or written: Permission denied. See who owns it with: namei -l "
            "/etc/morpheus.deploy/identity.json; lsattr -d /etc. Modules of this collection need root (become: true)",
        ),
        (
            OSError(errno.EMFILE, "Too many open files", b"/etc/hosts"),
            "/etc/hosts could not be read or written: Too many open files. This process has too many files open. See the limits "
            "with: ulimit -n; cat /proc/sys/fs/file-nr",
        ),
        (
            OSError(errno.ENOMEM, "Cannot allocate memory"),
            f"this host failed in the middle of it: [Errno 12] Cannot allocate memory. {SEE}",
        ),
        (
            subprocess.TimeoutExpired(["docker", "compose", "up", "--detach"], 300),
            f"docker compose up did not end within 300 s. {SEE}",
        ),
        (subprocess.CalledProcessError(2, "iptables -w -F X"), f"iptables -w -F ended with 2. {SEE}"),
    ],
    ids=["a file", "a file in bytes", "no file", "a command without end", "a command that fails"],
)
def test_what_a_host_does_to_a_module_is_said_with_its_mend(
    error: OSError, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ends(error, capsys) == {"failed": True, "msg": message}


def test_a_mistake_of_ours_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    found = _ends(KeyError("x"), capsys)
    exception = found.pop("exception")
    assert found == {
        "failed": True,
        "msg": "a mistake in this collection: KeyError: 'x'. Report it, with the traceback that -vvv shows",
    }
    assert exception.startswith("Traceback (most recent call last):")
    assert exception.endswith("KeyError: 'x'\n")


def test_an_error_that_nobody_has_caught_says_it_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ends(EngineError("no"), capsys) == {"failed": True, "msg": "no"}


def test_an_end_stays_that_end(capsys: pytest.CaptureFixture[str]) -> None:
    @in_words
    def main() -> None:
        print('\n{"changed": false}')
        raise SystemExit(3)

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert json.loads(capsys.readouterr().out) == {"changed": False}


@pytest.mark.parametrize("name", ["AnsibleModuleCallError", "ImporterAnsibleModuleException"])
def test_ansible_test_may_read_the_options_of_a_module(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    stops_here = type(name, (RuntimeError,), {})

    @in_words
    def main() -> None:
        raise stops_here

    with pytest.raises(stops_here):
        main()
    assert capsys.readouterr() == ("", "")


def test_an_error_of_ours_says_it_itself() -> None:
    assert explained(EngineError("the engine is asleep")) == "the engine is asleep"


def _run(body: Body, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    """What a module prints that does this and has one option, which is secret."""

    @in_words
    def main() -> None:
        run_module(AnsibleModule({"key": {"type": "str", "no_log": True}}), body)

    with patch_module_args(options), pytest.raises(SystemExit) as ended:
        main()
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert bool(ended.value.code) == found.get("failed", False)
    # ansible-core 2.21 leaves it out.
    found.pop("invocation", None)
    return found


def test_what_a_body_returns_is_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(lambda module, about: {"changed": True, "steps": ["one"]}, capsys) == {"changed": True, "steps": ["one"]}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (EngineError("the engine is asleep"), "the engine is asleep"),
        (FencedError("another run has the lease"), "another run has the lease"),
        (OSError(errno.ENOMEM, "No memory"), f"this host failed in the middle of it: [Errno 12] No memory. {SEE}"),
    ],
    ids=["ours", "fenced", "the host's"],
)
def test_an_error_fails_the_module_with_what_was_known_by_then(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
        about["release"] = "1.0"
        raise error

    assert _run(body, capsys) == {"failed": True, "msg": message, "release": "1.0"}


def test_a_mistake_of_ours_in_a_body_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
        return about["missing"]  # type: ignore[no-any-return]

    @in_words
    def main() -> None:
        run_module(AnsibleModule({}), body)

    with patch_module_args({}), pytest.raises(SystemExit):
        main()
    assert "in body" in json.loads(capsys.readouterr().out)["exception"]


def test_secret_options_are_masked_without_a_word_of_the_body(capsys: pytest.CaptureFixture[str]) -> None:
    def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
        raise EngineError(f"refused: {base64.b64encode(module.params['key'].encode()).decode()}")

    assert _run(body, capsys, key="canary-of-a-key")["msg"] == "refused: ***"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_ends_in_one_place_only(name: str) -> None:
    text = (ROOT / "plugins" / "modules" / f"{name}.py").read_text()
    assert re.findall(r"\b(?:fail_json|exit_json|know_options)\(", text) == []
    assert text.count("    run_module(") == 1


@pytest.mark.parametrize("name", MODULES)
def test_every_module_ends_in_words(name: str) -> None:
    found = importlib.import_module(f"ansible_collections.morpheus.deploy.plugins.modules.{name}")
    assert found.main.__wrapped__.__module__ == found.__name__


URL = "postgresql://user:password@127.0.0.1:9/db"
STACK = {"stack": "shop"}
LEASED = {**STACK, "token": 7}
# What needs which library, with options that get as far as that.
NEEDS: list[tuple[str, str, dict[str, Any]]] = [
    ("jmespath", "health_gate", {"endpoints": [{"url": "http://127.0.0.1:9/"}]}),
    *(
        (library, name, options)
        for library in ("docker", "jmespath")
        for name, options in (
            ("stack_info", STACK),
            ("stack_status", STACK),
            ("stack_rollout", LEASED),
            ("stack_release", {"release": "1.0.0", "environment": "staging", "stack": {"name": "shop"}, "files": {}, "token": 7}),
            ("stack_migration", {**LEASED, "release_id": "1.0.0-a"}),
            ("stack_attestation", {**STACK, "new": "x" * 20, "names": ["api.KEY"]}),
            ("stack_secret", {**LEASED, "value": "x" * 20, "names": ["api.KEY"]}),
        )
    ),
    ("docker", "stack_audit", STACK),
    ("docker", "edge_config", {"config": "", "ports": ["80:8080"]}),
    ("docker", "edge_image", {"image": "haproxy:3.1"}),
    ("docker", "edge_upgrade", {"image": "haproxy:3.1", "token": 7}),
    ("psycopg2", "postgres_login", {"url": URL, "admin_url": URL, "environment": "staging", "token": 7}),
    ("psycopg2", "supabase_migrations", {"url": URL, "environment": "staging", "files": [], "token": 7}),
    ("psycopg2", "database_identity", {"url": URL, "variable": "api.DATABASE_URL", "environment": "staging"}),
]


# Without a library, each module is run in a process that was forked when all of them had been imported.
WITHOUT = f"""
import importlib, json, os, sys, traceback

library, rows = sys.argv[1], json.loads(sys.argv[2])
sys.path[:0] = [{str(ROOT / "collections")!r}]
sys.modules[library] = None
from ansible.module_utils.testing import patch_module_args
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine

if library != "docker":
    engine.connect = object
mains = {{name: importlib.import_module("ansible_collections.morpheus.deploy.plugins.modules." + name).main for name in rows}}
answers = {{}}
for name, options in rows.items():
    mine, its = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(its, 1)
        code = 0
        try:
            with patch_module_args(options):
                mains[name]()
        except SystemExit as exc:
            code = exc.code
        except BaseException:
            traceback.print_exc()
            code = 99
        sys.stdout.flush()
        os._exit(code)
    os.close(its)
    with open(mine) as stream:
        said = stream.read()
    answers[name] = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said]
print(json.dumps(answers))
"""


# So that no test takes long: the first one of a part waits for all of it.
PARTS = 6


@cache
def without(library: str, part: int) -> dict[str, tuple[int, str]]:
    """Module -> its exit status and what it prints where ``library`` is missing, of a part of all modules that need it."""
    rows = dict([(name, options) for needed, name, options in NEEDS if needed == library][part::PARTS])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, library, json.dumps(rows)],
        # No engine answers there, should it come so far.
        env={**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("library", "name"), [row[:2] for row in NEEDS], ids=[f"{row[1]} without {row[0]}" for row in NEEDS])
def test_a_host_that_lacks_a_library_is_named_with_the_command_that_installs_it(library: str, name: str) -> None:
    needing = [module for needed, module, _ in NEEDS if needed == library]
    code, said = without(library, needing.index(name) % PARTS)[name]
    assert code == 1, said
    assert (
        f"{library} is not installed for {sys.executable} on this host ({platform.node()}); install it with: "
        "ansible-playbook playbooks/provision.yml -i <inventory> --tags engine"
    ) in json.loads(said)["msg"]
