# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host was when somebody said that it is as it should be: who may get in and become root, and the programs that make root.

It lies on the host, where whoever is root may change it; so its fingerprint is kept on the controller, in a file of the
repository (``known``), and an audit compares the two.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import BASELINE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import BASELINE_FILE, IDENTITY_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import access, autostart, walk
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.access import AUTOSTART, KINDS, OPEN, SETUID, Entries

RECORD = "ansible-playbook playbooks/claim.yml -i inventories/{environment} --tags baseline"
RENEW = f"{RECORD} -e audit_renew_baseline=true"
_MODE = 0o600
_BACK = "bring it back from the repository, or remove it and record the baselines again"


@dataclass(frozen=True)
class Baseline:
    """``digest``: of the file, as sha256sum tells it. ``trouble``: what is wrong with the file's own rights."""

    environment: str
    recorded: str
    entries: Entries
    digest: str
    trouble: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self)}


class BaselineFile:
    def __init__(self, root: Path = IDENTITY_ROOT) -> None:
        self.path = root / BASELINE_FILE.name

    def read(self) -> Baseline | None:
        """None when the host has none. DeployError when it says nothing that can be used."""
        try:
            found = BASELINE.load(self.path)
            about = self.path.lstat()
            digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except FileNotFoundError:
            return None
        entries = found.get("entries")
        if not isinstance(entries, dict) or not all(isinstance(one, dict) for one in entries.values()):
            raise BASELINE.damaged(self.path, "it has no entries")
        trouble = ""
        if about.st_uid != os.geteuid() or about.st_mode & 0o022:
            trouble = f"mode {about.st_mode & 0o7777:04o}, of uid {about.st_uid}, so that others than root may change it"
        return Baseline(str(found.get("environment")), str(found.get("recorded")), entries, digest, trouble)

    def write(self, environment: str, recorded: str, entries: Entries) -> None:
        write_atomically(self.path, _document(environment, recorded, entries), mode=_MODE)


def digest(environment: str, recorded: str, entries: Entries) -> str:
    """Of the file that ``write`` makes of it."""
    return hashlib.sha256(_document(environment, recorded, entries).encode()).hexdigest()


def _document(environment: str, recorded: str, entries: Entries) -> str:
    found = BASELINE.numbered({"environment": environment, "recorded": recorded, "entries": entries})
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


def require_known(path: Path, found: Baseline | None, environment: str, known: str) -> None:
    """Raise DeployError for a baseline that is not the one that was recorded. ``known``: its digest; empty when nobody has it."""
    renew = RENEW.format(environment=environment)
    if found is None:
        if known:
            raise DeployError(f"{path} was recorded, and is gone. Find out who removed it; then record it again: {renew}")
        return
    if found.environment != environment:
        raise DeployError(f"{path} was recorded for {found.environment}. Look at the host; then record it again: {renew}")
    if known and known != found.digest:
        raise DeployError(
            f"{path} is not the baseline that was recorded: its SHA-256 begins with {found.digest[:8]}, where {known[:8]} is "
            f"known. Find out who changed it, and look at all that the host is; then record it again: {renew}"
        )


def lines(entries: Entries) -> str:
    """For a diff."""
    return "".join(f"{kind}: {entry}\n" for kind in KINDS for entry in sorted(entries.get(kind, {})))


def entries(root: Path, walked: walk.Walked) -> Entries:
    files = {SETUID: dict(walked.privileged), AUTOSTART: autostart.look(root), OPEN: dict(walked.changeable)}
    return {**access.look(root), **files}


def now(root: Path = Path("/"), walked: walk.Walked | None = None) -> Entries:
    """What the host is. ``walked``: where its files were walked already."""
    found = walked or walk.walk(root, wanted=lambda path: False)
    if not found.complete:
        raise DeployError(
            f"{found.count} files and directories of this host were walked in {walk.SECONDS:g} s, and there are more, so nothing "
            "says which of them give the rights of root. See whether its disk is slow, and run this again"
        )
    return entries(root, found)


@dataclass(frozen=True)
class Difference:
    """``kind``: id of the rule. ``word``: new, gone, or changed: a program with another content."""

    kind: str
    word: str
    entry: str
    beside: str = ""


NEW, GONE, CHANGED = "new", "gone", "changed"
# Of these what stands beside an entry counts: its content.
CONTENTS = (SETUID, AUTOSTART)


def differences(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> list[Difference]:
    """In which way a host is another one. CONTENTS are compared, too."""
    found = []
    for kind in KINDS:
        if kind not in before:
            # Recorded before there was such a kind.
            continue
        old, new = before[kind], after.get(kind, {})
        found += [Difference(kind, NEW, entry, new[entry]) for entry in sorted(new.keys() - old.keys())]
        found += [Difference(kind, GONE, entry, old[entry]) for entry in sorted(old.keys() - new.keys())]
        if kind in CONTENTS:
            both = sorted(old.keys() & new.keys())
            found += [Difference(kind, CHANGED, entry, new[entry]) for entry in both if old[entry] != new[entry]]
    return found


def from_packages(found: Sequence[Difference], root: Path = Path("/")) -> list[str]:
    """Of changed programs, those whose content is what their package says: an upgrade has brought it."""
    changed = [one.entry for one in found if one.word == CHANGED and one.kind == SETUID]
    return [entry for entry in changed if walk.is_of_package(entry.rpartition(", ")[0], root)]


def sentence(one: Difference) -> str:
    return f"{one.word} {one.kind}: {one.entry}" + (f" ({one.beside})" if one.beside and one.kind not in CONTENTS else "")


def known(path: str | Path) -> dict[str, dict[str, str]]:
    """The file on the controller: host -> digest of its baseline, and when it was recorded. Empty when there is none.

    DeployError when it says nothing that can be used.
    """
    try:
        hosts: dict[str, dict[str, str]] = json.loads(Path(path).read_text())["hosts"]
        if all(isinstance(one["digest"], str) and isinstance(one["recorded"], str) for one in hosts.values()):
            return hosts
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise DeployError(f"{path}: cannot be read ({exc.strerror}); {_BACK}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise DeployError(f"{path}: is not a file of baselines; {_BACK}")
