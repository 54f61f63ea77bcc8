"""Rotations from any crash to their end, on a vault in memory, a provider and hosts that are a few dictionaries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.action.rotation import Rotation
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import role_pair
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import fingerprints
from ansible_collections.morpheus.deploy.plugins.plugin_utils.encrypted import text as variables_text
from ansible_collections.morpheus.deploy.plugins.plugin_utils.rotation import plan as rotation
from hypothesis import given
from hypothesis import strategies as st

FINGERPRINT_KEY = "fingerprint-key-of-tests"
URL = "postgresql://app_a:canary-old@db.example.com/app"
TEXT = f"# Ours.\nv: {URL}\nother: canary-x  # stays\nk: canary-old-key\n"
PAIR = {"admin_url": "postgresql://admin:canary-admin@db.example.com/app", "roles": ["app_a", "app_b"], "owner": "app"}
PROBE = {"url": "https://api.example.com/me"}
ROTATIONS: list[dict[str, Any]] = [
    {"name": "database", "secrets": ["api.DATABASE_URL"], "variable": "v", "provider": "postgres_role_pair", "postgres": PAIR},
    {
        "name": "ml",
        "secrets": ["api.KEY", "ml.KEY"],
        "variable": "k",
        "provider": "command",
        "command": {"create": ["make"], "revoke": ["drop"], "admin_key": "canary-admin-key"},
        "probe": PROBE,
    },
    {"name": "by_hand", "secrets": ["api.KEY", "ml.KEY"], "variable": "k", "provider": "manual", "probe": PROBE},
    {"name": "own", "secrets": ["api.KEY", "ml.KEY"], "variable": "k", "provider": "generated"},
]

ADMINS = {"rotation.database.admin_url": str(PAIR["admin_url"]), "rotation.ml.admin_key": "canary-admin-key"}


@pytest.fixture(scope="module", autouse=True)
def each_text_is_parsed_once() -> Iterator[None]:
    """Every step reads the whole vault again and again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variables_text, "_entries", cache(variables_text._entries))
        yield


class Killed(BaseException):
    """The controller has ended in the middle."""


