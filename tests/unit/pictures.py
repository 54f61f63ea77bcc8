"""Pictures of the live output in docs/pictures, drawn by what draws it on a terminal: `python -m tests.unit.pictures`."""

from __future__ import annotations

import io
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from ansible_collections.morpheus.deploy.plugins.plugin_utils.live import terminal
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.show import BAD, CHANGED, OK, QUIET, Show
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.times import Times
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tests.unit.clock import Clock

PICTURES = ROOT / "docs" / "pictures"
WIDTH = 80
_STYLES = {OK: "green", CHANGED: "yellow", BAD: "red", QUIET: "cyan", "": ""}
# Its font comes from elsewhere.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code, ", "")
PHASES = (
    ("Check the configuration", 1.4),
    ("Make sure that hosts and database are the environment's, and take the lease", 2.1),
)


class Picture:
    """A run that is played to it, up to the moment that is drawn."""

    def __init__(self, inventory: str) -> None:
        self.screen = Console(
            record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False, markup=False, emoji=False
        )
        self.clock = Clock(0.0)
        self.show = Show(self._say, f"deploy  inventories/{inventory}", _Expected(), region=self, clock=self.clock.now)

    def _say(self, line: str, kind: str) -> None:
        self.screen.print(Text(line, style=_STYLES[kind]))

    def draw(self, view: Any, now: float) -> None:
        """Only at the moment that is asked for."""

    def stop(self) -> None:
        """Nothing is drawn yet."""

    def verdict(self, lines: Sequence[str]) -> None:
        box, below = terminal.boxed(lines, WIDTH)
        self.screen.print(box)
        for line in below:
            self.screen.print(Text(line))

    def begin(self, hosts: Sequence[str]) -> None:
        for name, seconds in PHASES:
            self.show.phase(name, hosts)
            self.clock.sleep(seconds)
        self.show.phase("Prepare the release on every host", hosts)
        self.show.task("Bring files, secrets and images")
        for host in hosts:
            self.show.begin(host)
            self.show.end(host, changed=True)
        self.clock.sleep(6.2)
        self.show.phase("Migrate the database", hosts)
        self.clock.sleep(0.6)
        self.show.phase("Roll out", hosts, 7)
        self.show.task("Switch to the release")

    def tells(self, host: str, event: str, seconds: float = 0.0, **more: Any) -> None:
        self.show.saw({"host": host, "event": event, **more})
        self.clock.sleep(seconds)

    def step(self, host: str, service: str, action: str, text: str, *replicas: str, event: str = "intent") -> None:
        self.tells(host, event, service=service, action=action, text=f"{service}: {text}", replicas=list(replicas))

    def starts(self, host: str, release: str, service: str, *replicas: str) -> None:
        self.show.begin(host, rolls_out=True)
        self.tells(host, "begin", 0.4, release=release, kind="deploy", steps=14)
        self.tells(host, "started", 1.5, service=service, replicas=list(replicas))

    def drawn(self) -> None:
        now = self.clock.now()
        self.screen.print(terminal.drawing(self.show.view.heads(now), self.show.view.rows(now)))

    def svg(self, name: str, title: str) -> str:
        found = self.screen.export_svg(title=title, unique_id=name, code_format=_FORMAT)
        return "\n".join(line.rstrip() for line in found.splitlines()) + "\n"


class _Expected(Times):
    def __init__(self) -> None:
        """Earlier runs took as long as such runs take."""

    def expected(self, what: str) -> float:
        return {"run": 41.0, "Roll out": 28.0}.get(what, 3.0)


