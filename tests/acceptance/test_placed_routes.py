"""A service with a route of its own that must not run on every host, behind the balancer of production: users meet it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.test_jobs_and_followers import IMAGE
from tests.acceptance.test_singletons import FIRST, MORE, SECOND
from tests.acceptance.world import Environment, on

REPORTS, BALANCER = "reports", "production-lb-1"
PROGRAM = """
import http.server, json, os, signal, threading

class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        well = os.environ["RELEASE"] != "ill" or not self.path.endswith("/health")
        body = json.dumps({"release": os.environ["RELEASE"]}).encode()
        self.send_response(200 if well else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("", 8000), Answers)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""


def written(root: Path, release: str, hosts: str = "", **options: Any) -> None:
    """In the copies below ``root``: the service as this release of it, on ``hosts``, and ``options`` of its route."""
    service = {"image": IMAGE, "command": ["python3", "-c", PROGRAM], "environment": {"RELEASE": release}}
    (root / "stacks" / "morpheus" / MORE).write_text(yaml.safe_dump({"services": {REPORTS: service}}))
    path = root / "inventories" / "production" / "group_vars" / "all" / "stack.yml"
    variables = yaml.safe_load(path.read_text())
    stack = variables["stack"]
    stack["compose_files"] = [*(name for name in stack["compose_files"] if name != MORE), MORE]
    own = {
        "name": REPORTS,
        "port": 8000,
        "routes": [{"host": "morpheus.app", "paths": ["/reports"], **options}],
        "health": {"path": "/health", "interval_seconds": 0.1},
        **({"hosts": hosts} if hosts else {}),
    }
    stack["services"] = [*(one for one in stack["services"] if one["name"] != REPORTS), own]
    path.write_text(yaml.safe_dump(variables))


def told() -> str:
    return on(BALANCER, "cat", "/var/lib/morpheus.deploy/edge/conf/placed.map")


@pytest.mark.deep
def test_a_routed_service_of_some_hosts_is_widened_narrowed_changed_and_taken_back_under_load(
    production: Environment, tmp_path: Path
) -> None:
    own = production.copied(tmp_path)
    try:
        written(tmp_path, "one", SECOND)
        own.deployed("1.0.0")
        assert "morpheus.app/reports/ placed." in told()
        asked = "/reports/now=one,two"
        with production.load(paths=asked, websockets=0, uploads=0, rate_new=0, rate_slow=0) as load:
            # What is the same in both, an option aside.
            written(tmp_path, "one", SECOND, response_headers={"X-Reports": "yes"})
            own.deployed("1.0.0")
            written(tmp_path, "two")
            own.deployed("1.0.0")
            assert told() == ""
            written(tmp_path, "two", FIRST)
            own.deployed("1.0.0")
            assert "morpheus.app/reports/ placed." in told()
            # What it brings to another host is taken back with it.
            written(tmp_path, "ill")
            failed = own.deploy("1.0.0")
            assert failed.code != 0, failed.output
            assert "morpheus.app/reports/ placed." in told()
            back = production.play("rollback.yml")
            assert back.code == 0, back.output
        print(f"\na routed service of some hosts: {load.report.failed} failed of {load.report.sent}")
        assert load.report.is_clean, load.report.failures
    finally:
        production.deployed("1.0.0")
    assert told() == ""
