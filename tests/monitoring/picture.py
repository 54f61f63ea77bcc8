"""The picture of Prometheus' own page with a deploy and a rollback in it: `python -m tests.monitoring.picture`, as root.

Real: both rollouts under load over a real HAProxy, which metrics they leave, the node exporter, Prometheus and its page, which
Chromium draws. Replicas are toys of the edge laboratory, so no engine is needed. It takes some minutes, which are its time axis.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import METRICS
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import Claim
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import measured
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.switch import HostRollout
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring import targets
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Host

from tests.edge_lab.edge import running_edge
from tests.edge_lab.examples import Release, Service
from tests.edge_lab.haproxy import root_file_system
from tests.edge_lab.host import STACK, LabHost
from tests.edge_lab.load import Load, Place
from tests.edge_lab.namespace import own_network
from tests.edge_lab.toys import Loop, ToyDocker
from tests.hangs import HANGS_AFTER_SECONDS
from tests.monitoring.environments import INVENTORY, PRODUCTION, production
from tests.monitoring.programs import running
from tests.monitoring.watching import await_, is_ready
from tests.monitoring.world import flags
from tests.unit.run_page_picture import BROWSERS

PICTURE = ROOT / "docs" / "pictures" / "prometheus-deploy.png"
SIZE = (1180, 2302)
API = Service("api", (("shop.example.com", "/"),), monitor=10.0)
# Between what happens.
QUIET_SECONDS = 30.0
REQUEST_SECONDS = 0.04
PORT, NODE = 9090, 9100
# What is asked, and whether it is drawn as areas above each other.
PANELS = [
    ('sum by (code) (rate(haproxy_backend_http_responses_total{code!="other"}[20s]))', False),
    ('sum by (release) (deploy_release_info{stack="shop"})', True),
    ("time() - max by (what) (deploy_lease_held_since_seconds)", False),
]


def draw(picture: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit("Chromium is not here; install it: apt-get install chromium fonts-dejavu-core")
    root_file_system()
    root = Path(tempfile.mkdtemp(prefix="edge-lab."))
    try:
        with own_network(), running_edge(root, lambda loop: ToyDocker(loop, STACK)) as edge, _prometheus(root):
            host = edge.host()
            first, second = Release("1.0.0", (API,)), Release("1.1.0", (API,))
            for release in (first, second):
                host.write(release)
            _run(root, host, first, Kind.DEPLOY)
            with _users(edge.loop):
                time.sleep(QUIET_SECONDS)
                # Of what was before, a rate knows too little.
                began = time.monotonic()
                for release, kind in ((second, Kind.DEPLOY), (first, Kind.ROLLBACK)):
                    time.sleep(QUIET_SECONDS)
                    _run(root, host, release, kind)
                time.sleep(QUIET_SECONDS)
                _shoot(browser, root, picture, round(time.monotonic() - began))
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _prometheus(root: Path) -> Iterator[None]:
    """What the inventory of one host gives, asked each second."""
    (root / METRICS).mkdir(parents=True)
    inventory = replace(INVENTORY, hosts=[Host("watch-1", "127.0.0.1:8405", "127.0.0.1:443")])
    document = targets.prometheus(production(PRODUCTION, inventory))
    document["global"] |= dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s")
    document["scrape_configs"] = [one for one in document["scrape_configs"] if one["job_name"] in ("edge", "node")]
    del document["rule_files"], document["alerting"]
    config = root / "prometheus.yml"
    config.write_text(yaml.safe_dump(json.loads(json.dumps(document))).replace(targets.NODE, f"127.0.0.1:{NODE}"))
    node = (f"--web.listen-address=127.0.0.1:{NODE}", *flags("compose.hosts.yml", "node-exporter", root / METRICS))
    itself = (
        *(f"--config.file={config}", f"--storage.tsdb.path={root / 'prometheus'}"),
        f"--web.listen-address=127.0.0.1:{PORT}",
    )
    with ExitStack() as stack:
        stack.enter_context(running("prometheus-node-exporter", *node, log=root / "node.log"))
        stack.enter_context(running("prometheus", *itself, log=root / "prometheus.log"))
        await_("Prometheus", lambda: is_ready(PORT))
        yield


@contextmanager
def _users(loop: Loop) -> Iterator[None]:
    load = Load(loop, [Place("shop.example.com", "/")], REQUEST_SECONDS)
    load.start()
    try:
        yield
    finally:
        load.stop()
    hurt = [str(one) for one in load.requests if one.error or one.status != 200]
    assert hurt == [], hurt[:5]


def _run(root: Path, host: LabHost, release: Release, kind: Kind) -> None:
    """As a run of a playbook: with the lease, and what the module tells at its end."""
    lease = Lease("production", root)
    what = f"{kind.value} {release.name}"
    token = lease.acquire(Claim("anna@laptop", what, what)).token
    with alone(host, token, what) as fence:
        rollout = HostRollout(host, fence)
        done = rollout.prepare(f"{release.name}-id", restart=False, kind=kind)
        rollout.execute(done)
    assert done.outcome.failures == [], done.outcome.failures
    measured.keep(host.releases, done, time.time())
    assert lease.release(token)


def _shoot(browser: str, root: Path, picture: Path, seconds: int) -> None:
    asked: dict[str, object] = {}
    for number, (query, is_stacked) in enumerate(PANELS):
        panel = {"expr": query, "tab": 0, "stacked": int(is_stacked), "range_input": f"{seconds}s", "step_input": 1}
        asked |= {f"g{number}.{name}": value for name, value in panel.items()}
    command = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={root}/profile"]
    command += [f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={root}/page.png", "--virtual-time-budget=20000"]
    command += [f"http://127.0.0.1:{PORT}/graph?{urllib.parse.urlencode(asked)}"]
    subprocess.run(command, check=True, capture_output=True, timeout=HANGS_AFTER_SECONDS)
    picture.write_bytes((root / "page.png").read_bytes())


if __name__ == "__main__":
    draw(PICTURE)
