"""One network for each environment. Docker keeps bridge networks apart: that is the isolation of the sandbox."""

from __future__ import annotations

from sandbox.shell import SandboxError, comes, run, succeeds
from sandbox.world import DATABASE_NAMES, DATABASE_PORT, LABEL, SUBNETS, Host, database, network_name

# What must not answer is given this long; on one machine a connection takes a millisecond, on a busy one a second.
_CONNECT_SECONDS = 2
# What must answer is asked again for as long: a machine that has just made four hosts may be slow, and slow is not isolated.
_PATIENCE_SECONDS = 60


def ensure_network(environment: str) -> str:
    name = network_name(environment)
    if succeeds("docker", "network", "inspect", name):
        return "reused"
    subnet = f"{SUBNETS[environment]}.0/24"
    run(
        *("docker", "network", "create", "--label", LABEL, "--subnet", subnet, name),
        what=f"Creating the network {name}",
        hint=f"another network may use {subnet}: docker network ls",
    )
    return "created"


def check_isolation(host: Host) -> str:
    """The host reaches its own environment's database, and neither the name nor the address of the other's."""
    for environment in SUBNETS:
        own = environment == host.place.environment
        name, address = DATABASE_NAMES[environment], database(environment).places[0].address
        _expect(own, host, f"resolve {name}", "getent", "hosts", name)
        target = f"</dev/tcp/{address}/{DATABASE_PORT}"
        connect = ("timeout", str(_CONNECT_SECONDS), "bash", "-c", target)
        _expect(own, host, f"connect to {environment}'s database at {address}", *connect)
    return "checked: reaches its own database and not the other's"


def _expect(wanted: bool, host: Host, act: str, *command: str) -> None:
    patience = _PATIENCE_SECONDS if wanted else 0
    if not comes(lambda: succeeds("docker", "exec", host.name, *command) == wanted, patience):
        required = "must" if wanted else "must not"
        raise SandboxError(
            f"Checking the isolation: {host.name} {required} be able to {act}\n"
            "  what to do: look for firewall rules of this machine that Docker did not make (iptables -S DOCKER-USER)"
        )
