# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers use of this host's memory."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

with suppress(ImportError):
    from docker.errors import DockerException
    from urllib3.exceptions import HTTPError


class Usage:
    """Memory of containers on this host."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def memory(self, identity: str) -> int:
        """Bytes that a container uses, files that the kernel may drop aside, as ``docker stats`` says it; 0 when nobody knows."""
        try:
            found = self._client.api.stats(identity, stream=False, one_shot=True)["memory_stats"]
            return max(0, int(found["usage"]) - int((found.get("stats") or {}).get("inactive_file", 0)))
        except (DockerException, OSError, HTTPError, LookupError, TypeError, ValueError):
            return 0
