"""One request through the real HAProxy, the API, the ML gateway and the mock, followed by its id through all of their logs."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import render_backends, render_map
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import log_lines

from tests.edge_lab.haproxy import Haproxy, host_of_an_edge, root_file_system
from tests.edge_lab.namespace import end_with_parent, in_a_thread
from tests.hangs import HANGS_AFTER_SECONDS
from tests.logs.world import ROOT, wait_for

PYTHON = os.environ.get("SERVICES_PYTHON", str(ROOT / ".venv" / "services" / "bin" / "python"))
PORTS = {"api": 8100, "ml-gateway": 9100, "ml-mock": 9000}
KEY = "correct-horse-battery"
ENDPOINT = {"provider": "mock", "id": "comic", "model": "mock", "timeout_seconds": 10, "concurrency": 10}
GATEWAY = {
    "environment": "staging",
    "tier": "staging",
    "urls": {"mock": f"http://127.0.0.1:{PORTS['ml-mock']}/v2"},
    "endpoints": {"comic": ENDPOINT},
    "limits": {},
}
# No database is there: a comic is drawn without one, and the mock costs nothing.
VARIABLES = {
    "APP_ENVIRONMENT": "staging",
    "RELEASE": "1.2.0",
    "DATABASE_URL": f"postgresql://api:{KEY}@127.0.0.1:9/shop",
    "ML_BASE_URL": f"http://127.0.0.1:{PORTS['ml-gateway']}",
    "ML_ENDPOINT_ID": "comic",
    "API_READY_SECONDS": "0",
    "ML_CONTRACTS": str(ROOT / "stacks" / "morpheus" / "ml-contract"),
    "ML_GATEWAY_CONFIG": json.dumps(GATEWAY),
}


@dataclass
class Site:
    root: Path
    inside: ThreadPoolExecutor
    edge_log: Path

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Status, and the id that whoever asks is told."""
        return self.inside.submit(self._ask, method, path, body, headers or {}).result()

    def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", 8080, timeout=HANGS_AFTER_SECONDS)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.headers["X-Request-Id"]

    def text(self, name: str) -> str:
        return (self.edge_log if name == "edge" else self.root / name / "log").read_text()

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text(name).splitlines() if line.startswith("{")]

    def of(self, name: str, identity: str) -> list[dict[str, Any]]:
        return [line for line in self.lines(name) if line["request_id"] == identity]

    def told(self, name: str, identity: str) -> list[dict[str, Any]]:
        """The same, when there are some."""
        found: list[dict[str, Any]] = wait_for(lambda: self.of(name, identity), f"{name}: {identity}")
        return found


def start(stack: ExitStack, root: Path, name: str) -> None:
    """As the image runs it: logs.py beside the package app."""
    here = root / name
    here.mkdir()
    (here / "app").symlink_to(ROOT / "services" / name)
    (here / "logs.py").symlink_to(ROOT / "services" / "logs.py")
    own = {} if name == "ml-mock" else {"ML_API_KEY": KEY}
    environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "SERVICE": name}
    environment |= {**VARIABLES, **own, "LOG_LEVEL_FILE": str(here / "level")}
    server = ["-m", "uvicorn", "logs:app", "--host", "127.0.0.1", "--port", str(PORTS[name]), "--no-access-log"]
    with (here / "log").open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, *server], cwd=here, env=environment, stdout=log, stderr=log, preexec_fn=end_with_parent
        )
    stack.callback(process.wait)
    stack.callback(process.kill)

    def answers() -> bool:
        assert process.poll() is None, (here / "log").read_text()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORTS[name]}/nothing", timeout=HANGS_AFTER_SECONDS)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    wait_for(answers, f"{name} answers")


