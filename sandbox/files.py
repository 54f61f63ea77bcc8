"""Files in .sandbox/: written whole or not at all, so that an interrupted run leaves nothing half-made."""

from __future__ import annotations

import os
from pathlib import Path


def write_file(path: Path, content: str, mode: int = 0o600) -> None:
    """Put the content in place in one move; nobody sees it with a wider mode than asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    draft.replace(path)
