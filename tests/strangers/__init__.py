"""Projects of teams that know nothing of this collection, in the shapes of public applications: ``docker compose up`` starts them
where their images are built.
"""

from __future__ import annotations

import shutil
from pathlib import Path

PROJECTS = Path(__file__).parent / "projects"
# Project -> its Compose file. Nothing in these directories is ours; a test that writes something takes a copy.
FILES = {
    "ballots": PROJECTS / "ballots" / "compose.yml",
    "shop-api": PROJECTS / "shop-api" / "compose.yml",
    "letters": PROJECTS / "letters" / "docker-compose.yml",
    "plain": PROJECTS / "plain" / "compose.yml",
}


def copied(name: str, directory: Path) -> Path:
    """The Compose file of a copy of the project, in a directory of its name below ``directory``."""
    shutil.copytree(FILES[name].parent, directory / name)
    return directory / name / FILES[name].name
