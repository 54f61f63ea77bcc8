"""Sites as a browser reaches them: by name, over TLS that it verifies, at a port of this machine or wherever DNS leads."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright

CHROMIUM = ("chromium", "google-chrome-stable", "google-chrome")


@dataclass(frozen=True)
class Site:
    """``connect``: host:port in place of what DNS says; ``ca``: an authority that the browser does not know by itself.

    ``port``: of this machine, where the site is served without TLS and has no name.
    """

    name: str
    environment: str
    connect: str = ""
    ca: Path | None = None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.name}:{self.port}/" if self.port else f"https://{self.name}/"

    @property
    def is_production(self) -> bool:
        return self.environment == "production"


@contextmanager
def browser(playwright: Playwright, sites: Sequence[Site], home: Path) -> Iterator[Browser]:
    """Debian's Chromium, which knows the authorities of ``sites`` and their places, and nothing of whoever runs this.

    An authority goes into the database of NSS in a home of its own: its certificates are then as any other's to Chromium, and
    names, dates and chains are verified. Neither --ignore-certificate-errors nor its list of keys would do that.
    """
    _trust({site.ca for site in sites if site.ca}, home)
    moved = [f"MAP {site.name}:443 {site.connect}" for site in sites if site.connect]
    chromium = playwright.chromium.launch(
        executable_path=_chromium(),
        # In a container, as root, its own sandbox is not to be had.
        args=["--no-sandbox", *([f"--host-resolver-rules={', '.join(moved)}"] if moved else [])],
        env={**os.environ, "HOME": str(home)},
    )
    try:
        yield chromium
    finally:
        chromium.close()


def _chromium() -> str:
    for name in CHROMIUM:
        if found := shutil.which(name):
            return found
    pytest.fail("These tests need Chromium: apt-get install chromium", pytrace=False)


def _trust(authorities: set[Path], home: Path) -> None:
    if not authorities:
        return
    if not shutil.which("certutil"):
        pytest.fail("Chromium learns of an authority by certutil: apt-get install libnss3-tools", pytrace=False)
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    for number, ca in enumerate(sorted(authorities)):
        subprocess.run([*certutil, "-A", "-t", "C,,", "-n", f"tests {number}", "-i", str(ca)], check=True)
