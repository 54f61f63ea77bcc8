"""What a module has compiled is kept for its next run, and whatever else stands in its place is not run."""

from __future__ import annotations

import ast
import importlib.util
import marshal
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import CodeType

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode import Bytecode

ROOT = Path(__file__).parents[5]
FIRST = "ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode"


def compiled(text: str) -> CodeType:
    return compile(text, "one.py", "exec")


def nobody() -> CodeType:
    raise AssertionError("compiled, although it was kept")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """With what one run has compiled."""
    path = tmp_path / "made" / "one.bytecode"
    bytecode = Bytecode(path)
    bytecode.code("one", b"x = 1", lambda: compiled("x = 1"))
    bytecode.write()
    return path


def is_kept(path: Path) -> bool:
    asked: list[str] = []
    found = Bytecode(path).code("one", b"x = 1", lambda: asked.append("") or compiled("x = 1"))  # type: ignore[func-returns-value]
    assert found == compiled("x = 1")
    return not asked


def test_the_next_run_compiles_nothing(path: Path) -> None:
    assert Bytecode(path).code("one", b"x = 1", nobody) == compiled("x = 1")


def test_another_source_of_the_same_name_is_compiled_and_kept_in_its_place(path: Path) -> None:
    bytecode = Bytecode(path)
    assert bytecode.code("one", b"x = 2", lambda: compiled("x = 2")) == compiled("x = 2")
    bytecode.write()
    assert Bytecode(path).code("one", b"x = 2", nobody) == compiled("x = 2")
    assert not is_kept(path)


def test_a_run_that_compiled_nothing_writes_nothing(path: Path) -> None:
    before = path.stat()
    bytecode = Bytecode(path)
    bytecode.code("one", b"x = 1", nobody)
    bytecode.write()
    assert path.stat() == before


def test_only_its_owner_may_read_or_write_it(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_with_any_byte_of_it_changed_or_cut_off_is_not_run(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert not is_kept(path), place
        path.write_bytes(whole[:place])
        assert not is_kept(path), place
    path.write_bytes(whole)
    assert is_kept(path)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_one_that_others_may_write_is_not_run(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert not is_kept(path)


def test_one_of_another_owner_is_not_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert not is_kept(path)


def test_one_of_another_python_is_not_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "MAGIC_NUMBER", b"\0\0\r\n")
    assert not is_kept(path)


def test_where_it_cannot_be_written_it_is_compiled_each_time(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("a file in the place of the directory")
    bytecode = Bytecode(tmp_path / "made" / "one.bytecode")
    bytecode.code("one", b"x = 1", lambda: compiled("x = 1"))
    bytecode.write()
    assert not is_kept(tmp_path / "made" / "one.bytecode")


def test_a_directory_in_its_place_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "one.bytecode").mkdir()
    bytecode = Bytecode(tmp_path / "one.bytecode")
    bytecode.code("one", b"x = 1", lambda: compiled("x = 1"))
    bytecode.write()
    assert not is_kept(tmp_path / "one.bytecode")


# A package of an archive and what is in it; it says what Python compiled meanwhile, and where it believes that it is.
PROGRAM = """
import builtins, sys, zipimport
archive, kept = sys.argv[1:]
sys.path.insert(0, {collections!r})
from pathlib import Path
from {first} import keep
import {first} as bytecode
bytecode.BYTECODE_ROOT = Path(kept)
keep(Path(archive))
compiled, original = [], compile
builtins.compile = lambda source, name, *rest, **more: compiled.append(name) or original(source, name, *rest, **more)
zipimport.compile = builtins.compile
sys.path.insert(0, archive)
import packed, packed.inner
print(len([name for name in compiled if archive in str(name)]), packed.__file__, packed.inner.__file__, packed.inner.said())
try:
    packed.inner.fails()
except ValueError:
    import traceback
    print(traceback.format_exc())
"""


def test_an_archive_is_compiled_once_and_means_the_same_wherever_it_lies(tmp_path: Path) -> None:
    program = PROGRAM.format(collections=str(ROOT / "collections"), first=FIRST)
    outputs = []
    for run in ("first", "second"):
        archive = tmp_path / run / "module_payload.zip"
        archive.parent.mkdir()
        with zipfile.ZipFile(archive, "w") as found:
            found.writestr("packed/__init__.py", "")
            found.writestr("packed/inner.py", "def said():\n    return 'ä'\n\n\ndef fails():\n    raise ValueError\n")
        done = subprocess.run(
            [sys.executable, "-c", program, archive, tmp_path / "kept"], capture_output=True, text=True, check=True
        )
        outputs.append(done.stdout)
        count, package, inner, said = done.stdout.splitlines()[0].split()
        assert (package, inner, said) == (f"{archive}/packed/__init__.py", f"{archive}/packed/inner.py", "ä")
        assert "raise ValueError" in done.stdout
        assert (int(count) == 0) == (run == "second"), count


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "modules").glob("*.py")), ids=lambda path: path.stem)
def test_a_module_that_runs_on_a_host_has_it_before_anything_else_of_this_collection(path: Path) -> None:
    names = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    own = [name for name in names if name and name.startswith("ansible_collections.")]
    assert own[0] == FIRST or "on_the_controller(" in path.read_text()


def test_what_is_kept_is_no_more_than_code(path: Path) -> None:
    body = path.read_bytes()[len(importlib.util.MAGIC_NUMBER) + 32 :]
    assert {name: type(marshal.loads(code)) for name, (_, code) in marshal.loads(body).items()} == {"one": CodeType}