class World:
    """``lives``: effects until the run is killed; each is either before or after something has happened."""

    def __init__(self, name: str, path: Path | None = None) -> None:
        self.name, self.path = name, path
        self.entry = next(one for one in ROTATIONS if one["name"] == name)
        self.variable = str(self.entry["variable"])
        self.text, self.lives = TEXT, 10**6
        self.accepted = {self.value}
        self.made: dict[str, str] = {}
        # Two hosts with two replicas each: the value in the host's file, and what each replica was started with.
        self.files, self.replicas = [self.value] * 2, [[self.value] * 2 for _ in range(2)]

    @property
    def value(self) -> str:
        return str(variables_text.read(self.text, self.variable))

    def tick(self) -> None:
        self.check()
        self.lives -= 1
        if self.lives < 0:
            raise Killed

    def check(self) -> None:
        """What must be true at every moment."""
        running = {value for host in self.replicas for value in host}
        assert running <= self.accepted, "a replica has a value that the provider refuses"
        assert self.value in self.accepted, "a deploy would bring a value that the provider refuses"
        held = {self.value, *variables_text.read_mapping(self.text, rotation.STATE_VARIABLE).values()}
        given_away = {*running, *self.files} | (self.accepted if self.name == "database" else set())
        assert given_away <= held, "a value is in use that the vault does not hold"

    # What EncryptedFile does.
    def read(self) -> str:
        return self.text

    def write(self, text: str) -> None:
        self.tick()
        self.text = text
        if self.name == "own":
            # No provider: whatever the vault holds is as good as anything.
            self.accepted = {self.value, *(self.state.get(which, self.value) for which in ("old", "new"))}
        self.tick()

    def run_program(self, command: list[str], text: str, seconds: float) -> str:
        line = json.loads(text)
        self.tick()
        if command == ["drop"]:
            self.accepted.discard(line["value"])
            self.tick()
            return ""
        made = self.made.setdefault(line["id"], f"canary-key-{len(self.made)}")
        self.accepted.add(made)
        self.tick()
        return f"{made}\n"

    def rotation(self, ask: Callable[[str], str] = lambda text: "canary-by-hand") -> Rotation:
        secrets = {"api": {"DATABASE_URL": "", "KEY": ""}, "ml": {"KEY": ""}}
        for names, variable in ((("api.DATABASE_URL",), "v"), (("api.KEY", "ml.KEY"), "k")):
            for group, _, name in (one.partition(".") for one in names):
                secrets[group][name] = str(variables_text.read(self.text, variable))
        arguments: dict[str, Any] = {
            "name": self.name,
            "rotations": ROTATIONS,
            "secrets": secrets,
            "vault": "/v",
            "environment": "staging",
        }
        if self.path:
            arguments |= {"fingerprints": str(self.path), "fingerprint_key": FINGERPRINT_KEY, "other_fingerprints": []}
        return Rotation(arguments, self, ask, self.run_program)  # type: ignore[arg-type]

    def run(self, cancel: bool = False) -> None:
        """What playbooks/rotate_secrets.yml does, step by step."""
        if cancel and self.rotation().state:
            self.rotation().cancel()
        for step in self.rotation().plan()["steps"]:
            getattr(self, step)()
            self.check()

    def make(self) -> None:
        self.rotation().begin()

    def add(self) -> None:
        new = self.state["new"]
        if self.name != "database":
            if self.name == "by_hand":
                self.accepted.add(new)
            if new not in self.accepted:
                raise DeployError("the new value is refused")
            return
        self.tick()
        # A role has one password.
        self.accepted = {url for url in self.accepted if role_pair.role_of(url) != role_pair.role_of(new)} | {new}
        self.tick()

    def switch(self) -> None:
        self.rotation().switch()

    def spread(self) -> None:
        for host in range(2):
            self.tick()
            self.files[host] = self.state["new"]

    def roll(self) -> None:
        for host in range(2):
            for number in range(2):
                self.tick()
                self.replicas[host][number] = self.files[host]

    def attest(self) -> None:
        if any(value != self.state["new"] for host in self.replicas for value in host):
            raise DeployError("nothing was revoked")

    def wait(self) -> None:
        self.rotation().wait()

    def revoke(self) -> None:
        if self.name != "database":
            self.rotation().revoke()
            return
        self.tick()
        self.accepted.discard(self.state["old"])
        self.tick()

    def prove(self) -> None:
        if self.state["old"] in self.accepted:
            raise DeployError("the old value still works")

    def record(self) -> None:
        self.rotation().end()

    @property
    def state(self) -> dict[str, str]:
        return variables_text.read_mapping(self.text, rotation.STATE_VARIABLE)

    def is_over(self, old: str) -> None:
        assert not self.state
        assert self.value != old
        assert self.accepted == {self.value}
        assert {value for host in self.replicas for value in host} == {self.value} == set(self.files)
        assert self.text == variables_text.with_value(TEXT, self.variable, self.value)


def run_killed(world: World, lives: int, cancel: bool = False) -> None:
    world.lives = lives
    try:
        world.run(cancel)
    except Killed:
        pass
    finally:
        world.lives = 10**6


@pytest.mark.parametrize("name", ["database", "ml", "own"])
def test_a_rotation_leads_from_one_value_to_another_and_back_again(name: str) -> None:
    world = World(name)
    for _ in range(3):
        old = world.value
        world.run()
        world.is_over(old)


@pytest.mark.parametrize("name", ["database", "ml", "own"])
@given(kills=st.lists(st.integers(0, 30), max_size=5))
def test_the_run_after_any_number_of_crashes_does_the_rest(name: str, kills: list[int]) -> None:
    world = World(name)
    old = world.value
    for lives in kills:
        if world.value != old and not world.state:
            break
        run_killed(world, lives)
    if world.state or world.value == old:
        world.run()
    world.is_over(old)
    # However often it was killed, one key was made.
    assert len(world.made) == (1 if name == "ml" else 0)


@pytest.mark.parametrize("name", ["database", "own"])
@given(before=st.lists(st.integers(0, 30), min_size=1, max_size=3), after=st.lists(st.integers(0, 30), max_size=3))
def test_a_rotation_that_is_cancelled_after_any_crash_leads_back(name: str, before: list[int], after: list[int]) -> None:
    world = World(name)
    old = world.value
    for lives in before:
        run_killed(world, lives)
    if not world.state:
        return
    [was_old] = {world.state["old"]}
    world.rotation().cancel()
    for lives in after:
        if world.state:
            run_killed(world, lives)
    if world.state:
        world.run()
    assert not world.state
    assert world.value == was_old
    assert world.accepted == {was_old}
    assert world.text == variables_text.with_value(TEXT, world.variable, was_old) or was_old == old


def test_a_replica_with_the_old_value_blocks_the_revocation_and_the_next_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World("database")
    old = world.value
    with monkeypatch.context() as patched:
        patched.setattr(world, "roll", lambda: None)
        with pytest.raises(DeployError, match="nothing was revoked"):
            world.run()
    assert old in world.accepted
    assert world.state["phase"] == "rolling"
    world.run()
    world.is_over(old)


