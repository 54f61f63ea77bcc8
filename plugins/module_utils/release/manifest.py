# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release is, and what it is called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

HASH_DIGITS = 8


@dataclass(frozen=True)
class Manifest:
    """What a release is. ``stack`` is its configuration without secrets.

    ``images``: service -> {reference, digest, id}. ``secrets``: file below secrets/ -> names of the variables in it (none for a
    file secret), never a value. ``schema``: {head, compatible_since}, see the option ``migration`` of the role preflight; empty
    without a migration. With the engine supabase also ``requires``, the version that must be applied before the release runs.
    """

    id: str
    release: str
    environment: str
    stack: Stack
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    created: str = ""
    git_sha: str = ""
    config_hash: str = ""
    secrets: Mapping[str, list[str]] = field(default_factory=dict)
    schema: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Manifest:
        """As ``as_dict`` has it. Raises TypeError when it is not what this collection writes."""
        stack = {"stack": Stack.of(document["stack"])} if "stack" in document else {}
        found = {**document, **stack}
        elsewhere = found.pop("elsewhere", [])
        return cls(**({**found, "stack": found["stack"].without(elsewhere)} if elsewhere else found))

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "release": self.release,
            "environment": self.environment,
            "created": self.created,
            "git_sha": self.git_sha,
            "config_hash": self.config_hash,
            "images": {name: dict(image) for name, image in self.images.items()},
            "secrets": {name: list(variables) for name, variables in self.secrets.items()},
            "schema": dict(self.schema),
            "stack": dict(self.stack.document),
            # Of this host alone, so no part of what the release is. A version that does not know it must not run all of it.
            **({"elsewhere": sorted(self.stack.elsewhere)} if self.stack.elsewhere else {}),
        }


def variables(name: str, content: str) -> list[str]:
    """Names of the variables in a file below secrets/; none in a file secret, which is read whole."""
    return dotenv.names(content) if name.endswith(".env") else []


def config_hash(
    environment: str,
    stack: Stack,
    files: Mapping[str, bytes],
    secret_names: Mapping[str, list[str]],
    executable: Collection[str] = (),
) -> str:
    """SHA-256 over all that a release consists of, its images aside. ``executable``: those of ``files`` that can be run."""
    content = hashlib.sha256(json.dumps([environment, stack.document, secret_names], sort_keys=True).encode())
    for path in sorted(files):
        content.update(f"\0{path}\0{hashlib.sha256(files[path]).hexdigest()}".encode())
        content.update(b"\0x" if path in executable else b"")
    return content.hexdigest()


def release_id(release: str, config: str) -> str:
    """The release's name and the beginning of its configuration's hash, so that an edited file makes another release."""
    return f"{release}-{config[:HASH_DIGITS]}"


def name_in(identity: str) -> str:
    """The name of a release whose manifest cannot be read."""
    return identity.rpartition("-")[0]
