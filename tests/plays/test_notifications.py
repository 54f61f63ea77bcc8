"""Who is told of a run, and which programs are called, with Ansible's own runs and servers that messages really arrive at.

A channel that is dead, slow or refuses, and a hook that fails, are said and change neither the verdict nor the exit status.
"""

from __future__ import annotations

import email
import json
import signal
import stat
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.processes import state_and_start

from tests.plays.sinks import Sink, sinks
from tests.plays.staged import HOSTS, LEASE, VAULT, Case, Done, Stage, rule

AT_ONCE = 3
# Long, where an answer is waited for, and short, where none comes.
PATIENT, SHORT = 60, 2
SECRET = VAULT["vault_key"]
SICK = rule("stack_rollout", {"failed": True, "msg": "web is sick", "left": "as_before"}, host="app-2")
TOOK_OVER = {"token": 5, "owner": "ben@desk", "reason": "deploy 1.0.9", "why": "no sign of life for 21 s"}
BROKEN = {
    "changed": True,
    "token": 0,
    "owner": "anna@laptop",
    "reason": "gone",
    "msg": "The lease of ben was broken.",
    "holder": {"owner": "ben@desk", "reason": "deploy 1.0.9", "run": "run-b", "token": 5},
}
CAPS = [
    {"cap": "money_per_day", "used": "4.5", "limit": "5", "near": True, "period": "2026-11-26"},
    {"cap": "money_per_month", "used": "20", "limit": "60", "near": False, "period": "2026-11"},
]
NEAR = rule("ml_mode", {"changed": False, "mode": "live", "history": [], "caps": CAPS, "used": []})
# It keeps what it was told, beside the inventory, and then does what its argument says.
HOOK = f"""#!{sys.executable}
import os, subprocess, sys, time
name, what = sys.argv[1:]
line = sys.stdin.read()
with open(os.environ["STAGE"] + "/told." + name, "w") as stream:
    stream.write(line)
if what == "hangs":
    child = subprocess.Popen(["sleep", "1000"])
    with open(os.environ["STAGE"] + "/child", "w") as stream:
        stream.write(str(child.pid))
    open(os.environ["STAGE"] + "/waits", "w").close()
    time.sleep(1000)
if what.startswith("refuses"):
    print("nothing is deployed on Fridays, and {SECRET} is a secret")
    sys.exit(3)
"""


def webhook(sink: Sink, name: str, path: str = "", **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "webhook", "url": sink.url(path or f"/{name}"), **more}


def hooks(**what: str) -> dict[str, Any]:
    """Hook -> what it does after it was told."""
    program = "{{ inventory_dir }}/hook"
    return {name: {"command": [program, name, does], "timeout_seconds": PATIENT} for name, does in what.items()}


def case(sink: Sink, *channels: Mapping[str, Any], called: Mapping[str, Any] | None = None, **more: Any) -> Case:
    """``timeout_seconds`` and ``templates`` are those of the notifications, the rest is of the case."""
    wanted = {key: more.pop(key) for key in ("timeout_seconds", "templates") if key in more}
    variables: dict[str, Any] = {"hooks": dict(called or {})}
    if channels:
        variables["notifications"] = {"timeout_seconds": PATIENT, **wanted, "channels": list(channels)}
    files = {"group_vars/all.yml": yaml.safe_dump(variables), "hook": HOOK, **more.pop("files", {})}
    environment = {"no_proxy": "127.0.0.1", **more.pop("environment", {})}
    return Case(files=files, environment=environment, **more)


def mail(sink: Sink, **more: Any) -> dict[str, Any]:
    where = {"server": "127.0.0.1", "port": sink.smtp_port, "tls": "none"}
    people = {"sender": "deploys@example.com", "recipients": ["a@example.com", "b@example.com"]}
    return {"name": "team", "kind": "email", **where, **people, **more}


