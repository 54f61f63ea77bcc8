"""The workflows on the sandbox's hosts, run by Ansible itself: a push, a tag, an approval, a dispatch, a night, another team.

Each run's log is printed and kept in .cache/workflows-sandbox. Staging and production serve release 1.0.0 before and after.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.world import MOLECULE_DOMAIN, MOLECULE_HOST, Host
from tests.acceptance.bare_host import COMPOSE, HOST, SANDBOX, served
from tests.acceptance.test_audit import readable_secret
from tests.acceptance.world import PRODUCTION, ROOT, STAGING, Environment, made_anew
from tests.load import Report
from tests.load.summary import summarize
from tests.newcomer import Newcomer, commands, install, new_environment
from tests.workflows.forge import Environment as Rules
from tests.workflows.forge import Event, Run, Trees
from tests.workflows.sandboxed import Sandboxed, commit, last_run, pushed_image, served_images, way_to
from tests.workflows.slips import Change, drops, job, swaps_needs
from tests.workflows.world import TAG, documented_lines, only_of_another_repository

pytestmark = pytest.mark.deep

API = "services/api/main.py"
DRAWN = '{"panels": panels, "release": RELEASE}'


def pushed(sha: str) -> Event:
    return Event("push", sha=sha)


def asked(workflow_ref: str, sha: str, actor: str = "anna", **inputs: str) -> Event:
    return Event("workflow_dispatch", workflow_ref, actor=actor, sha=sha, inputs=inputs)


@contextmanager
def repository(change: Callable[[Trees], None] | None = None, there: Path = ROOT) -> Iterator[Sandboxed]:
    # Short, for SSH's sockets lie below.
    with tempfile.TemporaryDirectory(prefix="wf-", dir="/tmp") as directory:
        world = Sandboxed(Path(directory), change, there)
        try:
            yield world
        finally:
            world.removes_its_images()


def serves(environment: Environment, release: str) -> None:
    """Deploys it where another one, or none, is live."""
    with suppress(AssertionError, OSError, LookupError, ValueError):
        if environment.live().startswith(f"{release}-") and environment.health()[1]["version"] == release:
            return
    environment.deployed(release)


@pytest.fixture(scope="module")
def staging() -> Iterator[Environment]:
    serves(STAGING, "1.0.0")
    yield STAGING
    serves(STAGING, "1.0.0")


@pytest.fixture(scope="module")
def production() -> Iterator[Environment]:
    serves(PRODUCTION, "1.0.0")
    yield PRODUCTION
    serves(PRODUCTION, "1.0.0")


@dataclass(frozen=True)
class Staged:
    """A push to main, and what users of staging saw meanwhile."""

    world: Sandboxed
    sha: str
    run: Run
    seen: Report

    @property
    def images(self) -> dict[str, str]:
        """Service -> image by digest, as the registry has it."""
        digests = self.world.forge.registry
        return {one: f"shop/shop/{one}@{digests[f'shop/shop/{one}:{self.sha}']}" for one in ("api", "web")}


@pytest.fixture(scope="module")
def staged(staging: Environment) -> Iterator[Staged]:
    with repository() as world:
        sha = commit()
        with staging.load() as load:
            run = world.does(pushed(sha), "deploy-staging")
        yield Staged(world, sha, run, load.report)


@dataclass(frozen=True)
class Promoted:
    """A tag that was approved, and what users of production saw meanwhile."""

    run: Run
    seen: Report


@pytest.fixture(scope="module")
def promoted(staged: Staged, production: Environment) -> Promoted:
    staged.world.forge.answers["production"], staged.world.forge.asked = "granted", []
    with production.load() as load:
        run = staged.world.does(Event("push", TAG, sha=staged.sha), "deploy-production")
    return Promoted(run, load.report)


def nothing_failed(while_: str, seen: Report) -> None:
    """Of what users sent. A generator that was late itself, for want of a processor, says little about the edge."""
    print(f"\n{while_}: {seen.failed} failed of {seen.sent}, the generator was late by {seen.max_lag_ms:.0f} ms at most")
    # A text, for pytest shortens anything else.
    assert seen.is_clean, summarize(seen)


def own(images: dict[str, str]) -> dict[str, str]:
    """Of a host's services those that the repository builds."""
    return {service: image for service, image in images.items() if service in ("api", "web")}


