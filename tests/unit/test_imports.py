"""What a module reaches on a host must be there: Python's own library, and what roles/docker_engine installs.

And which way imports go: two floors, in them packages, and between those no circle. docs/development.md says what each is for.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = "ansible_collections.morpheus.deploy.plugins."
# Beside Python's library and what Ansible brings itself.
INSTALLED = {"docker", "jmespath", "yaml"}
# What docker needs itself; and what the module says in words when it is missing.
INSTALLED |= {"urllib3", "psycopg2"}
MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))
# The ground floor: what runs on hosts, or on both sides. Package -> those that it imports beside base, which all may.
HOSTS = {
    "base": "",
    "words": "",
    "lease": "",
    "lineage": "",
    "postgres": "",
    "health": "words",
    "service": "",
    "supabase": "postgres",
    "supabase_api": "words",
    "ledger": "",
    "ownership": "ledger postgres",
    "secrets": "postgres",
    "backup": "ownership postgres supabase_api words",
    "daemon": "",
    "egress": "",
    "rollout": "health service words",
    "flags": "",
    "compose": "service",
    "engine": "lineage service words",
    "release": "compose engine flags ledger lineage service",
    "logs": "engine words",
    "edge": "engine health rollout service",
    "host": "compose edge egress engine health lease release rollout service words",
    "edge_container": "edge engine service",
    "facts": "compose edge egress engine health ownership postgres release secrets service",
    "adoption": "compose edge engine facts service words",
    "operations": (
        "adoption compose edge edge_container engine flags health host lease ledger lineage ownership release rollout "
        "service supabase words"
    ),
}
# Upstairs: what runs on the controller only. Package -> those of this floor that it imports; of the one below, any.
CONTROLLER = {
    "encrypted": "",
    "lease": "",
    "rotation": "",
    "runpod": "",
    "supabase": "",
    "monitoring": "",
    "flags": "",
    "supabase_api": "",
    "config": "flags rotation supabase",
    "contract": "",
    "new_environment": "config",
    "inspected": "config new_environment",
    "audit": "config",
    "acme": "audit",
    "backup": "",
    "effective": "config",
    "stacks": "",
    "preflight": "audit",
    "run": "audit config effective preflight stacks",
    "notify": "config encrypted lease run",
    "live": "lease run",
}
FLOORS = {"module_utils": HOSTS, "plugin_utils": CONTROLLER}
ROOMS = [(floor, package) for floor, rows in FLOORS.items() for package in rows]


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{name.name}" for name in node.names)


@cache
def imported(path: Path) -> frozenset[str]:
    """Names of modules, those that are imported in functions or for types only included."""
    return frozenset(_imported(path))


@cache
def own(name: str) -> Path | None:
    path = ROOT / "plugins" / Path(*name.removeprefix(OWN).split(".")).with_suffix(".py") if name.startswith(OWN) else None
    return path if path and path.is_file() else None


def reached(path: Path) -> dict[str, Path]:
    """Name of everything that is imported on the way -> the file that does it."""
    found: dict[str, Path] = {}
    waiting, seen = [path], {path}
    while waiting:
        here = waiting.pop()
        for name in imported(here):
            found.setdefault(name, here)
            if (other := own(name)) and other not in seen:
                seen.add(other)
                waiting.append(other)
    return found


def foreign(path: Path) -> dict[str, str]:
    """What neither Python nor Ansible brings -> who imports it."""
    known = {*sys.stdlib_module_names, "ansible", "ansible_collections", *INSTALLED}
    return {name.split(".")[0]: one.stem for name, one in reached(path).items() if name.split(".")[0] not in known}


@pytest.mark.parametrize("path", MODULES, ids=[path.stem for path in MODULES])
def test_a_module_needs_nothing_that_hosts_lack(path: Path) -> None:
    assert foreign(path) == {}


# What Python has got since the 3.10 that Ubuntu 22.04 brings.
YOUNGER = {
    *("asyncio.Runner", "asyncio.TaskGroup", "asyncio.timeout", "contextlib.chdir", "datetime.UTC", "enum.StrEnum"),
    *("hashlib.file_digest", "itertools.batched", "tomllib", "ExceptionGroup", "BaseExceptionGroup"),
    *(f"typing.{name}" for name in ("LiteralString", "Never", "NotRequired", "Required", "Self", "Unpack", "assert_never")),
}


WORDS = [name.rpartition(".")[2] for name in YOUNGER]


def used(path: Path) -> set[str]:
    """What a file that has such a word imports, and which names and attributes of names it has."""
    text = path.read_text()
    if not any(word in text for word in WORDS):
        return set()
    nodes = list(ast.walk(ast.parse(text)))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    pairs = [(node.value, node.attr) for node in nodes if isinstance(node, ast.Attribute)]
    return names | {f"{value.id}.{name}" for value, name in pairs if isinstance(value, ast.Name)} | imported(path)


def test_what_runs_on_hosts_uses_nothing_that_is_younger_than_their_python() -> None:
    there = shipped() | {path for path in MODULES if runs_on_hosts(path)} | set((ROOT / "plugins/module_utils/logs").glob("*.py"))
    assert {path.stem: found for path in sorted(there) if (found := used(path) & YOUNGER)} == {}


def test_a_library_of_the_controller_is_found_wherever_it_is_imported() -> None:
    assert foreign(ROOT / "plugins" / "plugin_utils" / "audit" / "report.py") == {"cryptography": "certificate"}


def files(floor: str) -> set[Path]:
    return set((ROOT / "plugins" / floor).rglob("*.py"))


def neighbours(path: Path) -> set[Path]:
    """The files of this collection that one imports."""
    return {other for name in imported(path) if (other := own(name)) and other != path}


def floor_of(path: Path) -> str:
    return path.relative_to(ROOT / "plugins").parts[0]


def runs_on_hosts(module: Path) -> bool:
    """Not so where an action plugin does all the work: then the module is documentation."""
    action = ROOT / "plugins" / "action" / module.name
    text = action.read_text() if action.is_file() else "_execute_module"
    return "_execute_module" in text or "ansible.plugins.action.normal" in text


def shipped() -> set[Path]:
    """Every file that some module takes to a host."""
    modules = [path for path in MODULES if runs_on_hosts(path)]
    return {other for path in modules for name in reached(path) if (other := own(name))} - set(modules)


def test_a_module_that_changes_one_entry_takes_little_to_hosts() -> None:
    """Each file costs time on each host; what the module says is masked, which takes most of them. With one of them the others
    need not be compiled.
    """
    path = ROOT / "plugins" / "modules" / "edge_maintenance.py"
    taken = {other for name in reached(path) if (other := own(name))}
    assert sorted(other.stem for other in taken if other.parent.name == "edge") == ["maintenance", "paths", "sockets"]
    assert {other.parent.name for other in taken} == {"base", "edge", "lease", "words"}
    assert len(taken) <= 18


def circle(imports: dict[Path, set[Path]]) -> list[str]:
    try:
        list(TopologicalSorter(imports).static_order())
    except CycleError as exc:
        return [str(path.relative_to(ROOT / "plugins")) for path in exc.args[1]]
    return []


def strays(there: Iterable[Path], wanted: Iterable[Path]) -> list[str]:
    return sorted(str(path.relative_to(ROOT / "plugins")) for path in set(there) - set(wanted))


@pytest.mark.parametrize("floor", FLOORS)
def test_every_file_is_in_a_package_that_has_a_row(floor: str) -> None:
    rooms = {ROOT / "plugins" / floor / package for package in FLOORS[floor]}
    assert strays(files(floor), (path for path in files(floor) if path.parent in rooms)) == []
    assert {path.parent for path in files(floor)} == rooms, "a row without files"


@pytest.mark.parametrize(("floor", "package"), ROOMS, ids=[f"{floor}/{package}" for floor, package in ROOMS])
def test_a_package_imports_those_of_its_row_and_no_other(floor: str, package: str) -> None:
    found = {
        other.parent.name: f"{path.name} imports {other.parent.name}/{other.name}"
        for path in (ROOT / "plugins" / floor / package).glob("*.py")
        for other in neighbours(path)
        if floor_of(other) == floor and other.parent.name not in {package, "base"}
    }
    allowed = set(FLOORS[floor][package].split())
    assert sorted(said for name, said in found.items() if name not in allowed) == []
    assert sorted(allowed - set(found)) == [], "nothing imports these any more: take them out of the row"


def test_what_runs_on_hosts_imports_nothing_that_runs_on_the_controller_only() -> None:
    found = {(path, other) for path in files("module_utils") | set(MODULES) for other in neighbours(path)}
    wrong = {(path, other) for path, other in found if floor_of(other) != "module_utils"}
    assert sorted(f"{path.name} imports {other.relative_to(ROOT / 'plugins')}" for path, other in wrong) == []


def test_the_ground_floor_holds_what_modules_take_to_hosts_and_nothing_else() -> None:
    assert strays(files("module_utils"), shipped()) == [], "no module takes these to a host: they belong into plugin_utils"
    assert strays(shipped(), files("module_utils")) == []


def test_imports_go_in_no_circle_between_packages_nor_between_files() -> None:
    imports = {path: neighbours(path) for floor in FLOORS for path in files(floor)}
    assert circle(imports) == []
    packages: dict[Path, set[Path]] = {}
    for path, others in imports.items():
        packages.setdefault(path.parent, set()).update(other.parent for other in others if other.parent != path.parent)
    assert circle(packages) == []


# What ansible-doc reads must stand in the file of the plugin, and is no code.
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
MOST_LINES = 300


def lines_of_code(text: str) -> int:
    """How long a file is, without its head, which says whose it is, and the documentation of a plugin."""
    lines = text.splitlines()
    head = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    told = [node for node in nodes if any(isinstance(one, ast.Name) and one.id in DOCUMENTATION for one in node.targets)]
    return len(lines) - head - sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in told)


def too_long(text: str) -> bool:
    """Whether a file is longer than can be read at a sitting, and its docstring does not say why it has to be."""
    if len(text.splitlines()) <= MOST_LINES:
        return False
    reason = re.search(r"Longer than 300 lines: \w+", ast.get_docstring(ast.parse(text)) or "")
    return lines_of_code(text) > MOST_LINES and not reason


def test_no_file_is_longer_than_300_lines_without_a_reason_said_in_it() -> None:
    long = [path for path in (ROOT / "plugins").rglob("*.py") if too_long(path.read_text())]
    assert strays(long, []) == [], 'cut them, or say why not in their docstring: "Longer than 300 lines: ..."'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("one = 1\n" * 300, False, id="as long as it may be"),
        pytest.param("one = 1\n" * 301, True, id="longer"),
        pytest.param(
            '"""A table. Longer than 300 lines: its rows are read beside each other."""\n' + "one = 1\n" * 301, False, id="why"
        ),
        pytest.param('"""A table. Longer than 300 lines:"""\n' + "one = 1\n" * 301, True, id="no reason"),
        pytest.param("# Longer than 300 lines: in a comment\n" + "one = 1\n" * 301, True, id="a comment"),
        pytest.param("# Copyright\n# Licence\n" + "one = 1\n" * 300, False, id="a head"),
        pytest.param("# Copyright\n# Licence\n" + "one = 1\n" * 301, True, id="longer below its head"),
        pytest.param('DOCUMENTATION = """' + "\n" * 200 + '"""\n' + "one = 1\n" * 250, False, id="documentation of a plugin"),
    ],
)
def test_a_file_is_too_long_when_nobody_says_why(text: str, expected: bool) -> None:
    assert too_long(text) is expected


def test_loading_all_filters_loads_no_library_that_few_runs_need() -> None:
    """Ansible loads every filter of the collection at the start of each run, of a rollback as well."""
    names = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("*.py"))
    modules = [f"ansible_collections.morpheus.deploy.plugins.filter.{name}" for name in names]
    asked = f"import sys; sys.path.insert(0, 'collections')\nfor name in {modules}: __import__(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    libraries = {"boto3", "botocore", "cryptography", "docker", "jmespath", "jsonschema", "pglast", "referencing", "rich"}
    assert not libraries & loaded
    # Nor what only one filter works with: that imports it when it is used.
    assert not {name for name in loaded if ".deploy.plugins.plugin_utils.config." in name}
