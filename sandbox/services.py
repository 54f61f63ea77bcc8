"""The parts of the outside world: registry, databases, RunPod and the alert sink."""

from __future__ import annotations

from sandbox.containers import ensure_container, wait_until_ready
from sandbox.volumes import ensure_volume
from sandbox.world import Service


def ensure_service(service: Service) -> str:
    """The service runs and accepts connections."""
    options = [word for variable in service.variables for word in ("--env", variable)]
    if service.volume:
        options += ["--volume", f"{ensure_volume(service.name)}:{service.volume}"]
    outcome = ensure_container(service.name, service.image, service.places, service.ports, options)
    # By the container's own address: the database listens there only once it is initialised.
    connect = f"</dev/tcp/{service.places[0].address}/{service.port}"
    wait_until_ready(service.name, "docker", "exec", service.name, "bash", "-c", connect)
    return outcome