def test_by_hand_the_first_run_ends_before_the_revocation_and_the_second_proves_it() -> None:
    world = World("by_hand")
    old = world.value
    world.run()
    assert (world.state["phase"], world.value) == ("waiting", "canary-by-hand")
    with pytest.raises(DeployError, match="the old value still works"):
        world.run()
    world.accepted.discard(old)
    world.run()
    world.is_over(old)


def test_the_fingerprints_follow_the_vault_even_after_a_crash_between_the_two(tmp_path: Path) -> None:
    path = tmp_path / "fingerprints.json"
    own = {"api.DATABASE_URL": URL, "api.KEY": "canary-old-key", "ml.KEY": "canary-old-key", **ADMINS}
    path.write_text(fingerprints.text(fingerprints.make("staging", FINGERPRINT_KEY, own, "2026-01-01")))
    before = fingerprints.read(path)
    world = World("database", path)
    # Made, kept; opened, twice; the variable changed, and no more.
    run_killed(world, 5)
    assert world.value != URL
    assert fingerprints.read(path) == before
    world.run()
    after = fingerprints.read(path)
    now = fingerprints.make("staging", FINGERPRINT_KEY, {**own, "api.DATABASE_URL": world.value}, "")
    assert fingerprints.differences(after, now) == {}
    assert after["secrets"]["api.DATABASE_URL"]["since"] > "2026-01-01"
    assert after["secrets"]["api.KEY"] == before["secrets"]["api.KEY"]


def test_a_value_that_another_environment_has_is_not_taken(tmp_path: Path) -> None:
    path, other = tmp_path / "own.json", tmp_path / "other.json"
    path.write_text(fingerprints.text(fingerprints.make("staging", FINGERPRINT_KEY, {}, "2026-01-01")))
    other.write_text(
        fingerprints.text(fingerprints.make("production", FINGERPRINT_KEY, {"api.KEY": "canary-by-hand"}, "2026-01-01"))
    )
    world = World("by_hand", path)
    one = world.rotation()
    one._arguments = {**one._arguments, "other_fingerprints": [str(other)]}
    with pytest.raises(
        DeployError, match=r"api.KEY has the same value as api.KEY of production.*the vault was left as it is"
    ) as caught:
        one.begin()
    assert "canary" not in str(caught.value)
    assert world.text == TEXT


@pytest.mark.parametrize(("name", "admin"), [("database", "admin_url"), ("ml", "admin_key")])
def test_what_administers_must_be_the_environments_own(tmp_path: Path, name: str, admin: str) -> None:
    path, other = tmp_path / "fingerprints.json", tmp_path / "other.json"
    path.write_text(fingerprints.text(fingerprints.make("staging", FINGERPRINT_KEY, {}, "2026-01-01")))
    one = World(name, path).rotation()
    with pytest.raises(DeployError) as caught:
        one.plan()
    assert str(caught.value) == (
        f"stack_fingerprints: rotation.{name}.{admin} is not in {path}; if it is meant, run playbooks/fingerprint.yml; nothing "
        "was made, added or revoked"
    )
    path.write_text(fingerprints.text(fingerprints.make("staging", FINGERPRINT_KEY, ADMINS, "2026-01-01")))
    assert one.plan()["name"] == name
    other.write_text(fingerprints.text(fingerprints.make("production", FINGERPRINT_KEY, ADMINS, "2026-01-01")))
    one._arguments = {**one._arguments, "other_fingerprints": [str(other)]}
    with pytest.raises(DeployError, match=rf"rotation\.{name}\.{admin} has the same value as .* of production"):
        one.plan()


def test_a_second_rotation_waits_for_the_end_of_the_first() -> None:
    world = World("database")
    run_killed(world, 2)
    world.name = "ml"
    with pytest.raises(
        DeployError, match=r"the rotation of database, begun .*, is not finished. Finish it first: .* -e secret=database"
    ):
        world.rotation()


@pytest.mark.parametrize(
    "printed", ["", "\n", "a b\nc", "canary-old-key\n"], ids=["nothing", "a line end", "two lines", "the old one"]
)
def test_what_a_program_prints_is_looked_at_before_it_is_kept(printed: str) -> None:
    world = World("ml")
    world.run_program = lambda command, text, seconds: printed  # type: ignore[method-assign]
    with pytest.raises(DeployError, match=r"what command.create printed .*; the vault was left as it is") as caught:
        world.rotation().begin()
    assert "canary" not in str(caught.value)
    assert world.state["new"] == ""


