"""Archives of modules outlive the run that made them, and serve as long as the code is what it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible import constants
from ansible.plugins.loader import module_utils_loader
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import archives
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.archives import Archives

LEASE = "ansible_collections.morpheus.deploy.plugins.modules.lease-ZIP_DEFLATED-none"


class Project:
    """Code, and a home of Ansible, in which runs follow each other."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory, self._monkeypatch = directory, monkeypatch
        self.module = directory / "plugins" / "modules" / "lease.py"
        self.util = directory / "plugins" / "module_utils" / "base" / "clock.py"
        for path in (self.module, self.util):
            path.parent.mkdir(parents=True)
            path.write_text("one = 1\n")
        self.base = directory / "home" / "morpheus.deploy" / "archives"
        monkeypatch.setattr(archives, "_PLUGINS", directory / "plugins")
        monkeypatch.setattr(constants, "ANSIBLE_HOME", str(directory / "home"))
        self._runs = 0

    def run(self, *made: str, meanwhile: Callable[[], object] = lambda: None) -> list[str]:
        """The archives that a run finds which then makes others."""
        self._runs += 1
        local = self.directory / f"local-{self._runs}" / "ansiballz_cache"
        self._monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(local.parent))
        kept = Archives()
        kept.bring()
        found = sorted(path.name for path in local.iterdir()) if local.is_dir() else []
        meanwhile()
        local.mkdir(parents=True, exist_ok=True)
        for name in made:
            (local / name).write_text(name)
        kept.keep()
        return found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


def test_what_one_run_has_made_the_next_ones_find(project: Project) -> None:
    assert [project.run(LEASE), project.run(), project.run()] == [[], [LEASE], [LEASE]]
    assert oct(next(project.base.iterdir()).stat().st_mode)[-3:] == "700"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(f"{LEASE}.lock", id="a lock"),
        pytest.param(f"{LEASE}-part", id="what is being written"),
        pytest.param("ansible_collections.community.docker.plugins.modules.x-ZIP_DEFLATED-none", id="another collection's"),
        pytest.param("ansible.modules.stat-ZIP_DEFLATED-none", id="Ansible's"),
    ],
)
def test_what_is_not_a_whole_archive_of_this_collection_is_not_kept(project: Project, name: str) -> None:
    project.run(name, LEASE)
    assert project.run() == [LEASE]


@pytest.mark.parametrize("file", ["module", "util"])
def test_code_that_was_changed_is_packed_again(project: Project, file: str) -> None:
    path: Path = getattr(project, file)
    found = path.stat()
    project.run(LEASE)
    # Of the same size and time.
    path.write_text("one = 2\n")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert project.run(LEASE) == []
    path.write_text("one = 1\n")
    assert project.run() == [LEASE]


def test_what_is_packed_while_code_changes_is_not_kept(project: Project) -> None:
    project.run(LEASE, meanwhile=lambda: project.util.write_text("two = 2\n"))
    assert project.run() == []


def test_another_version_of_ansible_has_archives_of_its_own(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run(LEASE)
    monkeypatch.setattr(archives, "__version__", "2.99.0")
    assert project.run() == []


def test_code_of_ansible_that_somebody_replaces_is_never_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run(LEASE)
    own = project.directory / "module_utils"
    own.mkdir()
    before = module_utils_loader.print_paths()
    monkeypatch.setattr(module_utils_loader, "print_paths", lambda: f"{own}{os.pathsep}{before}")
    assert project.run(LEASE) == []


@pytest.mark.parametrize("level", ["base", "code"])
def test_nobody_else_may_write_where_archives_lie(project: Project, level: str) -> None:
    project.run(LEASE)
    (project.base if level == "base" else next(project.base.iterdir())).chmod(0o770)
    assert project.run() == []


def test_a_home_that_cannot_be_written_stops_nothing(project: Project) -> None:
    (project.directory / "home").write_text("a file")
    assert [project.run(LEASE), project.run()] == [[], []]


def test_runs_that_pack_nothing_push_nothing_out(project: Project) -> None:
    project.run(LEASE)
    code = project.util.read_text()
    for number in range(20):
        project.util.write_text(f"one = {number}\n")
        project.run()
    project.run(LEASE)
    project.util.write_text(code)
    assert project.run() == [LEASE]


def test_the_same_code_in_another_place_has_the_same_archives(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run(LEASE)
    shutil.copytree(project.directory / "plugins", project.directory / "other")
    monkeypatch.setattr(archives, "_PLUGINS", project.directory / "other")
    assert project.run() == [LEASE]


def test_archives_of_a_few_versions_of_the_code_are_kept(project: Project) -> None:
    for number in range(7):
        project.util.write_text(f"one = {number}\n")
        project.run(LEASE)
        now = number * 1000
        for path in project.base.iterdir():
            if path.stat().st_mtime > 10_000:
                os.utime(path, (now, now))
    assert len([*project.base.iterdir()]) == 4
    assert project.run() == [LEASE]
