# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of ours is on a host, and the names there that several parts must agree on."""

from __future__ import annotations

from pathlib import Path

# What this collection keeps: the stacks with their releases, the edge, the lease and the history.
ROOT = Path("/var/lib/morpheus.deploy")
STACKS_ROOT = ROOT / "stacks"
EDGE_ROOT = ROOT / "edge"
EGRESS_ROOT = ROOT / "egress"
LOGS_ROOT = ROOT / "logs"
# Below it, what the node exporter reads.
METRICS = "metrics"
# What modules have compiled. Whoever wants the room takes it away.
BYTECODE_ROOT = Path("/var/cache/morpheus.deploy")
# Whose the host is, and what it was like when it was taken over.
IDENTITY_ROOT = Path("/etc/morpheus.deploy")
OWNER_FILE = IDENTITY_ROOT / "identity.json"
BASELINE_FILE = IDENTITY_ROOT / "baseline.json"

# The network on which the edge reaches replicas.
EDGE_NETWORK = "edge"
# In the edge's container: its configuration, and its sockets.
HAPROXY_DIRECTORY = "/usr/local/etc/haproxy"
RUN_DIRECTORY = "/run/haproxy"
# In a container of a stack: the files with secrets.
SECRETS_IN_CONTAINER = "/run/secrets/"

# The engine's settings.
DAEMON_FILE = Path("/etc/docker/daemon.json")
