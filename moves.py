"""Moves the files of plugins/module_utils and plugins/plugin_utils into packages, and rewrites whoever names them.

    python moves.py          # in a clean checkout that has no rooms yet; leaves the result in the index

Nothing but places and names of files changes. Repeatable: after a merge, reset to the newer main and run it again. It stops
before it moves anything when a file has no row in the table, or is on the wrong floor: what runs on hosts is computed from the
imports of those modules that run there.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True).stdout.strip())
PLUGINS = "ansible_collections.morpheus.deploy.plugins"
FLOORS = ("module_utils", "plugin_utils")

# Floor -> package -> files: "old", or "old=new" where the package says already what the old name's beginning said.
TABLE = {
    "module_utils": {
        "base": "errors spoken files=atomic formats schema dotenv=env_file processes leftovers",
        "words": "plain_text spellings openly masking said in_words",
        "health": "gate http_probe=http users=user_errors dependencies",
        "postgres": "connection_url=url role_pair",
        "ownership": "identity=host database_identity=marker declared_database=database environment_check=check",
        "secrets": "secret_files=files fingerprints attest=attestation",
        "lease": "fence lease leased history fleet away",
        "lineage": "lineage journal recall",
        "daemon": "daemon_config=config engine_setup=setup engine_packages=packages",
        "rollout": "plan cut execute",
        "compose": "compose_data=data compose_keys=keys compose_rules=rules compose_model=model release_variables contents"
        " file_mounts host_paths refusals refused_mounts refused_networks hardening precautions",
        "engine": "engine pull one_offs",
        "release": "release project_files project_drift live_files schema_files applied",
        "edge": "routes haproxy old_workers edge=admission maintenance upstreams upstream_turns edge_state=state edge_drift=drift"
        " edge_carry=carry own_edge served",
        "host": "host images lock_holders exclusive=lock hardening_here retention",
        "edge_container": "edge_setup=setup edge_instance=instance edge_image=image edge_upgrade=upgrade redirect",
        "facts": "access walk baseline reach sockets tls_probe=tls cis audit_files=files secret_copies audit_disk=disk"
        " audit_exemptions=exemptions audit_host=host",
        "operations": "migrations prepare migrate rollout=switch status info=retained",
    },
    "plugin_utils": {
        "encrypted": "encrypted_header=header encrypted_file=file variables_text=text",
        "lease": "vote handover keeper",
        "rotation": "rotation=plan",
        "config": "compose_files edge_options public_check exposed isolation specifications stack_config=check",
        "effective": "yaml_origins=origins effective=variables configuration=entries drift config_report=text",
        "new_environment": "asked compose_says environment_files=files password_client new_environment=project",
        "audit": "certificate audit_rules=rules audit_access=access audit_secrets=secrets audit=report audit_report=pages"
        " audited=judge",
        "run": "ends run_file interruption watch release_names verdict rollback way_back report=status_table reports",
    },
}
# Tests that are called after no file: of which package they are.
TESTS = {
    "attacks": "config",
    "host_gate": "host",
    "lease_fleet": "lease/module_utils",
    "migrate_mounts": "operations",
    "ordinary_stacks": "config",
    "rollout_properties": "rollout",
    "verdict_interrupted": "run",
}
# They speak of the past, or of every version: what they name stays as it is.
LEFT = {"CHANGELOG.md", "moves.py", "tests/unit/upgrade/test_upgrade.py", "tests/unit/upgrade/driver.py"}

Place = tuple[str, str, str]
# Old name of a file -> floor, package, new name. Old names are unique over both floors.
NEW: dict[str, Place] = {
    old.partition("=")[0]: (floor, package, old.partition("=")[2] or old)
    for floor, packages in TABLE.items()
    for package, files in packages.items()
    for old in files.split()
}


def git(*words: str) -> list[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


# Which floor


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{name.name}" for name in node.names)


def own(name: str) -> Path | None:
    if not name.startswith(f"{PLUGINS}."):
        return None
    path = ROOT / "plugins" / Path(*name.removeprefix(f"{PLUGINS}.").split(".")).with_suffix(".py")
    return path if path.is_file() else None


def runs_on_hosts(module: Path) -> bool:
    """Not so, when an action plugin does its work: the module is documentation."""
    action = ROOT / "plugins" / "action" / module.name
    return not action.is_file() or any(
        word in action.read_text() for word in ("_execute_module", "ansible.plugins.action.normal")
    )


def shipped() -> set[str]:
    """Old names of all files that some module takes to a host."""
    waiting = [path for path in (ROOT / "plugins" / "modules").glob("*.py") if runs_on_hosts(path)]
    seen = set(waiting)
    while waiting:
        found = {path for name in imported(waiting.pop()) if (path := own(name))} - seen
        seen |= found
        waiting += found
    return {path.stem for path in seen if path.parent.name == "module_utils"}


def problems(files: list[Path]) -> Iterator[str]:
    names = [path.stem for path in files]
    yield from (f"{name}: no row in the table" for name in names if name not in NEW)
    yield from (f"{name}: there is no such file" for name in NEW if name not in names)
    on_hosts = shipped()
    for name in set(names) & set(NEW):
        wanted = "module_utils" if name in on_hosts else "plugin_utils"
        if NEW[name][0] != wanted:
            yield f"{name}: belongs to {wanted}"


# Where to


def place_of_test(name: str) -> str:
    """Of tests/unit/plugins/*_utils/test_<name>.py: its directory below tests/unit/plugins."""
    if name in TESTS:
        package, _, floor = TESTS[name].partition("/")
        floor = floor or next(floor for floor, packages in TABLE.items() if package in packages)
    else:
        floor, package, _ = NEW[name]
    return f"{floor}/{package}"


def moves() -> dict[str, str]:
    found = {}
    for floor in FLOORS:
        for path in git("ls-files", f"plugins/{floor}/*.py"):
            there, package, name = NEW[Path(path).stem]
            found[path] = f"plugins/{there}/{package}/{name}.py"
        for path in git("ls-files", f"tests/unit/plugins/{floor}/test_*.py"):
            found[path] = f"tests/unit/plugins/{place_of_test(Path(path).stem.removeprefix('test_'))}/{Path(path).name}"
    return found


# Who names them


def statement(base: str, name: str, local: str) -> str:
    _, package, new = NEW[name]
    return f"from {base}.{NEW[name][0]}.{package} import {new}" + (f" as {local}" if local != new else "")


def of_floor(match: re.Match[str]) -> str:
    """``from <floor> import a, b as c``: a statement each, and ruff puts those of one package together."""
    lines = []
    for one in re.sub(r"[()\s]+", " ", match["names"]).strip(" ,").split(","):
        name, _, local = one.strip().partition(" as ")
        lines.append(match["indent"] + statement(PLUGINS, name, local or name))
    return "\n".join(lines)


def of_tests(match: re.Match[str]) -> str:
    lines = []
    for one in match["names"].split(","):
        name = one.strip().partition(" as ")[0]
        place = place_of_test(name.removeprefix("test_")).replace("/", ".")
        lines.append(f"{match['indent']}from tests.unit.plugins.{place} import {one.strip()}")
    return "\n".join(lines)


def dotted(match: re.Match[str]) -> str:
    return f"{PLUGINS}.{'.'.join(NEW[match['name']])}" if match["name"] in NEW else match[0]


def dotted_test(match: re.Match[str]) -> str:
    return f"tests.unit.plugins.{place_of_test(match['name']).replace('/', '.')}.test_{match['name']}"


def test_file(match: re.Match[str]) -> str:
    return f"tests/unit/plugins/{place_of_test(match['name'])}/test_{match['name']}.py"


def file(match: re.Match[str]) -> str:
    return f"{match['plugins'] or ''}{'/'.join(NEW[match['name']])}.py" if match["name"] in NEW else match[0]


def joined(match: re.Match[str]) -> str:
    """``"module_utils" / "walk.py"``"""
    return " / ".join(f'"{part}"' for part in NEW[match["name"]]).removesuffix('"') + '.py"'


def bare(match: re.Match[str], room: str) -> str:
    """``walk.py`` in words of the code and of the docs; the package is named to those of another one."""
    if match["name"] not in NEW:
        return match[0]
    _, package, new = NEW[match["name"]]
    return f"{new}.py" if package == room else f"{package}/{new}.py"


FLOOR = r"(?:module_utils|plugin_utils)"
REWRITES = (
    # In one go: packages are called as files were.
    (
        re.compile(
            rf"^(?P<indent>[ ]*)from {re.escape(PLUGINS)}\.{FLOOR} import (?P<names>\([^)]*\)|[^\n;]+)"
            rf"|\b{re.escape(PLUGINS)}\.{FLOOR}\.(?P<name>\w+)",
            re.M,
        ),
        lambda match: of_floor(match) if match["names"] else dotted(match),
    ),
    (re.compile(rf"^(?P<indent>[ ]*)from tests\.unit\.plugins\.{FLOOR} import (?P<names>[^\n;(]+)", re.M), of_tests),
    (re.compile(rf"\btests\.unit\.plugins\.{FLOOR}\.test_(?P<name>\w+)"), dotted_test),
    (re.compile(rf"\btests/unit/plugins/{FLOOR}/test_(?P<name>\w+)\.py\b"), test_file),
    (re.compile(rf"(?<!unit/)(?P<plugins>\bplugins/)?\b{FLOOR}/(?P<name>\w+)\.py\b"), file),
    (re.compile(rf'"{FLOOR}" / "(?P<name>\w+)\.py"'), joined),
)
BARE = re.compile(r"(?<![\w/.-])(?P<name>\w+)\.py\b")


def rewritten(path: str, text: str) -> str:
    for pattern, new in REWRITES:
        text = pattern.sub(new, text)
    if path.startswith(("plugins/module_utils/", "plugins/plugin_utils/")) or path == "docs/hardening.md":
        room = NEW[Path(path).stem][1] if path.endswith(".py") else ""
        text = BARE.sub(lambda match: bare(match, room), text)
    return text


def deeper(text: str) -> str:
    """Of a file that has moved one directory down: ways that begin at itself."""
    return re.sub(r"Path\(__file__\)\.parents\[(\d+)\]", lambda found: f"Path(__file__).parents[{int(found[1]) + 1}]", text)


def main() -> None:
    if git("status", "--porcelain", "--untracked-files=no"):
        sys.exit("the checkout is not clean: commit or reset first")
    files = [ROOT / path for floor in FLOORS for path in git("ls-files", f"plugins/{floor}/*.py")]
    if any(path.parent.name not in FLOORS for path in files):
        sys.exit("there are rooms already: reset to a commit without them")
    if found := sorted(problems(files)):
        sys.exit("\n".join(found))
    table = moves()
    for old, new in table.items():
        (ROOT / new).parent.mkdir(parents=True, exist_ok=True)
        git("mv", old, new)
    back = {new: old for old, new in table.items()}
    changed = []
    for path in git("ls-files"):
        here = ROOT / path
        if path in LEFT or here.is_symlink() or here.suffix not in {".py", ".md", ".yml", ".yaml", ".j2", ".toml", ".cfg"}:
            continue
        before = here.read_text()
        after = rewritten(back.get(path, path), before)
        after = deeper(after) if path in back else after
        if after != before:
            here.write_text(after)
            changed.append(path)
    python = [path for path in changed if path.endswith(".py")]
    ruff = shutil.which("ruff") or str(Path(sys.executable).with_name("ruff"))
    subprocess.run([ruff, "check", "--quiet", "--select", "I", "--fix", *python], cwd=ROOT, check=True)
    subprocess.run([ruff, "format", "--quiet", *python], cwd=ROOT, check=True)
    git("add", "--", *changed)
    print(f"{len(table)} files moved, {len(changed)} files rewritten")


if __name__ == "__main__":
    main()
