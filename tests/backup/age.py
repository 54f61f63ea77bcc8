# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""age, from Debian's package, unpacked where it is not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Key:
    """``identity`` opens what was encrypted to ``recipient``."""

    recipient: str
    identity: str = field(repr=False)


@contextmanager
def on_the_path() -> Iterator[None]:
    """Without a network and without age the tests fail and say so."""
    if shutil.which("age"):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="tests-age-") as directory:
        got = subprocess.run(["apt-get", "download", "age"], cwd=directory, capture_output=True, check=False)
        packages = [str(path) for path in Path(directory).glob("age_*.deb")]
        if got.returncode or not packages:
            pytest.fail("These tests need age: apt-get install age", pytrace=False)
        subprocess.run(["dpkg", "--extract", packages[0], directory], check=True, capture_output=True)
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{directory}/usr/bin:{before}"
        try:
            yield
        finally:
            os.environ["PATH"] = before


def key() -> Key:
    made = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True)
    identity = next(line for line in made.stdout.splitlines() if line.startswith("AGE-SECRET-KEY"))
    recipient = next(line for line in made.stdout.splitlines() if "public key: " in line).rpartition(" ")[2]
    return Key(recipient, identity)
