"""What ansible-doc would show of a module or filter: its own documentation and that of its fragments, put together by Ansible."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import yaml
from ansible.utils.plugin_docs import add_fragments

COLLECTION = "ansible_collections.morpheus.deploy"
FRAGMENTS = Path(__file__).parents[2] / "plugins" / "doc_fragments"


class _Fragments:
    """Ansible's loader, for the fragments of this collection."""

    def get(self, slug: str) -> Any:
        prefix, _, name = slug.rpartition(".")
        if prefix != "morpheus.deploy" or not (FRAGMENTS / f"{name}.py").is_file():
            return None
        found = importlib.import_module(f"{COLLECTION}.plugins.doc_fragments.{name}").ModuleDocFragment
        found.ansible_name = slug
        return found


def own(name: str, kind: str = "modules") -> dict[str, Any]:
    """What stands in the file. ``kind``: modules, or another directory of plugins."""
    found: dict[str, Any] = yaml.safe_load(importlib.import_module(f"{COLLECTION}.plugins.{kind}.{name}").DOCUMENTATION)
    return found


def documentation(name: str, kind: str = "modules") -> dict[str, Any]:
    whole = own(name, kind)
    add_fragments(whole, f"/{name}.py", _Fragments(), is_module=kind == "modules")
    return whole


def named(documented: dict[str, Any]) -> list[str]:
    """The fragments that a plugin names, as ``<file>.<variant>``."""
    slugs = [slug.removeprefix("morpheus.deploy.") for slug in documented.get("extends_documentation_fragment", [])]
    return [slug if "." in slug else f"{slug}.documentation" for slug in slugs]


def variants() -> list[str]:
    """Every fragment that there is."""
    files = sorted(path.stem for path in FRAGMENTS.glob("*.py"))
    classes = {name: importlib.import_module(f"{COLLECTION}.plugins.doc_fragments.{name}").ModuleDocFragment for name in files}
    return [f"{name}.{variant.lower()}" for name, found in classes.items() for variant in vars(found) if variant.isupper()]
