"""Prometheus and Alertmanager of an environment with what is made of its inventory. Only their addresses are not those of the
stack, everything is asked each second, and no alert waits.
"""

from __future__ import annotations

import http.server
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring import receivers, rules, targets
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Watched

from tests.hangs import HANGS_AFTER_SECONDS
from tests.monitoring.parts import answering, program, well
from tests.postgres import free_port

_POLL_SECONDS = 0.2


def await_(what: str, met: Callable[[], Any]) -> Any:
    """What ``met`` gives once it is something."""
    end = time.monotonic() + HANGS_AFTER_SECONDS
    while True:
        found = met()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not come within {HANGS_AFTER_SECONDS} s"
        time.sleep(_POLL_SECONDS)


@dataclass
class Watching:
    environment: str = "production"
    port: int = field(default_factory=free_port)
    alertmanager: int = field(default_factory=free_port)
    sink: int = field(default_factory=free_port)
    # What Alertmanager has told its receivers, with the name of each.
    told: list[dict[str, Any]] = field(default_factory=list)

    def receiver(self, name: str, *severities: str) -> dict[str, Any]:
        """As an inventory has it: somebody who hears of all that it is told."""
        of = {"severities": list(severities)} if severities else {}
        return {"name": name, "kind": "webhook", "url": f"http://127.0.0.1:{self.sink}/{name}", **of}

    def firing(self, alert: str, **labels: str) -> list[dict[str, Any]]:
        wanted = ", ".join(f'{name}="{value}"' for name, value in {"alertname": alert, "alertstate": "firing", **labels}.items())
        return self.ask(f"ALERTS{{{wanted}}}")

    def last_word(self, alert: str, **labels: str) -> str:
        """What its receiver was last told of it."""
        wanted = {"alertname": alert, "environment": self.environment, **labels}.items()
        return next((str(one["status"]) for one in reversed(self.told) if wanted <= one["labels"].items()), "")

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The series of an instant query. Its own words where it refuses one."""
        address = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(address, timeout=HANGS_AFTER_SECONDS) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as exc:
            raise AssertionError(f"{query}: {exc.read().decode()}") from exc
        return cast("list[dict[str, Any]]", found["data"]["result"])

    def hear(self, request: http.server.BaseHTTPRequestHandler) -> None:
        said = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        self.told.extend({**one, "receiver": said["receiver"]} for one in said["alerts"])
        well(request)


def write(directory: Path, watched: Watched, watching: Watching, places: Mapping[str, str]) -> None:
    """Each file that is made of the inventory. ``places``: an address of the stack -> where it is found here."""
    here = {
        **places,
        targets.PROMETHEUS: f"127.0.0.1:{watching.port}",
        targets.ALERTMANAGER: f"127.0.0.1:{watching.alertmanager}",
        targets.DIRECTORY: str(directory),
    }
    assert watched.problems == [], watched.problems
    prometheus = targets.prometheus(watched)
    prometheus["global"] |= dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s")
    told = receivers.alertmanager(watched)
    told["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    documents = {
        "prometheus.yml": prometheus,
        "rules.yml": _at_once(rules.rules(watched)),
        "alertmanager.yml": told,
        "blackbox.yml": targets.blackbox(watched),
    }
    for name, document in documents.items():
        text = yaml.safe_dump(json.loads(json.dumps(document)))
        for place, instead in here.items():
            text = text.replace(place, instead)
        (directory / name).write_text(text)


def _at_once(document: dict[str, Any]) -> dict[str, Any]:
    """An alert fires as soon as its cause is there: that it waits is promtool's to see."""
    for rule in (rule for group in document["groups"] for rule in group["rules"] if "for" in rule):
        rule["for"] = "0s"
    return document


@contextmanager
def begun(directory: Path, watching: Watching) -> Iterator[None]:
    """With the files that lie in ``directory``."""
    telling = (
        *(f"--config.file={directory / 'alertmanager.yml'}", f"--storage.path={directory / 'alertmanager'}"),
        *(f"--web.listen-address=127.0.0.1:{watching.alertmanager}", "--cluster.listen-address="),
    )
    asking = (
        *(f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'prometheus'}"),
        f"--web.listen-address=127.0.0.1:{watching.port}",
        # What fires before Alertmanager is known is told again a minute later.
        "--rules.alert.resend-delay=1s",
    )
    with ExitStack() as stack:
        stack.callback(answering(watching.hear, watching.sink).end)
        stack.callback(program("prometheus-alertmanager", *telling, log=directory / "alertmanager.log").end)
        itself = program("prometheus", *asking, log=directory / "prometheus.log")
        stack.callback(itself.end)
        await_("Prometheus, or its end", lambda: is_ready(watching.port) or not itself.is_there())
        assert itself.is_there(), (directory / "prometheus.log").read_text()
        yield


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=HANGS_AFTER_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
