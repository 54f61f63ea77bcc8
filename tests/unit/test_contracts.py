"""What must be true of every role, module and plugin, so that documentation, specification and code cannot drift apart."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit import quick_yaml
from tests.unit.documented import documentation, named, own, variants

ROOT = Path(__file__).parents[2]
COLLECTION = "ansible_collections.morpheus.deploy"
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
FILTERS = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("*.py"))
LOOKUPS = sorted(path.stem for path in (ROOT / "plugins" / "lookup").glob("*.py"))
CALLBACKS = sorted(path.stem for path in (ROOT / "plugins" / "callback").glob("*.py"))
YAML_FILES = sorted(
    path for directory in ("roles", "playbooks", "molecule") for path in (ROOT / directory).rglob("*.yml") if path.is_file()
)
TASKS = [path for path in YAML_FILES if path.parent.name != "meta"]
# Names of options whose values must never be printed.
SECRET = re.compile(r"(secret|password|token|certificate|private)")
# The fencing token of a lease is a number that grows. It opens nothing.
NO_SECRETS = {"token", "import_secrets"}

KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "list": (list,),
    "dict": (dict,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}

each_role = pytest.mark.parametrize("role", ROLES, ids=[path.name for path in ROLES])
each_module = pytest.mark.parametrize("name", MODULES)


def loaded(path: Path) -> Any:
    return quick_yaml.load(path.read_text())


def options_of(role: Path) -> dict[str, dict[str, Any]]:
    specs = loaded(role / "meta" / "argument_specs.yml")["argument_specs"]
    return specs["main"].get("options") or {}


def defaults_of(role: Path) -> dict[str, Any]:
    return loaded(role / "defaults" / "main.yml") or {}


@each_role
@pytest.mark.parametrize("name", ["README.md", "meta/main.yml", "meta/argument_specs.yml", "defaults/main.yml", "tasks/main.yml"])
def test_every_role_has_the_same_shape(role: Path, name: str) -> None:
    assert (role / name).is_file()


def test_no_role_describes_itself_in_the_words_of_another() -> None:
    described = Counter(loaded(role / "meta" / "main.yml")["galaxy_info"]["description"] for role in ROLES)
    assert [words for words, count in described.items() if count > 1] == []


@each_role
def test_every_entry_point_of_a_role_is_specified_and_exists(role: Path) -> None:
    specs = loaded(role / "meta" / "argument_specs.yml")["argument_specs"]
    for entry, spec in specs.items():
        assert (role / "tasks" / f"{entry}.yml").is_file()
        assert spec["short_description"]


@each_role
def test_every_default_of_a_role_is_specified(role: Path) -> None:
    assert set(defaults_of(role)) <= set(options_of(role))


@each_role
def test_every_default_that_is_specified_is_the_one_that_applies(role: Path) -> None:
    """Ansible never applies a default of a specification, so the same one must stand in defaults/main.yml."""
    own = {name: option for name, option in options_of(role).items() if name.startswith(f"{role.name}_")}
    defaults = defaults_of(role)
    specified = {name: option["default"] for name, option in own.items() if "default" in option}
    # What is computed from other variables cannot be specified as a value.
    literal = {name: value for name, value in defaults.items() if "{{" not in str(value)}
    assert literal == specified


@each_role
def test_what_a_role_requires_has_no_default(role: Path) -> None:
    required = {name for name, option in options_of(role).items() if option.get("required")}
    assert not required & set(defaults_of(role))


def undescribed(options: dict[str, Any], path: str = "") -> list[str]:
    found = []
    for name, option in options.items():
        if not option.get("description") or "type" not in option:
            found.append(f"{path}{name}")
        if option.get("type") == "list" and "elements" not in option:
            found.append(f"{path}{name} (elements)")
        found += undescribed(option.get("options") or option.get("suboptions") or {}, f"{path}{name}.")
    return found


@each_role
def test_every_option_of_a_role_is_described_and_typed(role: Path) -> None:
    assert undescribed(options_of(role)) == []


@pytest.mark.parametrize("path", YAML_FILES, ids=[str(path.relative_to(ROOT)) for path in YAML_FILES])
def test_no_tasks_from_has_an_extension(path: Path) -> None:
    """With one, ansible-core skips the validation of the role's arguments without a word."""
    assert not re.findall(r"tasks_from:\s*[\"']?[^\s\"']+\.ya?ml", path.read_text())


