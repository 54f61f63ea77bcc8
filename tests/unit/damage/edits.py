"""What people do to a file that running replicas have mounted."""

from __future__ import annotations

from pathlib import Path


def made(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def in_place(path: Path) -> None:
    """``echo >>``: the same inode."""
    with path.open("a") as stream:
        stream.write("and more\n")


def by_rename(path: Path) -> None:
    """``sed -i``: another one."""
    other = path.with_name("sed")
    other.write_text("something else\n")
    other.chmod(path.stat().st_mode & 0o777)
    other.replace(path)


def both(path: Path) -> None:
    """The inode that replicas have mounted is changed, and is then at no path any more."""
    in_place(path)
    by_rename(path)


EDITS = {"in place": in_place, "by rename": by_rename, "in place and then by rename": both}
