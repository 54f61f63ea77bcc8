"""An application that prints its secrets at its end, as a candidate and as a migration: nothing of them leaves the host."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.acceptance import sentinel
from tests.acceptance.world import ROOT, STAGING, Environment, by_command, edit_vault, edited_stack, on, says

HOST = STAGING.hosts[0]
# Everything that it knows, in five encodings and with what acts on a terminal, then its end.
PRINTS = r"""
import base64, json, os, sys, urllib.parse
secret = open("/run/secrets/session_secret").read() if os.path.exists("/run/secrets/session_secret") else ""
for value in (os.environ["DATABASE_URL"], os.environ["ML_API_KEY"], secret):
    print("\x1b[31mplain\x1b[0m", value, "\x1b]0;title\x07", "\u202e", flush=True)
    print("others", json.dumps(value), urllib.parse.quote(value, safe=""), base64.b64encode(value.encode()).decode(),
          value.encode().hex(), repr(value), file=sys.stderr, flush=True)
raise SystemExit(os.environ["ML_API_KEY"])
"""


@pytest.fixture
def printing(tmp_path: Path, staging: Environment) -> Iterator[Environment]:
    changed = staging.copied(tmp_path)
    shutil.rmtree(tmp_path / "inventories" / "production")
    edit_vault(tmp_path / "inventories" / "staging", vault_session_secret=sentinel.VALUE, vault_ml_api_key=f"key-{sentinel.MARK}")
    assert changed.play("playbooks/fingerprint.yml").code == 0
    yield changed
    staging.deployed("1.0.0")


def prints(project: Environment, service: str) -> None:
    """From now on this service prints its secrets and ends."""
    root = Path(project.inventories).parent
    (root / "stacks" / "morpheus" / "compose.prints.yml").write_text(
        yaml.safe_dump({"services": {service: {"command": ["python3", "-c", PRINTS.replace("$", "$$")]}}})
    )
    with edited_stack(root / "inventories") as stack:
        by_command(stack, at_every_release=True)
        stack["compose_files"].append("compose.prints.yml")


@pytest.mark.deep
@pytest.mark.parametrize("service", ["api", "migrate"])
def test_what_an_application_prints_at_its_end_is_shown_without_its_secrets(printing: Environment, service: str) -> None:
    prints(printing, service)
    run = printing.deploy("1.1.0", "-vvvv", "--diff")
    assert run.code != 0
    says(run, ["The last log lines of", "plain *** \\x1b]0;title\\x07 \\u202e", "others"])
    assert not sentinel.holds(run.output.encode())
    verdict = ROOT / ".deploy" / "staging" / "verdict.json"
    assert not sentinel.holds(verdict.read_bytes())
    assert (verdict.stat().st_mode & 0o777, verdict.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    # Nor what the host remembers of it.
    for name in ("lineage.json", "journal.jsonl", "progress.jsonl"):
        assert not sentinel.holds(on(HOST, "cat", f"/var/lib/morpheus.deploy/stacks/morpheus/{name}").encode())
    assert not sentinel.holds(printing.play("playbooks/status.yml", "-vvvv").output.encode())
