"""That the kernel shows a mount as a hard link does, with which the prepared host shows one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.host import stale as stale_module
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import MountedFile, look

from tests.unit.damage.edits import EDITS, made


def _can_mount() -> bool:
    return subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not shutil.which("unshare") or not _can_mount(), reason="needs a mount namespace")
@pytest.mark.parametrize("edit", EDITS)
def test_the_kernel_shows_a_mount_as_these_tests_do(tmp_path: Path, edit: str) -> None:
    source, target = made(tmp_path / "my secrets" / "session", "right"), made(tmp_path / "in it" / "session", "")
    file = MountedFile("secret session", str(target), look(source, "secret session", False))
    command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && echo mounted && read end', str(source), str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "mounted\n"
        details = {
            "State": {"Pid": process.pid},
            "Mounts": [{"Type": "bind", "Source": str(source), "Destination": str(target)}],
        }
        before = stale_module.stale(details, [file])
        EDITS[edit](source)
        after = stale_module.stale(details, [file])
        process.stdin.close()
    # By rename alone, the mount goes on showing what is right.
    assert (before, after) == ((), (str(target),) if edit == "in place and then by rename" else ())
