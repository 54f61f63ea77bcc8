#!/usr/bin/env python3
"""Fetches what the API takes from PyPI, for the image: into .packages/ beside this file, before the image is built.

The image has no pip and needs no way to PyPI. Versions and hashes stand in api/requirements.txt. Run again it does nothing,
unless those have changed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "api" / "requirements.txt"
PACKAGES = HERE / ".packages"
# Of Debian trixie, on which the images stand.
PYTHON = "3.13"
PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")


def main() -> int:
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())
    wanted = hashlib.sha256(f"{PYTHON} {machine}\n".encode() + REQUIREMENTS.read_bytes()).hexdigest()
    stamp = PACKAGES / ".fetched"
    if stamp.is_file() and stamp.read_text() == wanted:
        return 0
    beside = PACKAGES.with_name(f".packages.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    command = (
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--only-binary", ":all:"),
        *("--require-hashes", "--implementation", "cp", "--python-version", PYTHON, "--target", str(beside)),
        *(word for one in PLATFORMS for word in ("--platform", f"{one}_{machine}")),
        *("--requirement", str(REQUIREMENTS)),
    )
    try:
        if subprocess.run(command, check=False).returncode:
            sys.stderr.write(f"{REQUIREMENTS}: not fetched, see above; PyPI must answer, and {sys.executable} needs pip\n")
            return 1
        (beside / ".fetched").write_text(wanted)
        shutil.rmtree(PACKAGES, ignore_errors=True)
        beside.rename(PACKAGES)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
