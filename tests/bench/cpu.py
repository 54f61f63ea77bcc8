"""Seconds of CPU, which a busy machine stretches less than seconds on the wall."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import docker

from tests.bench.figures import Sample
from tests.bench.inside import HOST

ON_HOST, ON_CONTROLLER = "CPU on the host, s", "CPU on the controller, s"


@contextmanager
def spent() -> Iterator[Sample]:
    """Filled at its end: what everything on the host took meanwhile, and what the commands that were awaited here took."""
    found: Sample = {}
    client = docker.from_env()
    try:
        host, here = _of_host(client), _of_children()
        yield found
        found |= {ON_HOST: _of_host(client) - host, ON_CONTROLLER: _of_children() - here}
    finally:
        client.close()


def _of_host(client: docker.DockerClient) -> float:
    """As its control group counts, with all containers in it."""
    usage: int = client.api.stats(HOST, stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"]
    return usage / 1e9


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
