# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every worker of Ansible finds done already, because it is a fork of this process."""

from __future__ import annotations

import atexit
import gc
import os

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, test_loader
from ansible.template import Templar, trust_as_template
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.archives import Archives

# One of each kind that has a loader of its own: with the first one Ansible loads all that lie beside it.
JINJA_PLUGINS = (
    (filter_loader, "ansible.builtin.b64encode"),
    (filter_loader, "morpheus.deploy.env_file"),
    (test_loader, "ansible.builtin.version"),
)


def prepare() -> None:
    """Load what templates need, and bring what modules are packed in. Every worker would else do it again, for each task."""
    for loader, name in JINJA_PLUGINS:
        loader.get(name)
    # For this Jinja makes the words that it knows in templates, for good.
    Templar(DataLoader()).template(trust_as_template("{{ 0 }}"))
    archives, main = Archives(), os.getpid()
    archives.bring()
    # Before Ansible's own, which throws them away.
    atexit.register(lambda: archives.keep() if os.getpid() == main else None)


def keep_from_collector() -> None:
    """Let the garbage collector of no worker look at what is here already: it all stays, and looking copies its memory."""
    gc.freeze()
