# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine and its containers say, as our errors and in words that can be shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

with suppress(ImportError):
    from docker.errors import APIError, DockerException


LOG_LINES = 15
LOOK = "See what it says on this host with: systemctl status docker; journalctl -u docker -n 30"


@contextmanager
def speaking(what: str) -> Iterator[None]:
    """Turn the SDK's errors, lost connections included, into EngineError with the words of the engine."""
    try:
        yield
    except EngineError:
        raise
    except APIError as exc:
        raise EngineError(f"the engine could not {what}: {exc.explanation or exc}") from exc
    except (DockerException, OSError) as exc:
        raise EngineError(f"the engine did not answer when asked to {what}: {exc}. {LOOK}") from exc


def log_of(client: Any, identity: str, **options: Any) -> bytes:
    """What a container has printed; nothing when there is none to read. Holds what the application says: see ``last_words``."""
    try:
        found: bytes = client.api.logs(identity, **options)
    except (DockerException, OSError):
        return b""
    return found


def last_words(client: Any, identity: str) -> str:
    """The end of what a container has printed, without secrets: those of this host, and those that it was started with."""
    log = log_of(client, identity, tail=LOG_LINES)
    with suppress(DockerException, OSError, LookupError, TypeError):
        said.know_variables(client.api.inspect_container(identity)["Config"]["Env"] or [])
    return said.excerpt(log)