def good() -> Picture:
    picture = Picture("production")
    hosts = ["production-app-1", "production-app-2"]
    picture.begin(hosts)
    picture.starts(hosts[0], "1.1.0", "api", "morpheus-api-3")
    picture.clock.sleep(11.0)
    picture.show.rolled_out(hosts[0], {"changed": True, "release": "1.1.0"}, failed=False)
    picture.show.end(hosts[0])
    picture.starts(hosts[1], "1.1.0", "api", "morpheus-api-3", "morpheus-api-4")
    for name, attempt, last in (("morpheus-api-3", 9, "good"), ("morpheus-api-4", 9, "good")):
        picture.tells(hosts[1], "judged", service="api", replica=name, attempts=attempt, healthy=True, last=last)
    picture.step(hosts[1], "api", "admit", "admit 2 candidates at the edge", event="done")
    picture.step(hosts[1], "api", "drain", "drain morpheus-api-1, morpheus-api-2", "morpheus-api-1", "morpheus-api-2")
    picture.tells(hosts[1], "users", service="api", requests=812, errors=0)
    picture.tells(hosts[1], "requests", service="api", replicas=["morpheus-api-1", "morpheus-api-2"], left=3)
    picture.tells(hosts[1], "started", service="web", replicas=["morpheus-web-2"])
    last = "status 503, expected 200: starting"
    picture.tells(hosts[1], "gate", 2.0, service="web", replica="morpheus-web-2", attempts=4, last=last)
    picture.drawn()
    return picture


def bad() -> Picture:
    picture = Picture("staging")
    host = "staging-app-1"
    picture.begin([host])
    picture.starts(host, "1.9.2", "api", "morpheus-api-3")
    picture.clock.sleep(5.0)
    message = (
        'service "api": morpheus-api-3 did not pass its gate: after 21 attempts in 5.2 s the last answer of\n'
        "http://172.18.0.5:8000/health was: it reports version 1.0.0, expected 1.9.2.\n"
        "The last log lines of morpheus-api-3:\n"
        "listening on 0.0.0.0:8000, release 1.0.0\n"
        "Nothing was switched: this host runs what it ran before (1.1.0)"
    ).replace(" of\nhttp", " of http")
    picture.show.rolled_out(host, {"release": "1.9.2"}, failed=True)
    picture.show.end(host)
    picture.show.failure("FAILED", host, message)
    picture.show.stop()
    reason = message.splitlines()[0]
    picture.show.verdict(
        [
            "VERDICT failed: staging 1.9.2 (was 1.1.0) in 17.9 s",
            "  staging-app-1 runs 1.1.0",
            "  details: .deploy/staging/verdict.json",
            f"  {reason}",
        ]
    )
    return picture


def many() -> Picture:
    picture = Picture("production")
    hosts = [f"production-app-{number:03}" for number in range(1, 101)]
    picture.begin(hosts)
    for host in hosts[:36]:
        picture.show.view.board.expect(hosts)
        picture.show.view.board.begin(host, picture.clock.now())
        picture.show.view.board.end(host, {"release": "1.1.0"}, picture.clock.now(), failed=False)
    picture.clock.sleep(140.0)
    for number, host in enumerate(hosts[36:46]):
        picture.show.view.board.begin(host, picture.clock.now())
        picture.tells(host, "begin", 0.3, release="1.1.0", kind="deploy", steps=14)
        picture.step(host, "api", "gate", "gate 2 candidates")
        last = ["connection refused", "status 503, expected 200: starting", "good"][number % 3]
        picture.tells(host, "gate", 0.2, service="api", replica="morpheus-api-3", attempts=1 + number, last=last)
    picture.drawn()
    return picture


DRAWN: dict[str, tuple[Callable[[], Picture], str]] = {
    "live-good": (good, "ansible-playbook deploy.yml -i inventories/production"),
    "live-bad": (bad, "ansible-playbook deploy.yml -i inventories/staging -e stack_release=1.9.2"),
    "live-100-hosts": (many, "ansible-playbook deploy.yml -i inventories/production"),
}


def pictures() -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory() as directory, chdir(directory):
        for name, (draw, title) in DRAWN.items():
            yield PICTURES / f"{name}.svg", draw().svg(name, title)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for path, text in pictures():
        path.write_text(text)
