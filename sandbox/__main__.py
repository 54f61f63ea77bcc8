"""The command line: up, down, images, monitoring and status."""

from __future__ import annotations

import argparse
import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sandbox.engine import answers
from sandbox.shell import SandboxError, run
from sandbox.steps import run_steps
from sandbox.teardown import remove_everything, remove_hosts
from sandbox.up import steps_images, steps_monitoring, steps_up
from sandbox.world import HOSTS, LABEL, STANDARD_HOSTS, STATE, Host


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.command == "status":
            print(_status())
            return 0
        with _alone():
            if options.command == "up":
                _up(options.hosts or STANDARD_HOSTS)
            elif options.command == "images":
                run_steps(steps_images(STATE))
            elif options.command == "monitoring":
                run_steps(steps_monitoring(STATE))
            elif options.hosts:
                remove_hosts(options.hosts)
            else:
                remove_everything(STATE)
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on from here", file=sys.stderr)
        return 130
    return 0


def _up(hosts: Sequence[Host]) -> None:
    started = time.monotonic()
    run_steps(steps_up(hosts, STATE))
    print(f"up after {time.monotonic() - started:.1f} s: ssh -F {STATE / 'ssh_config'} {hosts[0].name}")


def _status() -> str:
    if not answers():
        return "no Docker engine answers: the sandbox is down"
    layout = "table {{.Names}}\t{{.Status}}\t{{.Networks}}\t{{.Ports}}"
    listing = ("docker", "ps", "--all", "--filter", f"label={LABEL}", "--format", layout)
    return run(*listing, what="Listing the sandbox").rstrip()


@contextmanager
def _alone() -> Iterator[None]:
    """One command that makes or removes at a time; the lock ends with the process, however that ends."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    with (STATE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError("Another command of this sandbox is running: wait for its end") from None
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m sandbox", description="A simulated outside world on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    known = "comma-separated; known: " + ", ".join(host.name for host in HOSTS)
    standard = ", ".join(host.name for host in STANDARD_HOSTS)
    up = commands.add_parser("up", help="make what is missing")
    up.add_argument("--hosts", type=_hosts, help=f"{known}; default: {standard}")
    down = commands.add_parser("down", help="remove every trace, or only these hosts and what they hold")
    down.add_argument("--hosts", type=_hosts, help=known)
    commands.add_parser("images", help="make an engine and the images that `make dev` stands on, and nothing else")
    commands.add_parser("monitoring", help="bring what stacks/monitoring pulls into the registry of a sandbox that is up")
    commands.add_parser("status", help="show what runs")
    return parser


def _hosts(text: str) -> list[Host]:
    by_name = {host.name: host for host in HOSTS}
    names = text.split(",")
    if unknown := [name for name in names if name not in by_name]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(by_name)}")
    return [by_name[name] for name in names]


if __name__ == "__main__":
    sys.exit(main())