def cases(sink: Sink) -> dict[str, tuple[str, Case]]:
    """Name -> playbook and case. The name stands in the paths, so that each finds its own messages."""
    own = "{environment} {verdict} {release} (was {previous})\nsee the runbook"
    of_vault = {"url": sink.url("/well/{{ vault_key }}"), "token": "{{ vault_fingerprint_key }}"}
    all_hooks = hooks(before_deploy="well", after_deploy="well", on_failure="well", after_rollback="well")
    return {
        "well": (
            "deploy",
            case(
                sink,
                {"name": "all", "kind": "webhook", **of_vault},
                {"name": "chat", "kind": "slack", "url": sink.url("/chat"), "events": ["success", "failure"]},
                mail(sink, events=["success"], templates={"success": own}),
                webhook(sink, "silent", events=["failure", "rollback", "lease_broken", "cap_near"]),
                called=all_hooks,
                rules=[rule("lease", {**LEASE, "reason": "deploy 1.1.0"})],
                options=("-vvvv",),
            ),
        ),
        "taken back": (
            "deploy",
            case(
                sink,
                webhook(sink, "back", events=["rollback"]),
                webhook(sink, "bad", events=["failure"]),
                webhook(sink, "both", events=["failure", "rollback"]),
                webhook(sink, "good", events=["success"]),
                called=all_hooks,
                rules=[SICK],
            ),
        ),
        "nobody listens": (
            "deploy",
            case(
                sink,
                {"name": "gone", "kind": "webhook", "url": "http://127.0.0.1:9/{{ vault_key }}", "events": ["success"]},
                webhook(sink, "hangs", "/hang", events=["start"]),
                webhook(sink, "drips", "/drip", events=["success"]),
                webhook(sink, "refuses", "/status/403", events=["success"]),
                webhook(sink, "moved", "/status/302", events=["success"]),
                mail(sink, name="post", server="127.0.0.1", port=9, events=["success"]),
                timeout_seconds=SHORT,
            ),
        ),
        "a hook refuses": (
            "deploy",
            case(sink, webhook(sink, "refused"), called=hooks(before_deploy="refuses", after_deploy="well", on_failure="well")),
        ),
        "hooks fail": (
            "deploy",
            case(
                sink,
                called={
                    **hooks(after_deploy="hangs"),
                    "after_deploy": {**hooks(after_deploy="hangs")["after_deploy"], "timeout_seconds": SHORT},
                },
            ),
        ),
        "without the vault": (
            "rollback",
            case(
                sink,
                webhook(sink, "closed", "/closed/{{ vault_key }}"),
                webhook(sink, "open"),
                called=hooks(after_rollback="well", after_deploy="well"),
                environment={"ANSIBLE_VAULT_IDENTITY_LIST": "staging@wrong"},
                files={"wrong": "another password"},
            ),
        ),
        "with the vault": (
            "rollback",
            case(sink, webhook(sink, "closed", "/way/{{ vault_key }}")),
        ),
        "a lease is broken": ("unlock", case(sink, webhook(sink, "broken"), rules=[rule("lease", BROKEN, state="broken")])),
        "a lease is taken over": (
            "restart",
            case(sink, webhook(sink, "over"), rules=[rule("lease", {**LEASE, "taken_over": TOOK_OVER}, check_mode=False)]),
        ),
        "a cap is near": ("ml_mode", case(sink, webhook(sink, "cap"), rules=[NEAR])),
        "check mode": (
            "deploy",
            case(sink, webhook(sink, "checked"), called=all_hooks, options=("--check",)),
        ),
        "wrong": (
            "deploy",
            case(
                sink,
                {"name": "bad", "kind": "pigeon", "url": sink.url("/bad/{{ vault_key }}")},
                {"name": "worse", "kind": "slack", "url": "ftp://{{ vault_key }}", "templates": {"start": "{who}"}},
                called={"before_deploy": {"command": ["{{ inventory_dir }}/nosuch"]}},
                options=("-e", "stack_release=latest"),
            ),
        ),
        "wrong in a rollback": ("rollback", case(sink, {"name": "bad", "kind": "pigeon"})),
        "interrupted": (
            "deploy",
            case(
                sink,
                webhook(sink, "ctrl"),
                called=hooks(on_failure="well"),
                rules=[rule("stack_rollout", "waits", host="app-2")],
                sent=signal.SIGINT,
            ),
        ),
        "interrupted in a hook": (
            "deploy",
            case(sink, webhook(sink, "hooked"), called=hooks(before_deploy="hangs"), sent=signal.SIGTERM),
        ),
    }