def calls_of_roles(tasks: Any) -> Iterator[dict[str, Any]]:
    """What import_role and include_role are given, however deep."""
    for task in [one for one in tasks if isinstance(one, dict)] if isinstance(tasks, list) else []:
        for key, value in task.items():
            if str(key).endswith(("import_role", "include_role")):
                yield value
            yield from calls_of_roles(value)


@pytest.mark.parametrize("path", YAML_FILES, ids=[str(path.relative_to(ROOT)) for path in YAML_FILES])
def test_a_specification_is_read_where_an_entry_point_has_one(path: Path) -> None:
    """Ansible reads and copies that of all entry points for each call of a role, also when this one has none."""
    for call in calls_of_roles(loaded(path)):
        role = ROOT / "roles" / str(call["name"]).rpartition(".")[2]
        if not str(call["name"]).startswith("morpheus.deploy.") or not role.is_dir():
            continue
        specs = loaded(role / "meta" / "argument_specs.yml")["argument_specs"]
        assert call.get("rolespec_validate", True) is (call.get("tasks_from", "main") in specs), call


@pytest.mark.parametrize("path", TASKS, ids=[str(path.relative_to(ROOT)) for path in TASKS])
def test_the_name_of_a_task_says_what_it_does(path: Path) -> None:
    """Neither a verb alone nor a verb with "it": read without the tasks around it, it says what is done to what."""
    names = re.findall(r"^ +- name: (\S+|\w+ (?:at )?(?:it|them)) *$", path.read_text(), re.MULTILINE)
    assert [name for name in names if name[0].isupper()] == []


@pytest.mark.parametrize("path", YAML_FILES, ids=[str(path.relative_to(ROOT)) for path in YAML_FILES])
def test_what_is_called_by_its_full_name_exists(path: Path) -> None:
    playbooks = [found.stem for found in (ROOT / "playbooks").glob("*.yml")]
    known = {*MODULES, *FILTERS, *LOOKUPS, *CALLBACKS, *(role.name for role in ROLES), *playbooks}
    called = set(re.findall(r"(?<![\w/.])morpheus\.deploy\.([a-z_]+)\b(?!/)", path.read_text()))
    assert called <= known


def module(name: str) -> Any:
    return importlib.import_module(f"{COLLECTION}.plugins.modules.{name}")


class CapturedError(BaseException):
    """Raised in the place of AnsibleModule with what it was given."""


