"""What the collection believes Compose makes of files and override is what Compose makes of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refused_mounts import with_files
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.acceptance.world import PRODUCTION, ROOT
from tests.hangs import HANGS_AFTER_SECONDS
from tests.unit.attacks import ATTACKS, OWN, Attack

pytestmark = pytest.mark.lane("production")
HOST = PRODUCTION.hosts[0]
STACK = {"hardening": {"exempt": {"exempted": ["read_only", "cap_drop"]}, "docker_socket": [], "privileged": []}}
# Every way in which a service can say a part of it already.
SERVICES: dict[str, dict[str, Any]] = {
    "bare": {},
    "exempted": {},
    "memory": {"mem_limit": "64m"},
    "memory-below-deploy": {"deploy": {"resources": {"limits": {"memory": "64m"}}}},
    "reserved": {"deploy": {"resources": {"reservations": {"memory": "32m"}}}},
    "replicas": {"deploy": {"replicas": 2}},
    "processes": {"pids_limit": 64},
    "options": {"security_opt": ["label:type:x"], "cap_drop": ["NET_RAW"], "cap_add": ["CHOWN"], "tmpfs": ["/run"]},
    "root": {"read_only": True},
    "temporary": {"tmpfs": "/tmp:size=1m"},
    "mounted": {"volumes": ["data:/tmp"]},
    "log": {"logging": {"driver": "json-file", "options": {"max-file": "9"}}},
    "journal": {"logging": {"driver": "journald"}},
    "untold": {"logging": {"options": {"tag": "x"}}},
    "behind-a-profile": {"profiles": ["job"]},
}
_CONFIG = """
import json, os, subprocess, sys, tempfile
with tempfile.TemporaryDirectory() as directory:
    os.chdir(directory)
    command = ["docker", "compose", "--profile", "*"]
    for number, content in enumerate(json.load(sys.stdin)):
        with open(f"{number}.json", "w") as stream:
            json.dump(content, stream)
        command += ["--file", f"{number}.json"]
    sys.exit(subprocess.run([*command, "config", "--format", "json"]).returncode)
"""

# Of each project {path: text}: what Compose makes of its compose.json, and of the same with variables unread.
_PROJECTS = """
import json, os, subprocess, sys, tempfile
def said(directory, *options):
    command = ["docker", "compose", "--project-name", "shop", "--project-directory", directory, "--profile", "*"]
    command += ["--file", directory + "/compose.json", "config", *options, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout.replace(directory, "PROJECT")) if done.returncode == 0 else None
found = []
for files in json.load(sys.stdin):
    with tempfile.TemporaryDirectory() as directory:
        for path, text in files.items():
            os.makedirs(os.path.dirname(directory + "/" + path), exist_ok=True)
            with open(directory + "/" + path, "w") as stream:
                stream.write(text)
        model = said(directory)
        found.append([model, model and said(directory, "--no-interpolate")])
print(json.dumps(found))
"""


def judged(files: Sequence[dict[str, str]]) -> list[list[str] | None]:
    """What is refused of each project as the host's own Compose resolves it; None where Compose refuses it itself."""
    command = ["docker", "exec", "-i", HOST, "python3", "-c", _PROJECTS]
    done = subprocess.run(
        command, input=json.dumps(files), capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=True
    )
    found: list[list[str] | None] = []
    for given, (model, written) in zip(files, json.loads(done.stdout.replace("PROJECT", f"{OWN}/project")), strict=True):
        own = Own.of(OWN, list(given))
        project = Project(with_files(model, written or {}, {}), own, written=False) if model else None
        found.append(hardening.problems(Stack(hardening={}), project, ()) if project else None)
    return found


@pytest.mark.deep
def test_what_the_real_compose_makes_of_an_attack_is_refused() -> None:
    """The table of attacks as a host resolves it. What its Compose does not know yet or refuses itself needs nothing of ours."""
    texts = []
    for attack in ATTACKS:
        service = {"image": "shop/api:1", **attack.asks}
        model = {"services": {"api": service, "worker": {"image": "shop/worker:1"}}, **attack.elements}
        texts.append({"compose.json": json.dumps(model), "secrets/key": "canary"})
    found = dict(zip([attack.name for attack in ATTACKS], judged(texts), strict=True))
    slipped = {attack.name: said for attack in ATTACKS if (said := found[attack.name]) is not None and not _named(attack, said)}
    # Compose leaves these two out of what it resolves, so no container ever gets them. As written they are refused all the same.
    assert slipped == {"read_only": [], "options of addresses": []}
    # Those of keys that every Compose knows were really judged; what is made of a newer one's keys it refuses itself.
    known = [attack.name for attack in ATTACKS if {*attack.asks} <= {"volumes", "security_opt", "cap_add"}]
    assert {name for name in known if found[name] is None} == {"a key of a newer volume", "a key of a newer mount"}


def _named(attack: Attack, problems: Sequence[str]) -> bool:
    says = {**attack.says, **attack.resolved}
    return all(any(one.startswith(f"services.api.{key}: {text}; ") for one in problems) for key, (text, _) in says.items())


def test_what_people_write_is_not_refused_as_the_real_compose_resolves_it() -> None:
    model = yaml.safe_load((ROOT / "tests" / "unit" / "ordinary.yml").read_text())
    # Of a Compose that is newer than the oldest one which is supported.
    for key in ("develop", "post_start"):
        del model["services"]["app"][key]
    del model["services"]["app"]["networks"]["back"]["driver_opts"]
    for use in (model["services"]["proxy"]["configs"][0], model["services"]["app"]["secrets"][1]):
        use["mode"] = int(use["mode"], 8)
    env_files = model["services"]["app"]["env_file"]
    model["services"]["app"]["env_file"] = [one for one in env_files if "format" not in one]
    names = (
        "app.env",
        "env/app.env",
        "conf/nginx.conf",
        "conf/html/index.html",
        "init/1.sql",
        "secrets/db_password",
        "secrets/token",
    )
    files = {"compose.json": json.dumps(model), **dict.fromkeys(names, "A=b")}
    assert judged([files]) == [[]]


def resolved(*files: dict[str, Any]) -> dict[str, Any]:
    command = ["docker", "exec", "-i", HOST, "python3", "-c", _CONFIG]
    done = subprocess.run(
        command, input=json.dumps(files), capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_model_that_is_compared_is_the_one_that_compose_runs() -> None:
    """If not, a service would be rolled again and again, or run as nobody has checked."""
    project = {
        "name": "x",
        "services": {name: {"image": "a:1", **one} for name, one in SERVICES.items()},
        "volumes": {"data": {}},
    }
    model = resolved(project)
    given = hardening.additions(Stack.of(STACK), model)
    hardened = resolved(project, {"services": given})
    assert hardening.applied(model, given)["services"] == hardened["services"]
    # Nothing is left to be added, and no service was forgotten.
    assert {name: parts for name, parts in hardening.additions(Stack.of(STACK), hardened).items() if parts} == {}
    assert set(given) == set(SERVICES)
