from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import EncryptedString
from ansible.template import Templar, trust_as_template
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective import text as config_report
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.entries import configuration, is_secret_path
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.origins import source
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.variables import ELSEWHERE, Effective, Leaf, Vault
from hypothesis import given
from hypothesis import strategies as st

OPENED = Vault("v/vault.yml", frozenset({"vault_key", "vault_other", "odd_name"}))
CLOSED = Vault("v/vault.yml")
NONE = Vault()


def trusted(value: Any) -> Any:
    """As Ansible reads it from a file: its texts may be templates."""
    if isinstance(value, Mapping):
        return {key: trusted(part) for key, part in value.items()}
    if isinstance(value, list):
        return [trusted(part) for part in value]
    return trust_as_template(value) if isinstance(value, str) else value


def effective(text: str, vault: Vault = OPENED, more: Mapping[str, Any] | None = None, closed: bool = False) -> Effective:
    """``more``: given by -e, or read from a file that is encrypted when ``closed``."""
    sources = [source("all.yml", text), *([source("closed.yml", "$ANSIBLE_VAULT;1.1;AES256\n61\n")] if closed else [])]
    extra = frozenset() if closed else frozenset(more or {})
    raw = {**trusted(yaml.safe_load(text)), **trusted(more or {})}
    return Effective(raw, sources, extra, vault, lambda known: Templar(loader=DataLoader(), variables=known), is_secret_path)


LEAVES = [
    pytest.param("a: 1\n", Leaf(1, "all.yml:1"), id="a value"),
    pytest.param("b: 5\na: '{{ b + 1 }}'\n", Leaf(6, "all.yml:2"), id="a template, at its own line"),
    pytest.param("b: 5\na: '{{ b }}'\n", Leaf(5, "all.yml:1"), id="a reference, where the value stands"),
    pytest.param("b: {c: x}\na: '{{ b.c }}'\n", Leaf("x", "all.yml:1"), id="a reference into a mapping"),
    pytest.param("c: {d: 5}\nb: '{{ c }}'\na: '{{ b.d }}'\n", Leaf(5, "all.yml:3"), id="a reference into a template"),
    pytest.param("b: '{{ a }}'\na: '{{ b }}'\n", Leaf(None, "all.yml:2"), id="a circle"),
    pytest.param("a: '{{ vault_key }}'\n", Leaf(None, "all.yml:1", "set in vault.yml"), id="a secret"),
    pytest.param("a: 'x{{ vault_key | upper }}'\n", Leaf(None, "all.yml:1", "set in vault.yml"), id="made of a secret"),
    pytest.param("a: '{{ odd_name }}'\n", Leaf(None, "all.yml:1", "set in vault.yml"), id="a secret of any name"),
    pytest.param(
        "b: 'x{{ vault_key }}'\na: '{{ b | b64encode }}'\n",
        Leaf(None, "all.yml:2", "set in vault.yml"),
        id="made through another",
    ),
    pytest.param("vault_x: canary\na: '{{ vault_x }}'\n", Leaf(None, "all.yml:1", "set"), id="a plain one of a secret's name"),
    pytest.param("a: '{{ vault_no | default(false) }}'\n", Leaf(False, "all.yml:1"), id="a default for what the vault lacks"),
    pytest.param("a: \"{{ vars['vault_key'] }}\"\n", Leaf(None, "all.yml:1", "set"), id="by a name that is computed"),
]


@pytest.mark.parametrize(("text", "leaf"), LEAVES)
def test_a_leaf_has_its_value_and_its_origin_or_is_hidden(text: str, leaf: Leaf) -> None:
    assert effective(text).tree("a") == leaf


SECRETS = [
    pytest.param("'{{ vault_key }}'", OPENED, "set in vault.yml", "", id="in the vault"),
    pytest.param("'{{ vault_key }}'", CLOSED, "set in vault.yml (vault not opened)", "", id="in a vault that is closed"),
    pytest.param("'{{ anything }}'", CLOSED, "set in vault.yml (vault not opened)", "", id="in a closed vault by any name"),
    pytest.param("'{{ vault_no }}'", OPENED, "MISSING: no vault_no in vault.yml", "no vault_no in vault.yml", id="not in it"),
    pytest.param("'{{ vault_key }}'", NONE, "MISSING: nothing sets vault_key", "nothing sets vault_key", id="no vault"),
    pytest.param("canary", OPENED, "set, in plain text", "", id="in the open"),
    pytest.param("'{{ plain }}'", OPENED, "set, in plain text", "", id="in the open elsewhere"),
    pytest.param("''", OPENED, "EMPTY", "is empty", id="empty"),
    pytest.param("\"{{ lookup('env', 'HOME') }}\"", OPENED, "set by a template", "", id="looked up"),
]


