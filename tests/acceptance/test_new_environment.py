"""From an empty directory and the installed collection to a served stack, on a host of its own, with what a newcomer types."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox.world import MOLECULE_DOMAIN
from tests.acceptance.bare_host import COMPOSE, HOST, SANDBOX, served
from tests.acceptance.world import ROOT, eventually, made_anew, on
from tests.newcomer import Newcomer, commands, install, new_environment


@pytest.fixture
def bare_host() -> Iterator[None]:
    """Without an engine and without an owner. Molecule's: it recreates it for each of its scenarios."""
    with made_anew(HOST):
        yield


@pytest.fixture
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    # Short, or the names of SSH's sockets in it become too long.
    home, here = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("shop")
    install(home)
    (here / "compose.yml").write_text(COMPOSE)
    # Stands for the person's own ~/.ssh/config.
    ssh = f"-F {ROOT}/.sandbox/ssh_config -o ControlMaster=auto -o ControlPersist=300s"
    return Newcomer(home, here, {"ANSIBLE_SSH_ARGS": ssh})


# Not beside molecule, whose host it is.
@pytest.mark.lane("rest")
@pytest.mark.deep
@pytest.mark.usefixtures("bare_host")
def test_from_an_empty_directory_to_a_served_stack(newcomer: Newcomer) -> None:
    said = newcomer.well(new_environment(f"-e name=staging -e hosts={HOST} -e site={MOLECULE_DOMAIN}"))
    assert "Yours to fill in" not in said
    inventory = newcomer.here / "inventories" / "staging"
    (inventory / "group_vars" / "all" / "sandbox.yml").write_text(SANDBOX)
    # There is no secret to be written, and the person's SSH has no configuration of its own here.
    typed = [command for command in commands(said) if command.startswith("ansible-playbook ")]
    assert [command.split()[1].rpartition(".")[2] for command in typed] == [
        "fingerprint",
        "config",
        "provision",
        "claim",
        "deploy",
    ]
    for command in typed:
        last = newcomer.well(command)
    assert "VERDICT deployed: staging 1.0.0 " in last
    assert served() == "1.0.0"
    owner = json.loads(on(HOST, "cat", "/etc/morpheus.deploy/identity.json"))
    assert owner["environment"] == "staging"
    assert set(json.loads((inventory / "baselines.json").read_text())["hosts"]) == {HOST}

    # And on: the next release; a second environment, which cannot have the first one's host; and back, without a password.
    newcomer.well(typed[-1].replace("stack_release=1.0.0", "stack_release=1.1.0"))
    assert served() == "1.1.0"
    newcomer.well(new_environment(f"-e name=production -e hosts={HOST}"))
    refused = newcomer.types("ansible-playbook morpheus.deploy.deploy -i inventories/production -e stack_release=1.0.0")
    words = f"{HOST}: This host belongs to staging and not to production."
    assert (refused.returncode, words in " ".join(refused.stdout.split())) == (2, True), refused.stdout
    for name in ("staging", "production"):
        (newcomer.here / ".vault" / name).unlink()
    assert "VERDICT rolled_back: " in newcomer.well("ansible-playbook morpheus.deploy.rollback -i inventories/staging")
    eventually(lambda: served() == "1.0.0", "the release before serves again", 30)
