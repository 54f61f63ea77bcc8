"""Run ansible-test sanity on what an archive of the collection holds: python -m tests.sanity ARCHIVE [--test NAME ...]

ansible-test wants ansible_collections/<namespace>/<name>, which a checkout is not: the archive is installed there. It makes
virtual environments without pip, and fetches a script that brings pip into them. Here pip's own wheel does, from wherever pip
gets its packages, so that no other place has to be reached.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from ansible.release import __version__
from ansible_test._internal.python_requirements import get_venv_packages

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".cache" / "sanity"
COLLECTION = HOME / "ansible_collections" / "morpheus" / "deploy"
IGNORE = f"tests/sanity/ignore-{'.'.join(__version__.split('.')[:2])}.txt"
# Beside what the archive holds, ansible-test reads these.
CONFIGURATION = ("tests/config.yml", IGNORE)
_PROGRAMS = Path(sys.executable).parent
_BRING_PIP = """import sys

sys.path.insert(0, {wheel!r})
from pip._internal.cli.main import main

sys.exit(main(["install", "--disable-pip-version-check", "--no-index", "--ignore-installed", {wheel!r}]))
"""


def lay_out(archive: str) -> None:
    """The collection as users install it, with what configures ansible-test."""
    shutil.rmtree(COLLECTION, ignore_errors=True)
    words = ["collection", "install", "--no-deps", "--offline", "--collections-path", str(HOME), archive]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(HOME)}
    subprocess.run([str(_PROGRAMS / "ansible-galaxy"), *words], env=environment, check=True, stdout=subprocess.DEVNULL)
    for name in CONFIGURATION:
        there = COLLECTION / name
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, there)
    with (COLLECTION / IGNORE).open("a") as file:
        file.writelines(f"{path} pylint:disallowed-name\n" for path in with_unused_names(COLLECTION))


def named(node: ast.AST) -> list[str]:
    """The variables that a node of a program brings."""
    if isinstance(node, ast.FunctionDef):
        # Not *_ and **_, which it allows.
        return [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []


def with_unused_names(collection: Path) -> Iterator[Path]:
    """Files that give what they do not use the name _, as is usual. Ansible keeps it for translations, and has none."""
    for path in sorted((collection / "plugins").rglob("*.py")):
        if any("_" in named(node) for node in ast.walk(ast.parse(path.read_text()))):
            yield path.relative_to(collection)


def lay_pip() -> None:
    """Puts what ansible-test would fetch where it looks first."""
    version = get_venv_packages(SimpleNamespace(version="{}.{}".format(*sys.version_info)))["pip"]
    cache = HOME / ".ansible" / "test" / "cache"
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return
    words = ["download", "--quiet", "--no-deps", "--only-binary=:all:", f"--dest={cache}", f"pip=={version}"]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    [wheel] = cache.glob(f"pip-{version}-*.whl")
    script.write_text(_BRING_PIP.format(wheel=str(wheel)))


def path() -> str:
    """Where ansible-test looks for each Python. Those of pyenv come before its shims, which end with an error for some."""
    root = os.environ.get("PYENV_ROOT")
    versions = sorted(Path(root, "versions").glob("3.*/bin")) if root else []
    return os.pathsep.join([str(_PROGRAMS), *map(str, versions), os.environ["PATH"]])


def main(archive: str, *arguments: str) -> int:
    lay_out(archive)
    lay_pip()
    # With the root said, ansible-test does not ask git, for which all of this is ignored.
    environment = {**os.environ, "PATH": path(), "HOME": str(HOME), "ANSIBLE_TEST_CONTENT_ROOT": str(COLLECTION)}
    words = [str(_PROGRAMS / "ansible-test"), "sanity", "--color", "no", *arguments]
    return subprocess.run(words, cwd=COLLECTION, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
