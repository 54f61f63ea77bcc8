"""The picture of a run's page in docs/pictures, by Chromium: `python -m tests.unit.run_page_picture`.

Pixels differ from one Chromium to another, so the picture carries the digest of the page that it shows.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.known import HostState
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.run_page import html
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.verdict import Run

from tests.hangs import HANGS_AFTER_SECONDS

PICTURE = ROOT / "docs" / "pictures" / "run-page.png"
BROWSERS = ("chromium", "google-chrome-stable", "google-chrome")
SIZE = (1120, 2010)
_KEY = b"page"
SECONDS = {"start": 0.7, "gate": 4.1, "admit": 0.1, "drain": 0.1, "watch": 7.0, "await": 2.6, "stop": 0.6, "remove": 0.2}
STEPS = [[1.4, "api: admit"], [5.6, "api: drain"], [14.9, "api: stop"]]
PLAN = [
    "api: start 2 candidates (changed: image morpheus/api:1.0.0 -> morpheus/api:1.1.0)",
    "api: gate 2 candidates",
    "api: admit 2 candidates at the edge",
    "api: drain morpheus-api-1, morpheus-api-2 at the edge",
    "api: watch 2 candidates for 7 s",
    "api: wait for open requests on morpheus-api-1, morpheus-api-2 to finish (at most 30 s)",
    "api: stop morpheus-api-1, morpheus-api-2",
    "api: remove morpheus-api-1, morpheus-api-2",
]


def _gates(*, slower: float) -> list[Mapping[str, Any]]:
    replicas: list[Mapping[str, Any]] = [
        {"service": "api", "name": name, "healthy": True} for name in ("morpheus-api-3", "morpheus-api-4")
    ]
    gates: list[Mapping[str, Any]] = [
        {**one, "step": "gate", "attempts": 31 + number, "failures": 22, "seconds": round(3.8 + slower + 0.2 * number, 1)}
        for number, one in enumerate(replicas)
    ]
    watches: list[Mapping[str, Any]] = [
        {**one, "step": "watch", "attempts": 70, "failures": 0, "seconds": 7.0} for one in replicas
    ]
    check = {"service": "edge", "name": "edge", "step": "check", "healthy": True, "attempts": 3, "failures": 0, "seconds": 0.4}
    return [*gates, *watches, check]


def _traffic(rate: int) -> dict[str, Any]:
    """What users asked each second; slower for a moment, when they were led over to replicas that have just started."""
    samples = [[float(second), rate + second * 7 % 13, 0, 34 if second == 6 else 12 + second % 3] for second in range(1, 18)]
    return {"samples": samples, "steps": STEPS}


def page() -> str:
    """Of a deploy to two hosts that went well."""
    run = Run(started=1_764_000_000.0, environment="production", release="1.1.0", release_id="1.1.0-4f1c9a", is_deploy=True)
    for number, host in enumerate(("production-app-1", "production-app-2")):
        gates, seconds = _gates(slower=0.3 * number), {**SECONDS, "gate": SECONDS["gate"] + 0.3 * number, "check": 0.4}
        run.hosts[host] = HostState(
            release="1.1.0",
            previous="1.0.0",
            changed=True,
            seconds=seconds,
            gates=gates,
            plan=PLAN,
            drained=6 + number,
            traffic=[_traffic(96 + 11 * number)],
        )
    run.lease = {"token": 7, "owner": "anna@laptop", "reason": "deploy 1.1.0"}
    return html({**run.verdict(41.6, check_mode=False), "playbook": "deploy"})


def digest() -> str:
    return hashlib.sha256(page().encode()).hexdigest()


def shown_digest(picture: bytes) -> str:
    """Of the page that the picture shows; empty where it does not say."""
    _, _, rest = picture.partition(b"tEXt" + _KEY + b"\0")
    return rest[:64].decode("ascii", "replace")


def signed(picture: bytes, what: str) -> bytes:
    """With ``what`` as text in a chunk of its own, behind the first, which says how large the picture is."""
    # Its signature, then length, name, content and checksum of the first chunk.
    head = 8 + 4 + 4 + 13 + 4
    chunk = b"tEXt" + _KEY + b"\0" + what.encode("ascii")
    length, checksum = (number.to_bytes(4, "big") for number in (len(chunk) - 4, zlib.crc32(chunk)))
    return picture[:head] + length + chunk + checksum + picture[head:]


def draw() -> bytes:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit("Chromium is not here; install it: apt-get install chromium fonts-dejavu-core")
    with tempfile.TemporaryDirectory() as directory:
        source, picture = Path(directory, "page.html"), Path(directory, "page.png")
        source.write_text(page())
        size = ",".join(map(str, SIZE))
        command = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={directory}/profile"]
        command += [f"--window-size={size}", f"--screenshot={picture}", source.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=HANGS_AFTER_SECONDS)
        return picture.read_bytes()


if __name__ == "__main__":
    PICTURE.write_bytes(signed(draw(), digest()))
