"""The same app on the same host, deployed by `docker compose up -d` alone, behind an HAProxy that asks Docker's DNS."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from sandbox.world import STANDARD_HOSTS
from tests.acceptance.world import eventually, on
from tests.bench.cpu import ON_HOST, spent
from tests.bench.figures import Sample
from tests.bench.forward import forwarded
from tests.bench.inside import HOST
from tests.bench.rollouts import LOAD, RELEASES, under_load
from tests.load import Load, Settings

FILE, LOCK, PORT = "/run/bench.yml", "/run/bench.lock", 18080
STACK = "/var/lib/morpheus.deploy/stacks/morpheus/project"
# One at a time, because what `docker exec` began goes on when it is interrupted.
COMPOSE = ("flock", LOCK, "docker", "compose", "--progress", "quiet", "--project-name", "bench")
FILES = ("--file", f"{STACK}/compose.yml", "--file", f"{STACK}/compose.staging.yml", "--file", FILE)


@contextmanager
def project() -> Iterator[Callable[[str], Sample]]:
    """What deploys a release under load. Nothing of the project stays."""
    (address,) = (host.place.address for host in STANDARD_HOSTS if host.name == HOST)
    added = Path(__file__).with_name("compose.yml").read_bytes()
    try:
        subprocess.run(["docker", "exec", "-i", HOST, "tee", FILE], input=added, stdout=subprocess.DEVNULL, check=True)
        with forwarded(address, PORT) as port:
            # Both, so that no image is pulled while something is measured.
            for release in RELEASES:
                _up(release)
            yield lambda release: _deploy(release, port)
    finally:
        on(HOST, *COMPOSE, "down", "--volumes", "--timeout", "5")
        on(HOST, "rm", "-f", FILE, LOCK)


def _deploy(release: str, port: int) -> Sample:
    eventually(lambda: all(_is_served(port) for _ in range(30)), "the Compose project serves for three seconds on end", 120)
    load = Load(Settings(url="http://staging.morpheus.app", connect=f"127.0.0.1:{port}", **LOAD))
    return under_load(load, release, lambda: _up(release))


def cost(release: str) -> Sample:
    """Without load; ``docker compose`` runs on the host."""
    with spent() as cpu:
        _up(release)
    return {ON_HOST: cpu[ON_HOST]}


def _up(release: str) -> float:
    begin = time.monotonic()
    on(HOST, "env", f"STACK_RELEASE={release}", *COMPOSE, "--project-directory", STACK, *FILES, "up", "--detach")
    return time.monotonic() - begin


def _is_served(port: int) -> bool:
    time.sleep(0.1)
    try:
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/health", timeout=5):
            return True
    except OSError:
        return False