def specification(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    def capture(**arguments: Any) -> None:
        raise CapturedError(arguments)

    found = module(name)
    monkeypatch.setattr(found, "AnsibleModule", capture)
    with pytest.raises(CapturedError) as caught:
        found.main()
    arguments: dict[str, Any] = caught.value.args[0]
    return arguments


def as_documented(options: dict[str, Any], below: str) -> dict[str, Any]:
    """What documentation and specification must agree on; ``below`` is what either calls the options of a dict."""
    return {
        name: {
            "type": option.get("type", "str"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "elements": option.get("elements"),
            "choices": option.get("choices"),
            "below": as_documented(option.get(below) or {}, below),
        }
        for name, option in options.items()
    }


@each_module
def test_the_options_of_a_module_are_documented_as_they_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    documented = documentation(name).get("options", {})
    assert as_documented(documented, "suboptions") == as_documented(specification(name, monkeypatch)["argument_spec"], "options")
    assert undescribed(documented) == []


@each_module
def test_a_module_says_of_itself_what_users_must_know(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    documented = documentation(name)
    assert documented["module"] == name
    for key in ("short_description", "description", "version_added", "author", "attributes"):
        assert documented[key], key
    assert not documented["short_description"].endswith(".")
    supports = specification(name, monkeypatch).get("supports_check_mode", False)
    assert (documented["attributes"]["check_mode"]["support"] != "none") == supports


def copies(documented: dict[str, dict[str, Any]]) -> list[str]:
    """What two plugins say in the same words. Ours is what stands in their files: a fragment is written once."""
    places: dict[str, list[str]] = {}
    for name, sections in documented.items():
        for section in ("attributes", "options"):
            for key, value in sections.get(section, {}).items():
                if "description" in value:
                    places.setdefault(f"{section}.{key}: {value['description']}", []).append(name)
    return [f"{what} ({', '.join(names)})" for what, names in sorted(places.items()) if len(names) > 1]


def test_no_two_modules_document_an_option_in_the_same_words() -> None:
    assert copies({name: own(name) for name in MODULES}) == []


def test_no_two_filters_document_an_option_in_the_same_words() -> None:
    assert copies({name: own(name, "filter") for name in FILTERS}) == []


def test_a_description_that_stands_twice_is_found() -> None:
    option = {"names": {"description": "The names."}, "to": {"description": "Where to."}}
    assert copies({"send": {"options": option}, "take": {"options": {"names": {"description": "The names."}}}}) == [
        "options.names: The names. (send, take)"
    ]


def test_every_fragment_of_documentation_is_used_twice() -> None:
    documented = [*map(own, MODULES), *(own(name, "filter") for name in FILTERS)]
    used = Counter(slug for one in documented for slug in named(one))
    assert {slug: used[slug] for slug in variants() if used[slug] < 2} == {}
    assert set(used) <= set(variants())


@each_module
def test_values_that_may_be_secret_are_never_logged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = specification(name, monkeypatch)["argument_spec"]
    suspects = {option for option in options if SECRET.search(option)} - NO_SECRETS
    assert [option for option in suspects if options[option].get("no_log") is not True] == []


@each_module
def test_the_examples_of_a_module_are_named_tasks_with_options_that_exist(name: str) -> None:
    tasks = quick_yaml.load(module(name).EXAMPLES)
    known = set(documentation(name).get("options", {}))
    assert tasks
    for task in tasks:
        assert task["name"]
    used = [set(task[f"morpheus.deploy.{name}"] or {}) for task in tasks if f"morpheus.deploy.{name}" in task]
    assert used
    assert all(options <= known for options in used)


@each_module
def test_every_value_that_a_module_returns_has_a_sample(name: str) -> None:
    returned = quick_yaml.load(module(name).RETURN)
    assert returned
    for key, value in returned.items():
        assert {"description", "returned", "type", "sample"} <= set(value), key
        assert value["type"] != "list" or "elements" in value, key
        assert isinstance(value["sample"], KINDS[value["type"]]), key


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_is_documented_and_called_as_its_file(name: str) -> None:
    found = importlib.import_module(f"{COLLECTION}.plugins.filter.{name}")
    documented = documentation(name, "filter")
    assert documented["name"] == name
    assert undescribed(documented["options"]) == []
    assert list(found.FilterModule().filters()) == [name]
    assert all(task["name"] for task in quick_yaml.load(found.EXAMPLES))
    assert "sample" in quick_yaml.load(found.RETURN)["_value"]


@pytest.mark.parametrize("name", LOOKUPS)
def test_a_lookup_is_documented_and_called_as_its_file(name: str) -> None:
    found = importlib.import_module(f"{COLLECTION}.plugins.lookup.{name}")
    documentation = quick_yaml.load(found.DOCUMENTATION)
    assert documentation["name"] == name
    assert undescribed(documentation["options"]) == []
    assert all(f"morpheus.deploy.{name}" in str(task) for task in quick_yaml.load(found.EXAMPLES))
    assert "sample" in quick_yaml.load(found.RETURN)["_raw"]


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_is_documented_and_called_as_its_file(name: str) -> None:
    found = importlib.import_module(f"{COLLECTION}.plugins.callback.{name}")
    assert quick_yaml.load(found.DOCUMENTATION)["name"] == name
    assert f"morpheus.deploy.{name}" == found.CallbackModule.CALLBACK_NAME


def test_the_collection_says_its_version_and_what_it_needs() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", loaded(ROOT / "galaxy.yml")["version"])
    assert re.match(r">=2\.\d+", loaded(ROOT / "meta" / "runtime.yml")["requires_ansible"])
