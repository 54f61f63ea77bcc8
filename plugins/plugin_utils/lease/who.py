# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs a command on this controller, as the lease and its history name people."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping

CI_USERS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER")


def who(environment: Mapping[str, str]) -> str:
    """<user>@<controller>; in CI the user is the one who started the job."""
    user = next((environment[name] for name in (*CI_USERS, "SUDO_USER") if environment.get(name)), "")
    if not user:
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            # A container may run as a user that no passwd knows.
            user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
