# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we keep in Compose's project directory beside a release's files: which of them a release brought, and override.json."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import LISTING, OVERRIDE, DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import FINGERPRINT, RELEASE
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import VARIABLES, Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

# Generated beside override.json, where they are needed.
INLINE = "inline.yml"
BY_HAND = "by-hand.json"
# What stands in a project directory and is neither a file of a release nor data. The last one is a link.
OWN = (".release-files.json", ".env", "override.json", INLINE, BY_HAND, "secrets")


class LostListingError(Exception):
    """The listing is gone or says nothing. ``said``: the end of a sentence about it."""

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)


class Listing:
    """Names of the files in the project directory that a release brought; all others are the application's data."""

    def __init__(self, project: Path) -> None:
        self.path = project / ".release-files.json"

    def read(self) -> set[str]:
        """Raises LostListingError and NewerFormatError."""
        try:
            found = json.loads(LISTING.text(self.path))
            # Format 1 is a bare list, from before there were numbers.
            return set(found if isinstance(found, list) else LISTING.current(self.path, found)["files"])
        except FileNotFoundError:
            if not any(self.path.parent.glob("*")):
                return set()
            raise LostListingError("is missing") from None
        except DamagedError as exc:
            raise LostListingError(exc.said) from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise LostListingError("cannot be read") from exc

    def write(self, names: Collection[str]) -> None:
        if self.path.is_dir():
            raise LISTING.damaged(self.path, "it is a directory")
        write_atomically(self.path, json.dumps(sorted(names)), mode=0o600)


def composed(project: Path, compose_files: Sequence[str]) -> list[str]:
    """Names of the files that Compose reads in the project directory."""
    return [*compose_files, *([INLINE] if (project / INLINE).exists() else []), "override.json"]


def write_inline(project: Path, configs: Collection[str], secrets: Collection[str] = ()) -> None:
    """Make Compose forget where these have their content from, so that override.json can say where each lies as a file.

    It would copy the content into the container, which it cannot where the root is read-only. JSON has no word for it.
    """
    if configs or secrets:
        write_atomically(project / INLINE, forgetting(configs, secrets), mode=0o644)
    else:
        (project / INLINE).unlink(missing_ok=True)


def is_forgotten(project: Path, configs: Collection[str], secrets: Collection[str] = ()) -> bool:
    """Whether write_inline would change nothing."""
    path = project / INLINE
    text = forgetting(configs, secrets)
    return path.is_file() and path.read_bytes() == text.encode() if text else not path.exists()


def forgetting(configs: Collection[str], secrets: Collection[str] = ()) -> str:
    lines = []
    for element, names in (("configs", configs), ("secrets", secrets)):
        lines += [f"{element}:\n", *(f"  {json.dumps(name)}: !reset null\n" for name in sorted(names))] if names else []
    return "".join(lines)


def by_hand(project: Path, stack: Stack, workspace: Workspace, interpolation: str, name: str) -> dict[str, str]:
    """File beside them -> its content, so that people can type docker compose. No rollout reads any of these.

    Compose reads secret variables from a file of their own only where it is told to, which a file that includes all others can.
    """
    names = composed(project, stack.compose_files)
    found = {}
    secret = f"secrets/{VARIABLES}"
    if (workspace.files / secret).is_file():
        included = {"path": names, "project_directory": ".", "env_file": [".env", secret]}
        found[BY_HAND] = json.dumps({"include": [included]}, indent=2) + "\n"
        names = [BY_HAND]
    lines = [f"COMPOSE_PROJECT_NAME={name}", f"COMPOSE_FILE={':'.join(names)}"]
    lines += [f"COMPOSE_PROFILES={','.join(stack.profiles)}"] if stack.profiles else []
    plain = workspace.files / "env" / VARIABLES
    given = plain.read_text(errors="replace") if plain.is_file() else ""
    return {**found, ".env": "".join([given, interpolation, *(f"{line}\n" for line in lines)])}


def override(project: Path) -> dict[str, Any]:
    """What override.json says, as Compose reads it. Raises DamagedError and NewerFormatError."""
    try:
        return OVERRIDE.load(project / "override.json")
    except FileNotFoundError:
        return {}


def mounted(project: Path) -> set[str]:
    """Paths outside the project directory that the files of its release are mounted from."""
    found = override(project)
    volumes = [volume for service in found.get("services", {}).values() for volume in service.get("volumes") or []]
    named = {volume["source"] for volume in volumes}
    named |= {one["file"] for element in ("configs", "secrets") for one in found.get(element, {}).values()}
    return {path.replace("$$", "$") for path in named}


def activated_release(project: Path) -> tuple[str, dict[str, str]]:
    """Id of the release that the project directory is of, and the fingerprints of its services; empty where nothing tells it."""
    try:
        services = override(project).get("services", {})
    except DamagedError:
        return "", {}
    labels = {name: found for name, service in services.items() if RELEASE in (found := service.get("labels") or {})}
    ids = {str(found[RELEASE]) for found in labels.values()}
    return (ids.pop() if len(ids) == 1 else ""), {name: str(found.get(FINGERPRINT, "")) for name, found in labels.items()}


def as_ever(project: Path, desired: Sequence[DesiredService]) -> set[str]:
    """Services that are to be as override.json has them already. Never a job, which reads its files when it runs."""
    before = activated_release(project)[1]
    return {one.name for one in desired if not one.job and before.get(one.name) == one.fingerprint}