def test_a_push_is_deployed_by_digest_under_load_tried_and_signed(staged: Staged, staging: Environment) -> None:
    run, world = staged.run, staged.world
    assert run.conclusion == "success", world.log(run)
    assert own(served_images(staging)["staging-app-1"]) == staged.images
    assert staging.health()[1]["version"] == staged.sha
    assert f"https://staging.morpheus.app serves {staged.sha}" in world.log(run)
    line = last_run(staging)
    assert (line["verdict"], line["to"]) == ("deployed", staged.sha)
    assert "anna" in line["owner"]
    record = json.loads((world.forge.artefacts[run.number, "promotion"] / "record.json").read_text())
    assert record["images"] == {f"{service.upper()}_IMAGE": image for service, image in staged.images.items()}
    assert (record["verdict"], record["proofs"]) == ("deployed", {"test": "success", "smoke": "success"})
    nothing_failed("a push to main", staged.seen)


def test_a_release_that_draws_nothing_is_taken_back_and_the_run_is_red(staging: Environment) -> None:
    release, images = staging.health()[1]["version"], served_images(staging)
    with repository() as world:
        text = (ROOT / API).read_text()
        world.write(API, text.replace(DRAWN, '{"panels": [], "release": RELEASE}'))
        assert DRAWN in text
        sha = commit()
        run = world.does(pushed(sha), "deploy-staging")
        assert run.conclusion == "failure"
        assert "became no comic" in world.log(run)
        assert (run.results["deploy"], run.results["rollback"], run.results["record"]) == ("success", "success", "skipped")
        assert (run.number, "promotion") not in world.forge.artefacts
    assert (staging.health()[1]["version"], served_images(staging)) == (release, images)
    assert [(line["verdict"], line["to"]) for line in staging.history()[-2:]] == [("deployed", sha), ("rolled_back", release)]


def without_digests(trees: Trees) -> None:
    job("deploy-staging", "deploy")(trees)["with"]["variables"] = {"$": 'format(\'{{"stack_release": "{0}"}}\', github.sha)'}


# What is broken -> how the run ends that must end well.
BROKEN: dict[str, tuple[Change, dict[str, str]]] = {
    "no environment": (drops(job("playbook", "run"), "environment"), {"deploy": "failure", "smoke": "skipped"}),
    "smoke test first": (swaps_needs("deploy-staging", "deploy", "smoke"), {"smoke": "failure", "deploy": "skipped"}),
    "images by their tags": (without_digests, {"deploy": "failure", "smoke": "skipped"}),
}


@pytest.mark.parametrize("slip", BROKEN)
def test_a_workflow_that_is_broken_is_found_and_changes_nothing(slip: str, staging: Environment) -> None:
    change, ends = BROKEN[slip]
    before = staging.everything()
    with repository(change) as world:
        run = world.does(pushed(commit()), "deploy-staging")
        assert run.conclusion == "failure"
        assert {name: run.results[name] for name in ends} == ends
        assert run.results["record"] == "skipped"
    assert staging.everything() == before


def test_an_approval_that_is_denied_leaves_production_as_it_was(staged: Staged, production: Environment) -> None:
    before = production.everything()
    world = staged.world
    world.forge.answers["production"] = "denied"
    run = world.does(Event("push", TAG, sha=staged.sha), "deploy-production")
    assert (run.conclusion, run.jobs["deploy/run"].why) == ("failure", "the approval for production was denied")
    # What whoever was asked had before them.
    assert "### Staging has proved this commit" in run.summary
    assert "### plan of production: ready" in run.summary
    assert production.everything() == before


def test_a_tag_brings_what_staging_ran_to_production_after_an_approval(
    promoted: Promoted, staged: Staged, production: Environment
) -> None:
    run = promoted.run
    assert run.conclusion == "success", staged.world.log(run)
    assert staged.world.forge.asked == ["production"]
    served_now = {host: own(images) for host, images in served_images(production).items()}
    assert served_now == dict.fromkeys(production.hosts, staged.images)
    assert production.health()[1]["version"] == staged.sha
    assert run.summary.index("plan of production: ready") < run.summary.index("deploy of production: deployed")
    nothing_failed("a tag that was approved", promoted.seen)


@pytest.mark.usefixtures("promoted")
def test_on_call_brings_production_back_by_a_dispatch_without_a_vault_password(staged: Staged, production: Environment) -> None:
    world = staged.world
    assert "VAULT_PASSWORD" not in world.forge.environments["production-rollback"].secrets
    assert production.health()[1]["version"] == staged.sha
    event = asked("refs/heads/main", staged.sha, "carol", environment="production", reason="errors after the release")
    with production.load() as load:
        run = world.does(event, "rollback")
    assert run.conclusion == "success", world.log(run)
    assert production.health()[1]["version"] == "1.0.0"
    line = last_run(production)
    assert (line["verdict"], line["to"]) == ("rolled_back", "1.0.0")
    assert "carol" in line["owner"]
    nothing_failed("a rollback by dispatch", load.report)