class Played:
    """The runs of the tests that were chosen, and what has arrived of them."""

    def __init__(self, stage: Stage, sink: Sink, runs: Mapping[str, Future[Done]]) -> None:
        self.stage = stage
        self.sink = sink
        self._runs = runs

    def __getitem__(self, name: str) -> Done:
        return self._runs[name].result()

    def told(self, name: str, hook: str) -> dict[str, Any] | None:
        """What the hook has read; it is one line."""
        self[name]
        path = self.stage.directory / name.replace(" ", "-") / f"told.{hook}"
        if not path.exists():
            return None
        [line] = path.read_text().splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    def child(self, name: str) -> int:
        return int((self.stage.directory / name.replace(" ", "-") / "child").read_text())


class _Stage(Stage):
    """One whose hook can be executed."""

    def _set(self, name: str, playbook: str, case: Case) -> Path:
        own = super()._set(name, playbook, case)
        (own / "hook").chmod(stat.S_IRWXU)
        return own


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    stage = _Stage(tmp_path_factory.mktemp("stage"))
    mine = [item for item in request.session.items if item.path == request.path]
    names = {item.callspec.params["done"] for item in mine if hasattr(item, "callspec")}
    with sinks() as sink, ThreadPoolExecutor(AT_ONCE) as pool:
        found = {name: (playbook, one) for name, (playbook, one) in cases(sink).items() if name in names}
        yield Played(stage, sink, {name: pool.submit(stage.play, name, playbook, one) for name, (playbook, one) in found.items()})


@pytest.fixture
def done(request: pytest.FixtureRequest, played: Played) -> Done:
    return played[request.param]


def run_of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("done", names, indirect=True)