@pytest.mark.parametrize(("value", "vault", "state", "problem"), SECRETS)
def test_of_a_secret_it_is_said_whether_it_is_set_and_never_what_it_is(
    value: str, vault: Vault, state: str, problem: str
) -> None:
    found = effective(f"plain: canary\nstack_secrets: {{api: {{KEY: {value}}}}}\n", vault)
    tree = found.tree("stack_secrets")
    assert isinstance(tree, dict)
    assert (tree["api"]["KEY"].hidden, tree["api"]["KEY"].value) == (state, None)
    assert found.problems == ([f"stack_secrets.api.KEY: {problem}"] if problem else [])


def test_a_mapping_that_a_template_makes_hides_its_secrets_and_shows_the_rest() -> None:
    text = "common: {A: plain, B: '{{ vault_key }}'}\na: \"{{ common | combine({'C': '1'}) }}\"\n"
    assert effective(text).tree("a") == {
        "A": Leaf("plain", "all.yml:2"),
        "B": Leaf(None, "all.yml:2", "set in vault.yml"),
        "C": Leaf("1", "all.yml:2"),
    }


def test_what_e_gives_wins_and_says_so() -> None:
    found = effective("a: 1\n", more={"a": 2, "stack_secrets": {"api": {"KEY": "canary"}}})
    assert found.tree("a") == Leaf(2, "-e")
    assert found.tree("stack_secrets") == {"api": {"KEY": Leaf(None, "-e", "set")}}


def test_what_another_plugin_sets_is_shown_without_an_origin() -> None:
    found = effective("b: 1\n", more={"a": 2, "b": 3})
    found._extra = frozenset()
    assert (found.tree("a"), found.tree("b")) == (Leaf(2, ELSEWHERE), Leaf(3, ELSEWHERE))


def test_what_comes_from_an_encrypted_file_of_variables_is_hidden_whatever_its_name() -> None:
    found = effective("b: 1\na: '{{ opened }}'\nc: 'x{{ opened }}'\n", more={"opened": "canary"}, closed=True)
    assert [found.tree(name) for name in ("a", "b", "c")] == [
        Leaf(None, "all.yml:2", "set"),
        Leaf(1, "all.yml:1"),
        Leaf(None, "all.yml:3", "set"),
    ]


def test_a_value_that_is_encrypted_in_place_is_hidden_and_so_is_what_is_made_of_it() -> None:
    text = "b: {user: anna, password: !vault 'x'}\na: '{{ b.password }}'\nc: '{{ b.user }}'\nd: 'x{{ b.password }}'\n"
    loaded = yaml.safe_load(text.replace("!vault ", ""))
    raw = trusted(loaded)
    raw["b"]["password"] = EncryptedString(ciphertext="not one that could be opened")
    found = Effective(
        raw,
        [source("all.yml", text)],
        frozenset(),
        NONE,
        lambda known: Templar(loader=DataLoader(), variables=known),
        is_secret_path,
    )
    assert [found.tree(name) for name in ("a", "c", "d")] == [
        Leaf(None, "all.yml:1", "set, encrypted in place"),
        Leaf("anna", "all.yml:1"),
        Leaf(None, "all.yml:4", "set"),
    ]
    assert found.problems == []


@pytest.mark.parametrize(
    "text", ["a: '{{ nowhere }}'\n", "a: '{{ vault_no }}'\n", "a: '{{ 1 + }}'\n", "a: '{{ 5 | no_such_filter }}'\n"]
)
def test_what_cannot_be_resolved_is_a_problem_with_its_path(text: str) -> None:
    found = effective(text)
    assert found.tree("a") == Leaf(None, "all.yml:1")
    assert [problem.split(":")[0] for problem in found.problems] == ["a"]


