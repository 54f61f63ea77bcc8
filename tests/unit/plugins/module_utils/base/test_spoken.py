"""What the system says against a file reaches people with the path and the mend, whoever wrote it and whatever it was."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import atomic as files
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import FileError, told, words
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.contents import Content, ContentStore
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import history
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import Claim
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.journal import Journal
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Lineage
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner
from ansible_collections.morpheus.deploy.plugins.module_utils.release.live_files import LiveFiles
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

ROOT = Path(__file__).parents[5]
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


ROOM = "See what fills it with: df -h {0}; df -i {0}; docker system df. Make room, then run this again"
DISK = "See what the kernel says of it with: dmesg | tail -50. Mend the disk, or take this host out of the inventory"
RIGHTS = "See who owns it with: namei -l {1}; lsattr -d {0}. Modules of this collection need root (become: true)"


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.ENOSPC, f"No space left on device. {ROOM}"),
        (errno.EDQUOT, f"Disk quota exceeded. {ROOM}"),
        (errno.EROFS, f"Read-only file system. {DISK}"),
        (errno.EIO, f"Input/output error. {DISK}"),
        (errno.EACCES, f"Permission denied. {RIGHTS}"),
        (errno.EPERM, f"Operation not permitted. {RIGHTS}"),
        (errno.EBUSY, "Device or resource busy. Look at it with: namei -l {1}. Mend it, then run this again"),
    ],
)
def test_each_reason_has_its_mend(tmp_path: Path, number: int, mend: str) -> None:
    path = tmp_path / "not-there-yet" / "lineage.json"
    expected = f"{path} could not be written: {mend.format(tmp_path, path)}"
    assert words(path, OSError(number, os.strerror(number)), "written") == expected


def test_it_is_an_error_of_ours_and_still_one_of_the_systems(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught, told(tmp_path / "file"):
        raise FULL
    assert isinstance(caught.value, DeployError)
    assert isinstance(caught.value, OSError)
    with pytest.raises(FileError) as outer, told(tmp_path / "another"), told(tmp_path / "inner"):
        raise FULL
    assert str(outer.value).startswith(f"{tmp_path}/inner could not be written: ")


MANIFEST = Manifest("1.0.0-a", "1.0.0", "staging", Stack(), {})
WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a file": ("a/b", lambda root: files.write_atomically(root / "a/b", "x", mode=0o600)),
    "the journal": ("journal.jsonl", lambda root: Journal(root / "journal.jsonl").write("begin")),
    "the history": ("history.jsonl", lambda root: history.append(root / "history.jsonl", {"at": "now"})),
    "the fence": ("fence.json", lambda root: Fence(root / "shop", 7).enter()),
    "the lease": ("stacks/fence.json", lambda root: Lease("staging", root).acquire(Claim("anna"))),
    "whose the host is": ("identity.json", lambda root: HostIdentity(root).write(Owner("staging", "now"))),
    "the lineage": ("shop/lineage.json", lambda root: Releases("shop", root).write_lineage(Lineage())),
    "a manifest": ("shop/releases/1.0.0-a/manifest.json", lambda root: Releases("shop", root).write_manifest(MANIFEST)),
    "a release's files": (
        "shop/releases/1.0.0-a/files/compose.yml",
        lambda root: Releases("shop", root).write_files("1.0.0-a", "1.0.0", "staging", {"compose.yml": b""}),
    ),
    "secrets": ("shop/secrets/api.env", lambda root: Releases("shop", root).write_secrets({"api.env": "KEY=1"})),
    "the key": ("shop/fingerprint.key", lambda root: Releases("shop", root).key(create=True)),
    "live files": ("live/flags/a", lambda root: LiveFiles(root / "live").write(["flags"], {"flags/a": b"x"})),
    "mounted files": ("content/", lambda root: ContentStore(root / "content").place(Content("a", {}, points=["a"]))),
    "the edge's files": ("edge/conf/routes.map", lambda root: _edge(root).write({"routes.map": "*/ a.web\n"})),
}


def _edge(root: Path) -> EdgeConfiguration:
    return EdgeConfiguration(EdgePaths(root / "edge"), lambda candidate: "")


@pytest.mark.parametrize(("path", "write"), WRITERS.values(), ids=WRITERS)
def test_a_full_disk_is_told_with_the_path_of_what_was_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, write: Callable[[Path], object]
) -> None:
    def full(handle: int) -> None:
        raise FULL

    # As write and close do, it names no file.
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DeployError) as caught:
        write(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/{path}")
    assert " could not be written: No space left on device. See what fills it with: df -h " in message


def test_a_full_disk_is_told_when_a_candidate_of_the_edge_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise FULL

    edge = _edge(tmp_path)
    edge.paths.conf.mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=rf"^{tmp_path}/edge/candidate\..* could not be written: No space left on device"):
        edge.check({"routes.map": ""})


def test_what_was_there_stays_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lineage.json"
    files.write_atomically(path, json.dumps({"old": 1}), mode=0o600)

    def full(handle: int) -> None:
        raise FULL

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError):
        files.write_atomically(path, json.dumps({"new": 1}), mode=0o600)
    assert [found.name for found in tmp_path.iterdir()] == ["lineage.json"]
    assert json.loads(path.read_text()) == {"old": 1}


# What writes and names no file when it fails.
_NAMELESS = {"write_text", "write_bytes", "fsync", "copytree", "copyfile", "copy", "copy2", "move", "dump", "writelines", "flush"}
# They write into pipes.
_ELSEWHERE = {"flow.py", "reach.py"}


def _is_told(block: ast.With) -> bool:
    calls = [item.context_expr for item in block.items if isinstance(item.context_expr, ast.Call)]
    return any(isinstance(call.func, ast.Name) and call.func.id == "told" for call in calls)


def _untold(path: Path) -> list[str]:
    """Calls that write, outside of any ``with told(...)`` and of functions that are called in one."""
    source = path.read_text()
    # Parsing takes most of the time, and most files write nothing.
    if not re.search(rf"\.({'|'.join(_NAMELESS)})\b", source):
        return []
    tree = ast.parse(source)
    covered = {
        call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
        for block in ast.walk(tree)
        if isinstance(block, ast.With) and _is_told(block)
        for call in ast.walk(block)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute | ast.Name)
    }
    found = []

    def visit(node: ast.AST, safe: bool) -> None:
        safe = safe or (isinstance(node, ast.With) and _is_told(node))
        safe = safe or (isinstance(node, ast.FunctionDef) and node.name.startswith("_") and node.name in covered)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _NAMELESS and not safe:
            found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)[:60]}")
        for child in ast.iter_child_nodes(node):
            visit(child, safe)

    visit(tree, False)
    return found


def test_nobody_writes_without_telling_what() -> None:
    paths = [path for path in (ROOT / "plugins" / "module_utils").rglob("*.py") if path.name not in _ELSEWHERE]
    assert len(paths) > 80
    assert [one for path in sorted(paths) for one in _untold(path)] == []