@contextmanager
def living(inside: ThreadPoolExecutor, root: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        paths = stack.enter_context(host_of_an_edge())
        (paths.root / "run").chmod(0o777)
        for name in PORTS:
            start(stack, root, name)
        backends = render_backends("morpheus", ["api"], 1, {"api": {"s1": ("127.0.0.1", PORTS["api"])}})
        (paths.conf / "stacks" / "morpheus.cfg").write_text(backends)
        (paths.conf / "routes.map").write_text(render_map("morpheus", {"*/": "api"}))
        haproxy = Haproxy(root_file_system(), paths)
        haproxy.start()
        stack.callback(haproxy.kill)
        yield Site(root, inside, haproxy.log)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("services")
    # Before there is a network of its own.
    root_file_system()
    with in_a_thread(lambda inside: living(inside, root)) as found:
        yield found


def test_one_request_is_followed_by_its_id_through_all_logs(site: Site) -> None:
    status, identity = site.ask(
        "POST", "/api/transform?token=do-not-tell", {"text": "Once. Twice."}, {"X-Request-Id": "a-strangers-own"}
    )
    assert status == 200
    found = {name: site.told(name, identity) for name in ("edge", *PORTS)}
    assert [(line["path"], line["status"]) for line in found["edge"]] == [("/api/transform", 200)]
    assert [(line["path"], line["status"]) for line in found["api"]] == [("/api/transform", 200)]
    assert [line["path"] for line in found["ml-gateway"]] == ["/v2/comic/runsync"]
    assert [line["path"] for line in found["ml-mock"]] == ["/v2/comic/runsync"]
    for name in PORTS:
        [line] = found[name]
        assert (line["service"], line["environment"], line["release"], line["level"]) == (name, "staging", "1.2.0", "info")
        assert line["replica"]
    assert found["edge"][0]["environment"] == "staging"
    assert not [name for name in ("edge", *PORTS) if "a-strangers-own" in site.text(name) or "do-not-tell" in site.text(name)]


def test_playbooks_logs_shows_it_merged_by_time(site: Site) -> None:
    _, identity = site.ask("POST", "/api/transform", {"text": "Once."})
    kept = []
    for name in ("edge", *PORTS):
        site.told(name, identity)
        lines = [line for line in site.text(name).splitlines() if identity in line]
        kept += [{"time": json.loads(line)["time"], "replica": name, "text": line} for line in lines]
    answer = {"lines": kept, "services": ["edge", "morpheus.api"], "unread": [], "left_out": 0}
    _, _, *shown = log_lines.table(log_lines.report({"app-1": answer}, "staging", [], "1h", identity))
    # The edge has the end of an answer when the API has not yet written its line.
    order = [line.split()[2] for line in shown]
    assert (order[:2], sorted(order[2:])) == (["ml-mock", "ml-gateway"], ["api", "edge"])
    assert all(f"request_id={identity}" in line for line in shown)


def test_requests_at_once_keep_their_ids_apart(site: Site) -> None:
    def all_at_once() -> list[str]:
        threads = [
            in_this_network(partial(site._ask, "POST", "/api/transform", {"text": f"Story {number}."}, {})) for number in range(6)
        ]
        return [future.result()[1] for future in threads]

    identities = site.inside.submit(all_at_once).result()
    assert len(set(identities)) == 6
    for identity in identities:
        assert [len(site.told(name, identity)) for name in PORTS] == [1, 1, 1]


def in_this_network(work: Callable[[], Any]) -> Future[Any]:
    """In a thread that this one starts, which lives where this one does."""
    pool = ThreadPoolExecutor(1)
    found = pool.submit(work)
    pool.shutdown(wait=False)
    return found


@pytest.mark.parametrize(("word", "path", "is_told"), [("error", "/api/version", False), ("info", "/api/version", True)])
def test_the_level_follows_its_file_while_the_service_runs(site: Site, word: str, path: str, is_told: bool) -> None:
    (site.root / "api" / "level").write_text(f"{word}\n")

    def obeyed() -> bool:
        _, identity = site.ask("GET", path)
        # The API writes its line before the edge has the end of its answer.
        wait_for(lambda: site.of("edge", identity), "the edge's line")
        return bool(site.of("api", identity)) == is_told

    wait_for(obeyed, word)


def test_no_service_tells_a_secret_that_it_was_given(site: Site) -> None:
    assert not [name for name in ("edge", *PORTS) if KEY in site.text(name)]
