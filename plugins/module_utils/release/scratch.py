# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a release is looked at before it may lie on the host."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.release.secret_files import Rights, place_secret
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace, place_files


@contextmanager
def scratch(
    release: str,
    environment: str,
    files: Mapping[str, bytes],
    secrets: Mapping[str, str],
    rights: Mapping[str, Rights] | None = None,
    executable: Collection[str] = (),
) -> Iterator[Workspace]:
    """A workspace in memory that is gone afterwards: what may yet be refused leaves no trace."""
    with leftovers.directory(leftovers.memory(), leftovers.PREPARING) as directory:
        for name, content in secrets.items():
            place_secret(directory / "secrets" / name, content, (rights or {}).get(name, Rights()))
        (directory / "secrets").mkdir(exist_ok=True)
        yield place_files(directory, release, environment, files, directory / "secrets", executable)
