"""What the collection believes Compose makes of files and override is what Compose makes of them."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils import hardening

from tests.acceptance.world import PRODUCTION

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


def resolved(*files: dict[str, Any]) -> dict[str, Any]:
    command = ["docker", "exec", "-i", HOST, "python3", "-c", _CONFIG]
    done = subprocess.run(command, input=json.dumps(files), capture_output=True, text=True, timeout=300, check=False)
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
    given = hardening.additions(STACK, model)
    hardened = resolved(project, {"services": given})
    assert hardening.applied(model, given)["services"] == hardened["services"]
    # Nothing is left to be added, and no service was forgotten.
    assert {name: parts for name, parts in hardening.additions(STACK, hardened).items() if parts} == {}
    assert set(given) == set(SERVICES)
