"""Run the units by ansible-test: python -m tests.ansible_units [PATH ...]

They are those of `make unit`, in a process for each. What differs: tests of modules and of what hosts run get no more of Ansible
than hosts have, so that an import of the controller's ends them, and files of ansible-core that a host gets are those of the
ansible-core that is installed.

ansible-test wants ansible_collections/<namespace>/<name>, which a checkout is not: the checkout is copied there, with its history
and what is not committed yet. Libraries are those of this Python, and no other one is tried.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".cache" / "units"
COLLECTION = HOME / "ansible_collections" / "morpheus" / "deploy"
_PROGRAMS = Path(sys.executable).parent


def git(*words: str) -> bytes:
    return subprocess.run(["git", *words], check=True, stdout=subprocess.PIPE).stdout


def lay_out() -> None:
    """The checkout as it is now, in a place where ansible-test takes it for a collection."""
    shutil.rmtree(COLLECTION, ignore_errors=True)
    git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(COLLECTION))
    git("-C", str(COLLECTION), "reset", "--quiet", "--mixed")
    for name in git("-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0"):
        if name and os.path.lexists(ROOT / name):
            there = COLLECTION / name
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, there, follow_symlinks=False)


def main(*arguments: str) -> int:
    lay_out()
    environment = {**os.environ, "HOME": str(HOME), "ANSIBLE_TEST_CONTENT_ROOT": str(COLLECTION)}
    environment["PATH"] = os.pathsep.join([str(_PROGRAMS), os.environ["PATH"]])
    version = "{}.{}".format(*sys.version_info)
    words = [str(_PROGRAMS / "ansible-test"), "units", "--color", "no", "--python", version, *arguments]
    return subprocess.run(words, cwd=COLLECTION, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
