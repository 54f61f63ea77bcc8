"""Previews from nothing to a served URL and back: Ansible with stand-ins for hosts, and Supabase's stand-in for branches."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plays.staged import HOSTS, ROOT, VARIABLES, Case, Done, Stage, rule
from tests.supabase.standin import STAGING, STAGING_TOKEN, StandIn, standin

SPARE = [{"host": f"10.0.0.{number}", "port": 5432, "user": "postgres", "password": f"p/w-canary-{number}"} for number in (1, 2)]
COMPOSE = """
services:
  web:
    image: shop/web:${STACK_RELEASE}
    env_file: secrets/web.env
    healthcheck: {test: [CMD, /health], interval: 5s}
    deploy: {resources: {limits: {cpus: "0.5", memory: 64M}}}
"""
# What hosts have, as files: the stand-ins of these two remember it.
REMEMBERED = """
place = os.path.join(os.environ["HOSTS_HAVE"], host, {stack})
if {name!r} == "stack_release" and not check_mode:
    os.makedirs(place, exist_ok=True)
if {name!r} == "stack_removal":
    here = os.path.isdir(place)
    answer = dict(answer, here=here, changed=here, plan=["remove releases, secrets and files"] if here else [], kept=[])
    if here and not check_mode:
        os.rmdir(place)
print(json.dumps("""
REAL = ("supabase_branch", "supabase_branch_info")


class Previews:
    def __init__(self, directory: Path, supabase: StandIn) -> None:
        self.stage, self.supabase = Stage(directory), supabase
        self.have = directory / "have"
        self.have.mkdir()
        own = self.stage.collections / "ansible_collections/morpheus/deploy/plugins/modules"
        for name in REAL:
            (own / f"{name}.py").write_text((ROOT / "plugins/modules" / f"{name}.py").read_text())
        for name, stack in (("stack_release", 'given["stack"]["name"]'), ("stack_removal", 'given["stack"]')):
            text = (own / f"{name}.py").read_text()
            (own / f"{name}.py").write_text(text.replace("\nprint(json.dumps(", REMEMBERED.format(name=name, stack=stack)))

    def play(
        self,
        run: str,
        name: str,
        *options: str,
        rules: Sequence[Mapping[str, Any]] = (),
        sent: signal.Signals | None = None,
        **more: Any,
    ) -> Done:
        files = {"hosts.yml": yaml.safe_dump(self._inventory(more)), "source/compose.yml": COMPOSE}
        options = ("-e", f"preview_name={name}", *options)
        case = Case(
            options,
            rules,
            files=files,
            sent=sent,
            environment={"PWD": str(self.stage.directory / run), "HOSTS_HAVE": str(self.have), "no_proxy": "127.0.0.1"},
        )
        done = self.stage.play(run, "preview", case)
        assert "canary" not in done.output
        return done

    def _inventory(self, more: Mapping[str, Any]) -> dict[str, Any]:
        left_out = ("stack_vault", "stack_rotation", "stack_fingerprint_key", "stack_other_fingerprints")
        web = {**VARIABLES["stack"]["services"][0], "routes": [{"host": "{{ preview_name }}.preview.example"}]}
        variables = {
            **{name: value for name, value in VARIABLES.items() if name not in left_out},
            "stack_environment": "preview",
            "preflight_environments": ["preview"],
            "preview_domain": "preview.example",
            "preview_project": {"project_ref": STAGING, "token": STAGING_TOKEN, "api_url": self.supabase.url},
            "stack": {**VARIABLES["stack"], "name": "preview-{{ preview_name | default('') }}", "services": [web]},
            "stack_secrets": {"web": {"DATABASE_URL": "{{ preview_database_url | default('') }}"}},
            **more,
        }
        return {"all": {"vars": variables}, "app": {"hosts": {host: {} for host in HOSTS}}, "other": {"hosts": {"other-1": {}}}}

    def branches(self) -> list[str]:
        found = self.supabase.ask("GET", f"/v1/projects/{STAGING}/branches", STAGING_TOKEN)
        return sorted(one["name"] for one in found)

    def on_hosts(self) -> list[str]:
        return sorted(str(path.relative_to(self.have)) for path in self.have.glob("*/*"))


@pytest.fixture
def previews(tmp_path: Path) -> Iterator[Previews]:
    with standin(spare=SPARE) as supabase:
        yield Previews(tmp_path, supabase)


@pytest.mark.deep
def test_two_at_once_one_killed_half_way_and_both_gone_again(previews: Previews) -> None:
    waits = [rule("stack_rollout", "waits", host="app-2")]
    with ThreadPoolExecutor() as pool:
        first = pool.submit(previews.play, "first", "pr-1")
        second = pool.submit(previews.play, "second", "pr-2", rules=waits, sent=signal.SIGKILL)
        well, killed = first.result(), second.result()
    assert well.code == 0, well.output
    assert "https://pr-1.preview.example is served, and expires 72.0 hours after it was begun" in well.output
    assert killed.code == -9
    assert previews.branches() == ["preview-pr-1", "preview-pr-2"]
    assert previews.on_hosts() == [f"{host}/preview-pr-{number}" for host in HOSTS for number in (1, 2)]

    for name in ("pr-1", "pr-2"):
        gone = previews.play(f"gone-{name}", name, "-e", "preview_state=absent")
        assert gone.code == 0, gone.output
    assert (previews.branches(), previews.on_hosts()) == ([], [])
    assert '"previews": []' in gone.output
    again = previews.play("again", "pr-2", "-e", "preview_state=absent")
    assert again.code == 0, again.output


@pytest.mark.deep
def test_a_branch_that_a_killed_run_has_left_alone_goes_too(previews: Previews) -> None:
    previews.supabase.ask("POST", f"/v1/projects/{STAGING}/branches", STAGING_TOKEN, {"branch_name": "preview-pr-1"})
    gone = previews.play("gone", "pr-1", "-e", "preview_state=absent")
    assert gone.code == 0, gone.output
    assert previews.branches() == []


@pytest.mark.deep
def test_the_branch_stays_while_a_host_still_has_something(previews: Previews) -> None:
    assert previews.play("made", "pr-1").code == 0
    lost = previews.play(
        "lost", "pr-1", "-e", "preview_state=absent", rules=[rule("stack_removal", "lost", host="app-2", check_mode=False)]
    )
    assert lost.code != 0
    assert previews.branches() == ["preview-pr-1"]


@pytest.mark.deep
def test_jobs_learn_which_have_expired(previews: Previews) -> None:
    previews.supabase.ask("POST", f"/v1/projects/{STAGING}/branches", STAGING_TOKEN, {"branch_name": "preview-pr-1"})
    done = previews.play("list", "", "-e", "preview_state=listed", preview_expire_hours=0.000001)
    assert done.code == 0, done.output
    found = done.files["preview/previews.json"]
    assert [(one["name"], one["expired"]) for one in found] == [("preview-pr-1", True)]


@pytest.mark.deep
def test_what_cannot_be_meant_is_refused_before_anybody_is_asked(previews: Previews) -> None:
    refused = previews.play("refused", "Pr_1", "-e", "preview_state=gone", stack_environment="staging", preview_domain="x")
    assert refused.code == 2
    for path in ('preview_name: "Pr_1"', 'preview_state: "gone"', 'stack_environment: "staging"', 'preview_domain: "x"'):
        assert path in refused.output
    assert (previews.supabase.get("/log"), refused.asked) == ([], [])