def verdict(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = done.files["staging/verdict.json"]
    return found


@run_of("well")
def test_each_channel_is_told_of_what_it_wants_in_its_own_form(played: Played, done: Done) -> None:
    sink = played.sink
    assert (done.code, verdict(done)["verdict"], verdict(done).get("notices")) == (0, "deployed", None), done.output
    [begun, ended] = [one for one in sink.posted if one.path == f"/well/{SECRET}"]
    assert [begun.body["event"], ended.body["event"]] == ["start", "success"]
    assert begun.body["text"] == "staging: deploy 1.1.0 has begun, by anna@laptop"
    assert ended.headers["Authorization"] == f"Bearer {VAULT['vault_fingerprint_key']}"
    said = {key: ended.body[key] for key in ("environment", "playbook", "verdict", "release", "previous", "owner", "hosts")}
    assert said == {
        "environment": "staging",
        "playbook": "deploy",
        "verdict": "deployed",
        "release": "1.1.0",
        "previous": "1.0.0",
        "owner": "anna@laptop",
        "hosts": "app-1 runs 1.1.0, app-2 runs 1.1.0",
    }
    seconds = verdict(done)["seconds"]
    text = f"staging: deploy 1.1.0 ended as deployed after {seconds} s, by anna@laptop\napp-1 runs 1.1.0, app-2 runs 1.1.0"
    assert sink.at("/chat") == [{"text": text}]
    assert sink.at("/silent") == []
    [letter] = [email.message_from_string(one) for one in sink.mails if "1.1.0 (was 1.0.0)" in one]
    assert (letter["Subject"], letter["To"]) == ("staging deployed 1.1.0 (was 1.0.0)", "a@example.com, b@example.com")
    assert str(letter.get_payload()).splitlines() == ["staging deployed 1.1.0 (was 1.0.0)", "see the runbook"]
    assert ("deploys@example.com", ("a@example.com", "b@example.com")) in sink.envelopes


@run_of("well")
def test_hooks_of_a_good_deploy_read_one_line_each_before_and_after_it(played: Played, done: Done) -> None:
    before, after = played.told("well", "before_deploy"), played.told("well", "after_deploy")
    assert before == {
        "hook": "before_deploy",
        "environment": "staging",
        "playbook": "deploy",
        "release": "1.1.0",
        "what": "deploy 1.1.0",
        "owner": "anna@laptop",
        "token": 7,
    }
    assert after is not None
    said = {key: after[key] for key in ("hook", "verdict", "failed", "release", "previous_id", "token", "hosts", "messages")}
    assert said == {
        "hook": "after_deploy",
        "verdict": "deployed",
        "failed": False,
        "release": "1.1.0",
        "previous_id": "1.0.0-aa",
        "token": 7,
        "hosts": dict.fromkeys(HOSTS, "1.1.0"),
        "messages": [],
    }
    assert [played.told("well", hook) for hook in ("on_failure", "after_rollback")] == [None, None]


@pytest.mark.deep
@run_of("well", "nobody listens")
def test_no_secret_of_a_channel_is_in_what_a_run_says(done: Done) -> None:
    said = done.output + json.dumps(done.files)
    assert [value for value in VAULT.values() if value in said] == []


@run_of("taken back")
def test_a_deploy_that_was_taken_back_is_a_failure_and_a_rollback_and_told_once(played: Played, done: Done) -> None:
    sink = played.sink
    assert (done.code, verdict(done)["verdict"]) == (2, "rolled_back"), done.output
    assert [[one["event"] for one in sink.at(path)] for path in ("/back", "/bad", "/both", "/good")] == [
        ["rollback"],
        ["failure"],
        ["rollback"],
        [],
    ]
    assert "\nweb is sick\n" in sink.at("/bad")[0]["text"]
    for hook in ("on_failure", "after_rollback"):
        told = played.told("taken back", hook)
        assert told is not None
        assert (told["verdict"], told["failed"], told["messages"]) == ("rolled_back", True, ["web is sick"])
    assert played.told("taken back", "after_deploy") is None


@run_of("nobody listens")
def test_a_channel_that_is_dead_or_hangs_fails_no_deploy_and_is_said_once(played: Played, done: Done) -> None:
    assert (done.code, verdict(done)["verdict"]) == (0, "deployed"), done.output
    notices = [
        "hangs was not told of start: it did not answer in time",
        "gone was not told of success: connection refused",
        "drips was not told of success: it did not answer in time",
        "refuses was not told of success: it answered with status 403",
        "moved was not told of success: it answered with status 302",
        "post was not told of success: connection refused",
    ]
    assert verdict(done)["notices"] == notices
    assert [done.output.count(f"\n  {notice}\n") for notice in notices] == [1] * len(notices)
    assert played.sink.at("/elsewhere") == []


@run_of("a hook refuses")
@pytest.mark.deep
def test_a_failing_hook_refuses_a_deploy_before_anything_was_changed(played: Played, done: Done) -> None:
    said = "it said:\nnothing is deployed on Fridays, and *** is a secret"
    program = played.stage.directory / "a-hook-refuses" / "hook"
    assert (done.code, verdict(done)["verdict"]) == (2, "refused"), done.output
    assert verdict(done)["messages"] == [f"the hook before_deploy ({program}) ended with exit status 3; {said}"]
    # Neither of them changes anything.
    assert {one["module"] for one in done.asked} == {"lease", "preflight_info"}
    assert SECRET not in done.output
    assert [one["event"] for one in played.sink.at("/refused")] == ["start", "failure"]
    told = played.told("a hook refuses", "on_failure")
    assert told is not None
    assert told["verdict"] == "refused"
    assert played.told("a hook refuses", "after_deploy") is None


def is_there(process: int) -> bool:
    """Whether it runs: one that has ended and waits for its parent does not."""
    return state_and_start(process)[0] not in ("", "Z", "X")


@pytest.mark.deep
@run_of("hooks fail")
def test_a_hook_that_hangs_is_ended_with_what_it_has_started_and_changes_no_verdict(played: Played, done: Done) -> None:
    program = played.stage.directory / "hooks-fail" / "hook"
    notice = f"the hook after_deploy ({program}) did not end within {SHORT} s and was stopped"
    assert (done.code, verdict(done)["verdict"], verdict(done)["notices"]) == (0, "deployed", [notice]), done.output
    assert f"\n  {notice}\n" in done.output
    assert not is_there(played.child("hooks fail"))


@run_of("without the vault")
@pytest.mark.deep
def test_a_rollback_needs_no_vault_and_tells_whom_it_can(played: Played, done: Done) -> None:
    assert (done.code, verdict(done)["verdict"]) == (0, "rolled_back"), done.output
    assert verdict(done)["notices"] == [
        "not everybody was told: notifications.channels[0]: cannot be read, vault_key is not known to this run"
    ]
    assert [one["event"] for one in played.sink.at("/open")] == ["start", "rollback"]
    assert played.told("without the vault", "after_deploy") is None
    told = played.told("without the vault", "after_rollback")
    assert told is not None
    assert (told["verdict"], told["failed"], told["release"]) == ("rolled_back", False, "1.0.0")


@pytest.mark.deep
@run_of("with the vault")
def test_a_rollback_opens_the_vault_for_its_channels_when_there_is_a_password(played: Played, done: Done) -> None:
    assert (done.code, verdict(done).get("notices")) == (0, None), done.output
    assert [one["event"] for one in played.sink.at(f"/way/{SECRET}")] == ["start", "rollback"]


@run_of("a lease is broken")
@pytest.mark.deep
def test_whoever_wants_to_know_is_told_that_a_lease_was_broken_once_for_all_hosts(played: Played, done: Done) -> None:
    assert (done.code, verdict(done)["verdict"], verdict(done).get("notices")) == (0, "done", None), done.output
    [told] = played.sink.at("/broken")
    assert told["text"] == "staging: the lease of ben@desk (deploy 1.0.9) was ended by anna@laptop: gone"


@pytest.mark.deep
@run_of("a lease is taken over")
def test_a_lease_that_was_taken_over_from_a_dead_run_is_told(played: Played, done: Done) -> None:
    assert done.code == 0, done.output
    told = {one["event"]: one["text"] for one in played.sink.at("/over")}
    assert sorted(told) == ["lease_broken", "start", "success"]
    assert told["lease_broken"] == (
        "staging: the lease of ben@desk (deploy 1.0.9) was ended by anna@laptop: no sign of life for 21 s"
    )


@run_of("a cap is near")
@pytest.mark.deep
def test_a_cap_that_is_nearly_used_up_is_told(played: Played, done: Done) -> None:
    assert (done.code, verdict(done)["verdict"]) == (0, "done"), done.output
    [told] = played.sink.at("/cap")
    assert told["text"] == "staging: money_per_day of the ML endpoints stands at 90 %, 4.5 of 5"
    assert done.files["staging/caps.json"] == {"money_per_day": "2026-11-26"}
    assert [one["why"] for one in done.asked if one["module"] == "ml_mode"] == ["the bill grows"]


@run_of("check mode")
@pytest.mark.deep
def test_in_check_mode_nobody_is_told_and_nothing_is_called(played: Played, done: Done) -> None:
    assert done.code == 0, done.output
    assert played.sink.at("/checked") == []
    assert played.told("check mode", "before_deploy") is played.told("check mode", "after_deploy") is None


@pytest.mark.deep
@run_of("wrong")
def test_what_is_wrong_comes_in_one_message_with_everything_else_and_no_host_is_asked(played: Played, done: Done) -> None:
    program = played.stage.directory / "wrong" / "nosuch"
    assert (done.code, verdict(done)["verdict"], list(done.asked)) == (2, "refused", []), done.output
    assert verdict(done).get("notices") is None
    assert verdict(done)["messages"][0].splitlines() == [
        "Nothing was contacted or changed. Problems in the configuration:",
        "  - stack_release: latest does not say what runs; give the version, for example 1.2.0",
        '  - notifications.channels[0].kind: "pigeon" is not one of webhook, slack, email',
        "  - notifications.channels[1].templates.start: {who} is no word of it; there is {event}, {environment}, {playbook}, "
        "{what}, {owner}",
        "  - notifications.channels[1].url: is not an http or https URL, or holds a blank",
        f'  - hooks.before_deploy.command: "{program}" is no program on this machine that may be executed; name it as a shell '
        "here finds it",
    ]


@pytest.mark.deep
@run_of("wrong in a rollback")
def test_what_is_wrong_keeps_no_rollback_from_its_work_and_is_said(played: Played, done: Done) -> None:
    assert (done.code, verdict(done)["verdict"]) == (0, "rolled_back"), done.output
    assert verdict(done)["notices"] == [
        'not everybody was told: notifications.channels[0].kind: "pigeon" is not one of webhook, slack, email'
    ]


@pytest.mark.deep
@run_of("interrupted")
def test_a_run_that_is_interrupted_still_tells_how_it_ended(played: Played, done: Done) -> None:
    assert (done.code, verdict(done)["verdict"]) == (99, "mixed"), done.output
    assert [one["event"] for one in played.sink.at("/ctrl")] == ["start", "failure"]
    told = played.told("interrupted", "on_failure")
    assert told is not None
    assert told["verdict"] == "mixed"


@pytest.mark.deep
@run_of("interrupted in a hook")
def test_a_hook_ends_with_the_run_that_is_interrupted_in_it(played: Played, done: Done) -> None:
    assert (done.code, verdict(done)["verdict"]) == (99, "refused"), done.output
    assert not is_there(played.child("interrupted in a hook"))
    assert [one["event"] for one in played.sink.at("/hooked")] == ["start", "failure"]