# What a night finds of the sandbox as it is: its registry has no TLS, and no gateway is deployed in it.
OWN = ("trusts http://registry.sandbox:5000/ without TLS", "no gateway runs on this host")


def found_by(run: Run) -> tuple[list[str], list[str]]:
    """Findings that are the sandbox's own, and others."""
    lines = [line for line in run.summary.splitlines() if line.startswith("- ")]
    own = [line for line in lines if any(words in line for words in OWN)]
    return own, [line for line in lines if line not in own]


@pytest.mark.usefixtures("staging", "production")
def test_a_night_finds_what_lies_open_and_the_next_one_no_longer(staged: Staged) -> None:
    """A night that finds nothing at all closes the issue: tests/workflows/scenarios.py."""
    world = staged.world
    night = Event("schedule", sha=staged.sha)
    with readable_secret():
        run = world.does(night, "drift")
    assert (run.conclusion, run.results["report"]) == ("failure", "failure"), world.log(run)
    own, found = found_by(run)
    assert len(found) == 1, found
    assert "mode 0644" in found[0]
    assert [one["words"][:2] for one in world.called("gh")][-3:] == [["issue", "list"], ["label", "create"], ["issue", "create"]]
    world.github["issue"] = "7"
    run = world.does(night, "drift")
    assert found_by(run) == (own, []), world.log(run)
    assert world.called("gh")[-1]["words"][:3] == ["issue", "edit", "7"]


@pytest.fixture
def bare_host() -> Iterator[Host]:
    with made_anew(HOST):
        yield MOLECULE_HOST


def test_another_teams_ten_lines_deploy_their_compose_file(bare_host: Host, tmp_path_factory: pytest.TempPathFactory) -> None:
    home, here = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("green")
    # What a person of the team does once, with the tarball: an environment, a host that is provisioned and claimed.
    install(home)
    (here / "compose.yml").write_text(COMPOSE.replace("morpheus/web", "green/grocer"))
    way = way_to(bare_host)
    (home / "key").touch(mode=0o600)
    (home / "key").write_text(way["SSH_KEY"])
    (home / "known_hosts").write_text(way["SSH_KNOWN_HOSTS"])
    ssh = {"ANSIBLE_PRIVATE_KEY_FILE": str(home / "key"), "ANSIBLE_SSH_EXTRA_ARGS": f"-o UserKnownHostsFile={home}/known_hosts"}
    person = Newcomer(home, here, ssh)
    said = person.well(new_environment(f"-e name=staging -e hosts={HOST} -e user=deploy -e site={MOLECULE_DOMAIN}"))
    inventory = here / "inventories" / "staging"
    (inventory / "group_vars" / "all" / "sandbox.yml").write_text(SANDBOX)
    (inventory / "host_vars").mkdir()
    address = f"---\nansible_host: 127.0.0.1\nansible_port: {bare_host.ssh_port}\n"
    (inventory / "host_vars" / f"{HOST}.yml").write_text(address)
    for command in commands(said):
        if command.startswith("ansible-playbook ") and ".deploy.deploy " not in command:
            person.well(command)
    # And what GitHub gets: the ten lines, what Git does not ignore, and the secrets of the environment.
    (here / ".github" / "workflows").mkdir(parents=True)
    (here / ".github" / "workflows" / "deploy.yml").write_text(documented_lines())
    subprocess.run(["git", "init", "--quiet"], cwd=here, check=True)
    with repository(only_of_another_repository(documented_lines()), here) as world:
        password = (here / ".vault" / "staging").read_text()
        world.forge.environments["staging"] = Rules(way | {"VAULT_PASSWORD": password})
        for sha in (commit(), commit()):
            world.images.append(pushed_image(ROOT / "services", f"green/grocer:{sha}", {"SERVICE": "web", "RELEASE": sha})[0])
            run = world.does(pushed(sha), "theirs")
            assert run.conclusion == "success", world.log(run)
            assert "### deploy of staging: deployed" in run.summary
            assert served() == sha
        # The collection came from the commit that their lines name, and was installed for this job alone.
        [work] = [one for one in run.directory.glob("*") if (one / "temp" / ".ansible" / "collections").exists()]
        assert (work / "temp" / ".ansible" / "collections" / "ansible_collections" / "morpheus" / "deploy").exists()
    shutil.rmtree(here / ".vault")
