# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand what the engine tells on this host's loopback to the node exporter, as a file of its textfile collector.

So no container and nobody outside reaches the engine, and whoever watches the host learns of it as of everything else there.
``engine_up`` says whether it answered. Arguments: the engine's address, and the file.
"""

from __future__ import annotations

import sys
import time
import urllib.request
from pathlib import Path

EVERY_SECONDS = 15.0
ANSWER_SECONDS = 5.0
# The node exporter has metrics of its own process by the same names as the engine, and refuses to tell one twice.
OWN = ("engine_daemon_", "# HELP engine_daemon_", "# TYPE engine_daemon_")
UP = "# HELP engine_up Whether the engine told of itself.\n# TYPE engine_up gauge\nengine_up {}\n"


def told(address: str) -> str:
    """As the file has it."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=ANSWER_SECONDS) as answer:
            text = answer.read().decode()
    except (OSError, ValueError):
        return UP.format(0)
    return "".join(f"{line}\n" for line in text.splitlines() if line.startswith(OWN)) + UP.format(1)


def write(path: Path, text: str) -> None:
    """Whole or not at all. Names that begin with a dot are not read."""
    new = path.with_name(f".{path.name}")
    new.write_text(text)
    new.chmod(0o644)
    new.replace(path)


def main() -> None:
    address, path = sys.argv[1], Path(sys.argv[2])
    while True:
        try:
            write(path, told(address))
        except OSError as error:
            print(f"{path} cannot be written: {error.strerror}", file=sys.stderr, flush=True)
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    main()
