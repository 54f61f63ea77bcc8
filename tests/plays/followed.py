"""A rollout that is followed while it is at work: it goes on with the next thing that it tells when a test says so.

Everything but the module is the collection's own: what it tells goes into the real file, below a directory of the test, and the
real callback shows it.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.commands import environment
from tests.hangs import HANGS_AFTER_SECONDS
from tests.plays import scripted
from tests.plays.played import BIN, LOCAL, ROOT

WIDTH = 80
# Ansible writes the options into the text (as in staged.py), unless it sees an import of the collection in it.
MODULE = """#!/usr/bin/python
import importlib, json, os, sys, time

given = json.loads(r'''<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>''')
sys.path.insert(0, {collections!r})
utils = "ansible_collections.morpheus.deploy.plugins.module_utils."
STACKS_ROOT = importlib.import_module(utils + "base.places").STACKS_ROOT
Progress = importlib.import_module(utils + "lineage.progress").Progress
with open({directory!r} + "/stories.json") as stream:
    story = json.load(stream)[given["stack"]]
(STACKS_ROOT / given["stack"]).mkdir(parents=True, exist_ok=True)
progress = Progress(STACKS_ROOT / given["stack"], str, token=7)
progress.begin(release="1.1.0", kind="deploy", steps=len(story["tells"]))
for number, event in enumerate(story["tells"]):
    progress.tell(event.pop("event"), event.pop("service", ""), **event)
    while story["waits"] and not os.path.exists(f"{directory}/{{given['stack']}}.{{number}}"):
        time.sleep(0.02)
answer = story["answer"]
print(json.dumps(answer))
sys.exit(1 if answer.get("failed") else 0)
"""
PLAY = [
    {
        "name": "Roll out",
        "hosts": "app",
        "gather_facts": False,
        "vars": {"begin_playbook": "deploy"},
        "tasks": [{"name": "Switch to the release", "morpheus.deploy.stack_rollout": {"stack": "{{ stack.name }}"}}],
    }
]


def _own(link: Path) -> None:
    """``link`` to a directory becomes a directory of links to what is in it."""
    target = link.resolve()
    link.unlink()
    link.mkdir()
    for path in target.iterdir():
        if path.name != "__pycache__":
            (link / path.name).symlink_to(path)


def replaced(collections: Path, name: str, text: str) -> None:
    """A file of the collection, below plugins, has another text in this test."""
    path = collections / "ansible_collections" / "morpheus" / "deploy" / "plugins"
    for part in Path(name).parent.parts:
        path /= part
        if path.is_symlink():
            _own(path)
    (path / Path(name).name).unlink()
    (path / Path(name).name).write_text(text)


class Followed:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.collections = scripted.collections(directory)
        places = "module_utils/base/places.py"
        text = (ROOT / "plugins" / places).read_text()
        replaced(self.collections, places, text.replace('Path("/var/lib/morpheus.deploy")', f"Path({str(directory / 'host')!r})"))
        module = MODULE.format(collections=str(self.collections), directory=str(directory))
        replaced(self.collections, "modules/stack_rollout.py", module)
        (directory / "ansible.cfg").write_text(
            f"[defaults]\ncollections_path = {self.collections}\ncallbacks_enabled = morpheus.deploy.verdict\n"
            "inject_facts_as_vars = false\ninternal_poll_interval = 0.005\n"
            "stdout_callback = morpheus.deploy.live\ncallback_result_format = yaml\nforks = 10\n"
        )
        (directory / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False))

    def begin(
        self,
        stories: Mapping[str, Sequence[Mapping[str, Any]]],
        *options: str,
        answer: Mapping[str, Any] | None = None,
        waits: bool = True,
        terminal: bool = False,
        **variables: str,
    ) -> Run:
        """``stories``: host -> what its rollout tells."""
        found = {
            name: {"tells": list(tells), "waits": waits, "answer": answer or scripted.rolled()} for name, tells in stories.items()
        }
        (self.directory / "stories.json").write_text(json.dumps(found))
        hosts = {name: {**LOCAL, "stack": {"name": name}} for name in stories}
        groups = {"app": {"hosts": hosts, "vars": {"stack_environment": "staging"}}}
        (self.directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": groups}}))
        command = [str(BIN / "ansible-playbook"), "play.yml", "-i", "hosts.yml", *options]
        own = {**environment("GITHUB_", "ANSIBLE_", "NO_COLOR", "COLUMNS"), "TERM": "xterm-256color", **variables}
        return Run(self.directory, command, own, terminal=terminal)


class Run:
    """``screen``: everything that has been printed so far; ``plain``: without what only moves and colours."""

    def __init__(self, directory: Path, command: Sequence[str], variables: Mapping[str, str], *, terminal: bool) -> None:
        self._directory = directory
        self._printed = b""
        self._reader, writer = pty.openpty() if terminal else os.pipe()
        if terminal:
            fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        self.process = subprocess.Popen(
            command, cwd=directory, env=dict(variables), stdin=subprocess.DEVNULL, stdout=writer, stderr=writer
        )
        os.close(writer)

    def awaits(self, words: str) -> None:
        """Until they have been printed; the run must still be at work then."""
        deadline = time.monotonic() + HANGS_AFTER_SECONDS / 2
        while words not in self.plain:
            assert self._read(), f"it ended without {words!r}:\n{self.screen}"
            assert time.monotonic() < deadline, self.screen

    def go_on(self, host: str, number: int) -> None:
        (self._directory / f"{host}.{number}").touch()

    def ended(self) -> int:
        while self._read():
            pass
        os.close(self._reader)
        return self.process.wait(HANGS_AFTER_SECONDS)

    @property
    def screen(self) -> str:
        return self._printed.decode(errors="replace")

    @property
    def plain(self) -> str:
        return re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", self.screen).replace("\r\n", "\n")

    def _read(self) -> bool:
        try:
            data = os.read(self._reader, 65_536)
        except OSError:
            # Of a terminal that nobody has open any more.
            return False
        self._printed += data
        return bool(data)
