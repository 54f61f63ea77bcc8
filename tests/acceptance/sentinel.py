"""A marked secret, and where it can be found afterwards: on both sides, in any usual encoding, while runs go on and after."""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.acceptance.world import ROOT, on
from tests.hangs import HANGS_AFTER_SECONDS
from tests.meanwhile import meanwhile

MARK = "sentinel" + secrets.token_hex(16)
# With all that encoders, parsers and shells stumble over around it.
VALUE = f" {MARK} $HOME \"double\" 'single' # \\ ümläut\nsecond line "
# Of the command line of a process: at first at each look, later at one of so many.
_NEW_LOOKS, _EVERY_LOOKS = 5, 50


@cache
def needles() -> list[bytes]:
    """The mark as it stands in plain, JSON, URL and shell text, and in base64 (at each alignment) and hexadecimal text."""
    raw = MARK.encode()
    # Characters at the edges depend on what stands beside the mark.
    shifted = [base64.b64encode(b" " * shift + raw)[4:-4] for shift in range(3)]
    return [raw, *shifted, raw.hex().encode()]


def holds(content: bytes) -> bool:
    return any(needle in content for needle in needles())


@dataclass
class Traces:
    """Places on the controller that a run may write to, each its own, and what was seen while runs went on."""

    directory: Path
    found: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        home = self.directory / "home"
        return {
            "ANSIBLE_LOG_PATH": str(self.directory / "ansible.log"),
            "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.directory / "facts"),
            "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
            "TMPDIR": str(self.directory / "tmp"),
        }

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Meanwhile: every command line of this machine, the hosts' processes included, and every temporary file of ours."""
        (self.directory / "tmp").mkdir(parents=True, exist_ok=True)
        looks = [0]
        ages: dict[str, int] = {}

        def look() -> None:
            looks[0] += 1
            self.found += [f"command line of process {process}" for process, line in _command_lines(ages) if holds(line)]
            for path in _files(self.directory):
                with suppress(OSError):
                    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH) and holds(path.read_bytes()):
                        self.found.append(f"temporary file that others can read: {path}")

        with meanwhile(look, 0.02):
            yield
        assert looks[0] > 10, "the watch was asleep"

    def left(self) -> list[str]:
        """Files of the controller that hold the mark now."""
        places = [self.directory, ROOT / ".deploy", ROOT / ".cache", Path.home() / ".ansible"]
        return [str(path) for place in places for path in _files(place) if holds(path.read_bytes())]


def _command_lines(ages: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    """Of each process that is new, and now and then of each older one: to read those of hundreds takes a whole processor.

    ``ages``: process -> how often it was there, kept from one look to the next.
    """
    running = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    for gone in ages.keys() - set(running):
        del ages[gone]
    for process in running:
        ages[process] = ages.get(process, 0) + 1
        # It may become another program soon after its start.
        if ages[process] <= _NEW_LOOKS or ages[process] % _EVERY_LOOKS == 0:
            with suppress(OSError):
                yield process, Path("/proc", process, "cmdline").read_bytes()


def _files(place: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(place):
        yield from (path for path in (Path(directory) / name for name in names) if path.is_file() and not path.is_symlink())


# Reads its needles from its input, so that they stand in no command line. Prints path, mode and whether others can read it; of
# processes of the host itself what they were started with, open to others or not. Those in containers have what they were given.
# While the engine starts a health check, a file of runc's holds what the container was given, and must go by itself.
_SEARCH = """
import base64, json, os, stat, sys, time
needles = [base64.b64decode(word) for word in json.load(sys.stdin)]
skipped = ("/proc", "/sys", "/dev", "/var/lib/docker/overlay2", "/var/lib/containerd", "/usr", "/var/lib/apt", "/var/cache")
closed, passing = {}, {}
def reachable(path):
    if path not in closed:
        closed[path] = path == "/" or (bool(os.lstat(path).st_mode & stat.S_IXOTH) and reachable(os.path.dirname(path)))
    return closed[path]
own = os.stat("/proc/self/ns/mnt").st_ino
for process in filter(str.isdigit, os.listdir("/proc")):
    for name in ("cmdline", "environ"):
        try:
            if os.stat(f"/proc/{process}/ns/mnt").st_ino != own:
                continue
            content = open(f"/proc/{process}/{name}", "rb").read()
        except OSError:
            continue
        if any(needle in content for needle in needles):
            words = open(f"/proc/{process}/comm").read().strip()
            print(json.dumps([f"/proc/<{words}>/{name}", "0o444" if name == "cmdline" else "0o400", name == "cmdline"]))
for directory, names, files in (found for place in ("/", "/dev/shm") for found in os.walk(place)):
    names[:] = [name for name in names if os.path.join(directory, name) not in skipped]
    for name in files:
        path = os.path.join(directory, name)
        try:
            info = os.lstat(path)
            if not stat.S_ISREG(info.st_mode) or info.st_size > 50_000_000:
                continue
            with open(path, "rb") as stream:
                content = stream.read()
        except OSError:
            continue
        if any(needle in content for needle in needles):
            found = json.dumps([path, oct(info.st_mode & 0o777), bool(info.st_mode & 0o044) and reachable(directory)])
            if name.startswith("runc-process") and not info.st_mode & 0o077:
                passing[path] = found
            else:
                print(found)
deadline = time.monotonic() + 20
while (left := [path for path in passing if os.path.exists(path)]) and time.monotonic() < deadline:
    time.sleep(0.1)
for path in left:
    print(passing[path])
"""


def on_host(host: str) -> list[tuple[str, str, bool]]:
    """Path, mode and whether others can read it, of every file of a host that holds the mark; images aside."""
    words = json.dumps([base64.b64encode(needle).decode() for needle in needles()])
    command = ["docker", "exec", "-i", host, "python3", "-c", _SEARCH]
    done = subprocess.run(command, input=words, capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=True)
    return [(path, mode, open_) for path, mode, open_ in map(json.loads, done.stdout.splitlines())]


def in_containers(host: str) -> list[str]:
    """Names of containers of a host, stopped ones too, of which the engine says the mark."""
    names = on(host, "docker", "ps", "--all", "--format", "{{.Names}}").split()
    return [name for name in names if holds(on(host, "docker", "inspect", name, check=False).encode())]
