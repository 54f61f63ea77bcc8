"""ansible-lint, which checks the syntax of all playbooks and roles by one process of Ansible and not by one each.

Such a process takes two seconds of CPU, nearly all of them before it has read anything. Where one playbook is wrong, each is
checked by itself, as ansible-lint does, so that it is named.

    python -m tests.ansible_lint --offline
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import yaml
from ansible_compat.runtime import Runtime
from ansiblelint.__main__ import main
from ansiblelint.errors import MatchError
from ansiblelint.file_utils import Lintable
from ansiblelint.runner import Runner

Worker = Callable[[Lintable], list[MatchError]]
_one_by_one = Runner._map_syntax_check_workers
_has_playbook = Runtime.has_playbook
_well: set[Path] = set()


def _all_at_once(runner: Runner, worker: Worker, files: list[Lintable]) -> list[list[MatchError]]:
    """What ansible-lint calls with every playbook and role; answers the problems of each."""
    if not _is_well(files):
        return _one_by_one(runner, worker, files)
    _well.update(file.path.resolve() for file in files)
    return [[] for _ in files]


def _is_known(runtime: Runtime, playbook: str, *, basedir: Path | None = None) -> bool:
    """Whether a playbook that another one imports can be read."""
    return (basedir or Path()).joinpath(playbook).resolve() in _well or _has_playbook(runtime, playbook, basedir=basedir)


def _is_well(files: Sequence[Lintable]) -> bool:
    playbooks = [str(file.path) for file in files if file.kind == "playbook"]
    roles = [{"ansible.builtin.import_role": {"name": str(file.path.resolve())}} for file in files if file.kind == "role"]
    with TemporaryDirectory() as directory:
        of_roles = Path(directory) / "roles.yml"
        of_roles.write_text(yaml.safe_dump([{"name": "Read all roles", "hosts": "localhost", "tasks": roles}]))
        command = ["ansible-playbook", "--syntax-check", *playbooks, str(of_roles)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    # Both fail where another version of ansible-lint has no such method.
    with patch.object(Runner, "_map_syntax_check_workers", _all_at_once), patch.object(Runtime, "has_playbook", _is_known):
        sys.exit(main(["ansible-lint", *sys.argv[1:]]))
