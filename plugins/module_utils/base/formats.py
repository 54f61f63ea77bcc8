# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of the files that this collection keeps on hosts, below /var/lib/morpheus.deploy and /etc/morpheus.deploy.

Hosts outlive versions of the collection, and two versions may work on the same host. So every file has a format: a number that
goes up when a version from before would read the file wrongly, and only then. This version reads every format up to its own
number, by the steps that lead from one to the next, and refuses a newer one before anything is changed. What has no number is of
format 1.

The table of all of them is in docs/design.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

# How a mend begins of a file that must go first.
_REMOVE = "remove it and "
# In files that only HAProxy reads, on a line of its own.
_COMMENT = re.compile(r"^# morpheus\.deploy format (\d+)$", re.MULTILINE)

Document = dict[str, Any]


class NewerFormatError(DeployError):
    """A newer version of the collection has written the file. It is neither read nor written over."""


class DamagedError(DeployError):
    """A file of ours says nothing that can be used. ``said``: what is wrong with it, as the end of a sentence."""

    def __init__(self, path: Path, said: str, mend: str) -> None:
        self.path = path
        self.said = said
        super().__init__(f"{path} {said}: {mend}")


@dataclass(frozen=True)
class Format:
    """One kind of file.

    ``number``: what this version writes, as ``key`` of the document. ``silent``: format 1 is written without its number, because
    versions from before there were numbers refuse what they do not know. ``mend``: what to do when the file is damaged;
    ``otherwise``: when a newer version has written it and is not to be had. ``{path}`` in both. ``steps``: number -> what makes
    the next format of a document. ``least``: the number that a document is written with where versions from before read most of
    them rightly; each with ``number`` when left out.
    """

    name: str
    mend: str
    otherwise: str = ""
    number: int = 1
    silent: bool = False
    key: str = "format"
    steps: Mapping[int, Callable[[Document], Document]] = field(default_factory=dict)
    least: Callable[[Mapping[str, Any]], int] | None = None

    def numbered(self, content: Mapping[str, Any]) -> Document:
        """``content`` as it is to be written."""
        number = self.least(content) if self.least else self.number
        return {**content} if self.silent and number == 1 else {self.key: number, **content}

    def current(self, path: Path, content: Any) -> Document:
        """A document that was read from ``path``, without its number and in the format of this version.

        Raises NewerFormatError, and ValueError when it is no document at all.
        """
        if not isinstance(content, dict):
            raise ValueError(f"it holds {_kind(content)} where a mapping belongs")
        found = {**content}
        number = found.pop(self.key, 1)
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"it has the format {number!r} where a number belongs")
        self.refuse_newer(path, number)
        for step in range(number, self.number):
            found = self.steps[step](found)
        return found

    def load(self, path: Path) -> Document:
        """What a JSON file says. Raises FileNotFoundError, NewerFormatError, and DamagedError when it cannot be read."""
        try:
            return self.current(path, json.loads(self.text(path)))
        except json.JSONDecodeError as exc:
            raise self.damaged(path, _broken_json(exc)) from exc
        except ValueError as exc:
            raise self.damaged(path, str(exc)) from exc

    def text(self, path: Path, errors: str = "strict") -> str:
        """Raises FileNotFoundError, and DamagedError when it is no text."""
        try:
            return path.read_text(errors=errors)
        except (IsADirectoryError, NotADirectoryError) as exc:
            raise self.damaged(path, "it is a directory" if path.is_dir() else "it lies below a file") from exc
        except UnicodeDecodeError as exc:
            raise self.damaged(path, f"it holds bytes that are not text (at {exc.start})") from exc

    def commented(self, path: Path) -> str:
        """The text of a file that is HAProxy's, whose number stands in a comment.

        Bytes that are not text are not refused here: such a file is another one than it should be, and is written again.
        """
        found = self.text(path, "replace")
        self.refuse_newer(path, commented_number(found))
        return found

    def refuse_newer(self, path: Path, number: int) -> None:
        if number > self.number:
            otherwise = f", or {self.otherwise.format(path=path)}" if self.otherwise else ""
            raise NewerFormatError(
                f"{path} has format {number}, and this version of morpheus.deploy knows {self.name} only up to format "
                f"{self.number}: run this with the newer version that wrote it{otherwise}"
            )

    def missing(self, path: Path) -> DamagedError:
        return DamagedError(path, "is missing", self._mend_without(path))

    def damaged(self, path: Path, what: str) -> DamagedError:
        mend = self.mend.format(path=path)
        if path.is_dir():
            mend = f"move it away (mv {path} {path}.damaged); then {self._mend_without(path)}"
        return DamagedError(path, f"cannot be read ({what})", mend)

    def _mend_without(self, path: Path) -> str:
        """What to do once the file is gone."""
        return self.mend.format(path=path).removeprefix(_REMOVE)


def commented_number(text: str) -> int:
    """The format of a file that is HAProxy's."""
    number = _COMMENT.search(text)
    return int(number[1]) if number else 1


