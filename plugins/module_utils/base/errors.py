# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong. ``run_module`` catches DeployError, and FencedError, once and turns them into fail_json."""

from __future__ import annotations

import platform
import sys


class DeployError(Exception):
    """Something a person can act on: the message says what failed, what was seen and what to do."""


class ConfigError(DeployError):
    """The configuration cannot be used; ``problems`` holds every finding, each beginning with its path."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{count} in the configuration:\n" + "\n".join(f"  - {problem}" for problem in problems))


class EngineError(DeployError):
    """The container engine or Compose refused or failed."""


class RegistryDownError(EngineError):
    """No registry answered when an image was to be pulled, so whether the image exists is not known."""


class EdgeError(DeployError):
    """HAProxy rejected a configuration or did not answer on its sockets."""


class GateError(DeployError):
    """A candidate was not admitted: it did not pass the health gate, or failed while it was watched.

    ``candidate`` is the name of the one whose log may say more.
    """

    def __init__(self, message: str, candidate: str = "") -> None:
        self.candidate = candidate
        super().__init__(message)


class FencedError(Exception):
    """This run's lease has gone to another run. Not a DeployError: nothing may be taken back either."""


def missing_library(name: str) -> DeployError:
    """For a Python library that a host needs and lacks."""
    return DeployError(
        f"{name} is not installed for {sys.executable} on this host ({platform.node()}); install it with: "
        "ansible-playbook playbooks/provision.yml -i <inventory> --tags engine"
    )
