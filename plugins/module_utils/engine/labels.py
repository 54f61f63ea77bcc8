# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels of containers and networks: this collection's, and those of Compose."""

from __future__ import annotations

LABEL = "morpheus.deploy."
FINGERPRINT = LABEL + "fingerprint"
PARTS = LABEL + "parts"
RELEASE = LABEL + "release"
PORT = LABEL + "port"
# Of a short-lived container: the directory on the host that it looks at.
LOOKS_AT = LABEL + "looks_at"
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONEOFF = "com.docker.compose.oneoff"
# Of a network: its name in the Compose file.
COMPOSE_NETWORK = "com.docker.compose.network"