def _kind(content: Any) -> str:
    return {"list": "a list", "str": "a string", "NoneType": "nothing", "bool": "true or false"}.get(
        type(content).__name__, "a number"
    )


def _broken_json(exc: json.JSONDecodeError) -> str:
    if not exc.doc.strip():
        return "it is empty"
    if exc.pos >= len(exc.doc.rstrip()) or exc.msg.startswith("Unterminated"):
        return "it ends in the middle"
    return f"it is not JSON, line {exc.lineno}: {exc.msg}"


def _as_it_is(document: Document) -> Document:
    """The step to a format that only says more."""
    return document


_PROVISION = "run playbooks/provision.yml for this inventory, which restores it"
_REMEMBERED = "from the journal, the manifests and the containers"
_AWAY = "move the file away (mv {path} {path}.newer)"
_BACK_FIRST = "go back with that version to a release of this one first"
_QUIET = "wait until no run of that version is at work and remove the file"


def _least_of_manifest(content: Mapping[str, Any]) -> int:
    """Versions from before 2 know no options of routes (edge/route_options.py), no wildcards, and one way of hardening."""
    stack = content.get("stack", {})
    services = stack.get("services") or []
    routes = [route for service in services for route in service.get("routes") or []]
    said = any({*route} - {"host", "paths"} or str(route.get("host") or "").startswith("*.") for route in routes)
    said = said or any(service.get("protocol") for service in services)
    return 2 if said or "default" in (stack.get("hardening") or {}) else 1


MANIFEST = Format(
    "manifests",
    "deploy that release again to restore it",
    _BACK_FIRST,
    number=2,
    silent=True,
    steps={1: _as_it_is},
    least=_least_of_manifest,
)
LINEAGE = Format(
    "lineages",
    f"deploy the running release again to restore it {_REMEMBERED}",
    f"{_AWAY}, and what it said is taken {_REMEMBERED}",
)
JOURNAL = Format("journals", "run this again, which begins a new one", _AWAY)
LISTING = Format("listings", "deploy the running release again to restore it", _BACK_FIRST, silent=True)
# Compose takes a key of its own at the top of a file only when it begins with x-.
OVERRIDE = Format(
    "overrides",
    "deploy the running release again to restore it",
    _BACK_FIRST,
    silent=True,
    key="x-morpheus.deploy.format",
)
SECRETS = Format("secrets", "deploy the live release again, which brings its secrets")
FINGERPRINT_KEY = Format(
    "keys of fingerprints", "deploy the live release again, which makes a new one and replaces every replica once"
)
# From 2 on replicas are on a network of their stack. Versions from before would take them for lost and let them go first.
EDGE = Format(
    "settings of an edge",
    _PROVISION,
    "remove it and run playbooks/provision.yml of this one, and deploy: requests are dropped then",
    number=2,
    steps={1: lambda found: found},
)
# Format 2 of haproxy.cfg knows options of routes and wildcards, and of the files of stacks has them.
EDGE_BASE = Format(
    "files of an edge",
    _PROVISION,
    f"{_AWAY} and run playbooks/provision.yml of this one",
    number=2,
    silent=True,
    steps={1: _as_it_is},
)
EDGE_STACKS = Format(
    "files of stacks at an edge",
    "deploy the live release again to restore it",
    f"{_AWAY} and deploy the live release again",
    number=2,
    silent=True,
    steps={1: _as_it_is},
)
PLACED = Format(
    "routes of stacks at a balancer",
    f"{_REMOVE}deploy the live release of that stack, which tells it again",
    f"{_AWAY} and deploy the live release of that stack",
)
IDENTITY = Format(
    "claims of hosts",
    "find out which environment owns this host, remove the file, and claim the host again with its playbooks/provision.yml",
    "remove the file and claim the host again with playbooks/provision.yml of its environment",
)
BASELINE = Format(
    "baselines of hosts",
    "look at the host, and record it again: playbooks/claim.yml --tags baseline -e audit_renew_baseline=true",
    "record it again: playbooks/claim.yml --tags baseline -e audit_renew_baseline=true",
)
LEASE = Format("leases", "break it with playbooks/unlock.yml, which restores it", _QUIET)
FENCE = Format("fences", "look at what runs (playbooks/status.yml), remove the file and run this again", _QUIET)
HISTORY = Format("histories", "run this again, which begins a new one", _AWAY)
FLAG_HISTORY = Format("histories of flags", "run this again, which begins a new one", _AWAY)
NEWS = Format("news of backups", f"{_REMOVE}make a backup, which begins a new one", _AWAY)
LEDGER = Format("ledgers that were read", f"{_REMOVE}deploy again, which reads the ledger anew", _AWAY)
EGRESS = Format(
    "files of the packet filter",
    f"{_REMOVE}run playbooks/provision.yml --tags egress for this inventory, which restores it",
    f"{_AWAY} and run playbooks/provision.yml --tags egress of this one",
)
EGRESS_STACKS = Format(
    "files of stacks at the packet filter",
    "deploy the live release of that stack again to restore it; of a stack that is gone, remove it",
    f"{_AWAY} and deploy the live release of that stack again",
)
