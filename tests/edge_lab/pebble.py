"""Pebble, an ACME authority for tests, and the DNS server that it asks: Debian's package, in the network of the laboratory."""

from __future__ import annotations

import fcntl
import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.edge_lab.haproxy import CACHE, bootstrap
from tests.unit import certificates

DIRECTORY_PORT, MANAGEMENT_PORT, DNS_PORT, DNS_MANAGEMENT_PORT = 14000, 15000, 8053, 8055
HERE = "127.0.0.1"
# Where nobody answers: the network of the laboratory has a loopback interface and nothing else.
ELSEWHERE = "192.0.2.1"
START_SECONDS = 300.0
LIFE_DAYS = 90


def programs() -> Path:
    """The directory of pebble and pebble-challtestsrv, of the Debian release that has them. Made once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    root = CACHE / "pebble"
    with (CACHE / "pebble.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            unfinished = root.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            bootstrap("pebble", unfinished, "extract")
            unfinished.rename(root)
    return root / "usr" / "bin"


@dataclass
class Pebble:
    """``ca``: the file with the authority that signed the directory's own certificate."""

    directory: Path
    ca: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        certificate, key = certificates.make([HERE, "localhost"])
        self.ca = self.directory / "pebble.pem"
        self.ca.write_text(certificate)
        (self.directory / "pebble.key").write_text(key)

    @property
    def url(self) -> str:
        return f"https://{HERE}:{DIRECTORY_PORT}/dir"

    def start(self) -> None:
        configuration = {
            "listenAddress": f"{HERE}:{DIRECTORY_PORT}",
            "managementListenAddress": f"{HERE}:{MANAGEMENT_PORT}",
            "certificate": str(self.ca),
            "privateKey": str(self.directory / "pebble.key"),
            "httpPort": 8080,
            "tlsPort": 8443,
            "externalAccountBindingRequired": False,
            "retryAfter": {"authz": 1, "order": 1},
            "certificateValidityPeriod": LIFE_DAYS * 86400,
        }
        path = self.directory / "pebble.json"
        path.write_text(json.dumps({"pebble": configuration}))
        command = [str(programs() / "pebble"), "-strict", "-config", str(path), "-dnsserver", f"{HERE}:{DNS_PORT}"]
        with (self.directory / "pebble.log").open("ab") as log:
            # Without a pause before it looks at a challenge, and without the nonces that it refuses at random.
            environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        _await(self.root)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def root(self) -> str:
        """What signs for it; another one whenever it is started."""
        return self._manage("roots/0").decode()

    def _manage(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=self.ca)
        with urlopen(f"https://{HERE}:{MANAGEMENT_PORT}/{path}", timeout=10, context=context) as answer:
            found: bytes = answer.read()
        return found


class Dns:
    """Every name leads here, but for those that are led elsewhere."""

    def lead(self, name: str, address: str) -> None:
        _manage_dns("add-a", {"host": name, "addresses": [address]})

    def back(self, name: str) -> None:
        _manage_dns("clear-a", {"host": name})


def _manage_dns(path: str, asked: Mapping[str, Any]) -> None:
    url = f"http://{HERE}:{DNS_MANAGEMENT_PORT}/{path}"
    with urlopen(Request(url, json.dumps(asked).encode(), method="POST"), timeout=10):
        pass


@contextmanager
def authority(directory: Path) -> Iterator[tuple[Pebble, Dns]]:
    """To be entered in the network of the laboratory."""
    command = [str(programs() / "pebble-challtestsrv"), "-defaultIPv4", HERE, "-defaultIPv6", ""]
    command += ["-dns01", f"{HERE}:{DNS_PORT}", "-management", f"{HERE}:{DNS_MANAGEMENT_PORT}"]
    command += ["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""]
    with (directory / "dns.log").open("ab") as log:
        dns = subprocess.Popen(command, stdout=log, stderr=log)
    pebble = Pebble(directory)
    try:
        _await(lambda: Dns().back("any.example"))
        pebble.start()
        yield pebble, Dns()
    finally:
        pebble.stop()
        dns.kill()
        dns.wait()


def _await(asked: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            asked()
            return
        except URLError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
