"""The collection as ``ansible-galaxy`` builds it: what users call is in it, and nothing of the project's own deployment."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.hangs import HANGS_AFTER_SECONDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in the built collection."""
    directory = tmp_path_factory.mktemp("build")
    galaxy = Path(sys.executable).parent / "ansible-galaxy"
    # In an empty home, so that no configuration or cache of the user counts.
    done = subprocess.run(
        [str(galaxy), "collection", "build", str(ROOT), "--output-path", str(directory)],
        cwd=directory,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS_AFTER_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    [path] = directory.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return archive.getnames()


@pytest.mark.parametrize(
    "pattern",
    [
        r"(^|/)inventories(/|$)",
        r"^(?!docs/).*vault",
        r"^sandbox(/|$)",
        r"^ansible\.cfg$",
        r"^collections(/|$)",
        r"^(tests|molecule|stacks|services)(/|$)",
        r"(^|/)\.",
        r"\.pyc$",
        r"__pycache__",
        r"\.tar\.gz$",
        r"^pyproject\.toml$",
    ],
)
def test_the_artefact_holds_nothing_of_the_projects_own_deployment(artefact: list[str], pattern: str) -> None:
    assert [name for name in artefact if re.search(pattern, name)] == []


def test_the_artefact_holds_what_users_call(artefact: list[str]) -> None:
    expected = {"README.md", "LICENSE", "CHANGELOG.md", "MANIFEST.json", "FILES.json", "meta/runtime.yml"}
    for directory in ("plugins", "roles", "playbooks"):
        expected |= {
            str(path.relative_to(ROOT)) for path in (ROOT / directory).rglob("*.py" if directory == "plugins" else "*.yml")
        }
    assert expected - set(artefact) == set()