def test_all_problems_come_in_one_message_and_without_a_value() -> None:
    world = World("database")
    broken = [{**ROTATIONS[0], "secrets": ["api.NONE"], "postgres": {**PAIR, "roles": ["app_a"], "owner": "app_a"}}]
    arguments = {"name": "x", "rotations": broken, "secrets": {"api": {"A": "canary"}}, "vault": "", "environment": "staging"}
    with pytest.raises(DeployError) as caught:
        Rotation(arguments, world, str, world.run_program)  # type: ignore[arg-type]
    assert str(caught.value).splitlines() == [
        "Nothing was contacted or changed. Problems of the rotation:",
        "  - stack_rotation[0].secrets: unknown: api.NONE; known: api.A",
        "  - stack_rotation[0].postgres.roles: must be two different ones",
        "  - stack_rotation[0].postgres.owner: must not be one of the roles; it is the role that owns what the application has "
        "in the database",
        '  - secret: "x" is not in stack_rotation, which has database; give -e secret=<name>',
        "  - stack_vault: required; the new value is written there",
    ]


def test_a_misspelled_option_is_named() -> None:
    world = World("database")
    arguments = {
        "name": "x",
        "rotations": [{**ROTATIONS[0], "variabel": "v"}],
        "secrets": {},
        "vault": "/v",
        "environment": "staging",
    }
    with pytest.raises(DeployError, match=r'stack_rotation\[0\].variabel: unknown key; did you mean "variable"\?'):
        Rotation(arguments, world, str, world.run_program)  # type: ignore[arg-type]


def test_a_secret_that_comes_from_elsewhere_is_not_rotated() -> None:
    world = World("database")
    one = world.rotation()
    one._secrets["api.DATABASE_URL"] = "postgresql://app_a:canary-2@db.example.com/app"
    with pytest.raises(DeployError, match=r"api\.DATABASE_URL is not what v of .* holds") as caught:
        one.plan()
    assert "canary" not in str(caught.value)


def test_neither_plan_nor_login_of_a_foreign_role_is_given_away() -> None:
    world = World("database")
    world.text = TEXT.replace("app_a", "legacy")
    world.accepted, world.files, world.replicas = {world.value}, [world.value], [[world.value]]
    plan = world.rotation().plan()
    assert (plan["old"], plan["keeps_old"], plan["owner"]) == ("legacy", True, "app")
    assert "revoke" not in plan["steps"]
    assert "canary" not in json.dumps(plan)
    one = world.rotation()
    one.begin()
    assert connection_url.parse(world.state["new"]).user == "app_a"
    one.cancel()
    # On the way back the foreign login is tried and not changed.
    back = world.rotation().plan()
    assert (back["owner"], back["keeps_old"], back["old"]) == ("", False, "app_a")


def test_a_step_that_has_nothing_to_go_on_from_is_refused() -> None:
    world = World("database")
    for step in (Rotation.switch, Rotation.wait, Rotation.revoke, Rotation.cancel):
        with pytest.raises(DeployError, match="no rotation of database is under way"):
            step(world.rotation())
    assert Rotation.end(world.rotation()) is False


def test_the_password_of_a_registry_is_rotated_in_the_vault_and_on_no_host(tmp_path: Path) -> None:
    texts = ["k: canary-old-key\n"]

    class Vault:
        path = "/v"

        def read(self) -> str:
            return texts[-1]

        def write(self, text: str) -> None:
            texts.append(text)

    def one() -> Rotation:
        login = {"server": "ghcr.io", "username": "deploy", "password": variables_text.read(texts[-1], "k")}
        secrets = ["registries.ghcr.io.password"]
        probe = {**PROBE, "value": "Basic {basic}", "username": "deploy"}
        entry = {"name": "pull", "secrets": secrets, "variable": "k", "provider": "manual", "probe": probe}
        arguments = {"name": "pull", "rotations": [entry], "registries": [login], "vault": "/v", "environment": "staging"}
        given = Vault()
        return Rotation(arguments, given, lambda text: "canary-new-key", lambda *unused: "")  # type: ignore[arg-type]

    plan = one().plan()
    assert (plan["steps"], plan["on_hosts"], plan["username"]) == (["make", "add", "switch", "wait"], [], "deploy")
    assert one().begin()
    assert one().switch()
    assert one().wait()
    assert one().plan()["steps"] == ["switch", "prove", "record"]
    assert one().end()
    assert texts[-1] == 'k: "canary-new-key"\n'
