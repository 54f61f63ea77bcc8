# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said where the controller lacks jmespath."""

from __future__ import annotations

import sys

# As a problem and not as an error, which would not be shown: tasks that check a configuration hold secrets.
NO_JMESPATH = f"jmespath is not installed on the controller; install it with: {sys.executable} -m pip install jmespath"