# Letters that stand nowhere else in the output, so that a piece of a secret cannot be there by chance.
SECRET = st.text("ÄÖÜßéèêøåπ", min_size=4, max_size=12)
USES = (
    "{secret}",
    "x {secret} y",
    "{{{{ plain_one }}}}",
    "x{{{{ plain_one }}}}",
    "{{{{ vault_one }}}}",
    "{{{{ vault_one | upper }}}}-x",
    "{{{{ {{'a': vault_one}} }}}}",
    "{{{{ [vault_one, vault_one | reverse] }}}}",
    "{{{{ through_another }}}}",
    "{{{{ lookup('vars', 'vault_one') }}}}",
    "{{{{ no_such_variable }}}} {secret}",
    "{{{{ '{secret}' | no_such_filter }}}}",
)
OPTIONS = {"stack_secret_files": {"type": "dict"}, **specifications.options("preflight")}


@given(SECRET, st.sampled_from(USES), st.sampled_from(USES[2:7]), st.sampled_from([OPENED, CLOSED, NONE]), st.booleans())
def test_no_piece_of_a_secret_is_in_the_output(secret: str, use: str, plain: str, vault: Vault, by_option: bool) -> None:
    variables = {
        "stack_environment": "staging",
        "stack_source": "/nowhere",
        "stack": {
            "name": "shop",
            "env": {
                "api": {
                    "PLAIN": plain.format(secret=""),
                    "DB_PASSWORD": secret,
                    "URL": f"https://anna:{secret}@example.com/",
                }
            },
        },
        "stack_secrets": {"api": {"KEY": use.format(secret=secret)}},
        "stack_secret_files": {"ca": {"content": use.format(secret=secret), "owner": 0}},
        "edge_options": {"API_KEY": secret, "url": f"redis://:{secret}@cache/0"},
        "through_another": "x{{ vault_one }}",
    }
    given_otherwise = {"vault_one": secret, "plain_one": "{{ vault_one }}"}
    text = yaml.safe_dump(variables if by_option else variables | given_otherwise, allow_unicode=True)
    found = effective(text, vault, given_otherwise if by_option else None)
    roles = {"preflight": OPTIONS, "edge": {"edge_options": {"type": "dict"}}}
    report = config_report.data(configuration("i", {"app": ["one"]}, {"one": found}, vault, roles, str), None, "")
    output = "\n".join([json.dumps(report, ensure_ascii=False), *config_report.lines(report)])
    assert "stack_secrets.api.KEY" in output
    pieces = {secret[start : start + 4] for start in range(len(secret) - 3)}
    assert [piece for piece in pieces if piece in output or piece.upper() in output] == []


@pytest.mark.parametrize(
    "migration",
    [
        {"engine": "supabase", "directory": "supabase/migrations", "reader": "ledger.DATABASE_URL"},
        {"engine": "supabase", "directory": "supabase/migrations", "secret": "api.DATABASE_URL"},
        {"service": "migrate", "directory": "migrations", "reader": "ledger.DATABASE_URL"},
    ],
)
@pytest.mark.parametrize("vault", [OPENED, CLOSED])
def test_what_only_the_values_of_secrets_can_show_is_left_to_a_deploy(tmp_path: Path, migration: Any, vault: Vault) -> None:
    (tmp_path / migration["directory"]).mkdir(parents=True)
    (tmp_path / migration["directory"] / "20260101000000_a.sql").write_text("create table a (id int);\n")
    services = {"migrate": {"image": "shop:1", "profiles": ["migrate"]}}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": services}))
    stack = {
        "name": "shop",
        "compose_files": ["compose.yml"],
        "files": [migration["directory"]],
        "database": {"secret": "api.DATABASE_URL"},
        "migration": migration,
    }
    secrets = {"api": {"DATABASE_URL": "{{ vault_key }}"}, "ledger": {"DATABASE_URL": "{{ vault_other }}"}}
    given_ = {"stack_environment": "staging", "preflight_environments": ["staging"], "stack_source": str(tmp_path)}
    text = yaml.safe_dump({**given_, "stack": stack, "stack_secrets": secrets})
    found = configuration("i", {"app": ["one"]}, {"one": effective(text, vault)}, vault, {"preflight": OPTIONS}, str)
    assert found.problems == []
