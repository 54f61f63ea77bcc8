# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose's own word on the files of a release, where the controller has it: the same question that hosts ask it later.

Only to refuse earlier, and in Compose's words. What this machine's Compose cannot judge, because it is older, is broken or misses
a file of the hosts, is left to them; nothing is wrong because it is not here.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import VARIABLES, Workspace, place_files

TIMEOUT_SECONDS = 30.0
# It knows !reset and !override, and merges as the hosts' does.
OLDEST = (2, 24, 4)
# What another version, another machine or another engine would not say.
_NOT_OF_THE_FILES = re.compile(
    r"additional propert|unknown (flag|shorthand|command)|is not a docker command|unsupported|not supported|cannot connect|"
    r"permission denied|no such file or directory|not found|credential|context ",
    re.IGNORECASE,
)
_NOISE = re.compile(r"^(time=\"[^\"]*\" level=(warning|debug|info)|WARN\[).*$", re.MULTILINE)
# Stands for a secret, which may stand in a container's environment only: there no value matters to Compose.
_STAND_IN = "-"


def problems(
    stack: Mapping[str, object],
    release: str,
    environment: str,
    files: Mapping[str, str],
    secrets: Mapping[str, Mapping[str, object]],
    variables: Mapping[str, object],
) -> list[str]:
    """``files``: path -> base64 of what the release ships; ``secrets``: env files; ``variables``: secret ones of the files.
    Of both only the names are used.

    None when there is no Compose here, or when it has nothing against the files.
    """
    docker = shutil.which("docker")
    names = [str(name) for name in stack.get("compose_files") or ()]  # type: ignore[attr-defined]
    if not docker or not names:
        return []
    with tempfile.TemporaryDirectory(prefix="morpheus-compose-") as name:
        root = Path(name)
        for one, values in {**secrets, Path(VARIABLES).stem: variables}.items():
            path = root / "secrets" / f"{one}.env"
            path.parent.mkdir(exist_ok=True)
            path.write_text(env_file.render(dict.fromkeys(map(str, values), _STAND_IN)))
        shipped = {one: base64.b64decode(content) for one, content in files.items()}
        workspace = place_files(root, release, environment, shipped, root / "secrets")
        said = _refusal(docker, _command(docker, str(stack.get("name")), workspace, names))
        said = said.replace(f"{workspace.files}/", "").replace(str(root), "")
    return [f"{', '.join(names)}: docker compose refuses what they say together: {said}"] if said else []


def _command(docker: str, project: str, workspace: Workspace, names: Sequence[str]) -> list[str]:
    command = [docker, "compose", "--project-name", project, "--project-directory", str(workspace.files)]
    command += [part for path in workspace.variables for part in ("--env-file", str(path))]
    command += [part for path in workspace.compose_files(names) for part in ("--file", str(path))]
    return [*command, "--profile", "*", "config", "--quiet"]


def _refusal(docker: str, command: Sequence[str]) -> str:
    """Its words; empty when it accepts the files, or cannot judge them."""
    own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    try:
        done = _run(command, own)
        if done.returncode == 0:
            return ""
        said = _NOISE.sub("", done.stderr or done.stdout).strip()
        if not said or _NOT_OF_THE_FILES.search(said) or _version(_run([docker, "compose", "version", "--short"], own)) < OLDEST:
            return ""
    except (OSError, subprocess.SubprocessError):
        return ""
    return " ".join(said.split())[-600:]


def _run(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def _version(done: subprocess.CompletedProcess[str]) -> tuple[int, ...]:
    """Nothing is newer than what does not say it."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", done.stdout.strip())
    return tuple(map(int, found.groups())) if found else (0,)
