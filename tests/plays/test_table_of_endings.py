"""How every playbook ends, whatever happens to it: the word, the exit status and the file, shown by Ansible itself.

All runs of the tests that were chosen begin at once, a few at a time; each test waits for its own. ``chosen`` has the rule for
which cells of the table are run each time. The others are marked deep: ``make endings`` runs them.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.action import begin
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import LOOKING

from tests import deep
from tests.commands import environment
from tests.hangs import HANGS_AFTER_SECONDS
from tests.plays.staged import BIN, COMPOSE, HOSTS, ROOT, VARIABLES, Case, Done, Stage, rule

# What the others import; what makes the first environment or looks for one: they have none to end in (test_newcomer.py); and what
# refuses every environment but one for previews (test_preview.py).
APART = {"begin", "new_environment", "inspect", "preview"}
PLAYBOOKS = sorted({path.stem for path in (ROOT / "playbooks").glob("*.yml")} - APART)
# What they keep or ask for is declared in no inventory of these runs, so they end before any host is asked.
DECLARE_NOTHING = {"ml_contract", "ml_endpoints"}
AT_ONCE = 4
YESTERDAY = {"verdict": "deployed", "release": "yesterday"}
BEGAN = time.time()
NOTHING = "Nothing was contacted or changed."
NOBODY = "it has no hosts, so its path or its content may be wrong (see Ansible's warnings above)"

# The word and the exit status. Playbooks that contact nobody do not notice that hosts are lost. A lease is broken on the hosts
# that answer; a status or an audit has failed while a host was not asked.
ASKED = """
                no inventory  wrong group  nobody     limit          check
adopt           refused 2     refused 2    refused 2  deployed 0     checked 0
audit           refused 2     refused 2    refused 2  failed 2       failed 2
backup          refused 2     refused 2    refused 2  done 0         checked 0
certificates    refused 2     refused 2    refused 2  done 0         checked 0
claim           refused 2     refused 2    refused 2  done 0         checked 0
config          refused 2     refused 2    refused 2  done 0         done 0
costs           refused 2     refused 2    refused 2  done 0         done 0
deploy          refused 2     refused 2    refused 2  deployed 0     checked 0
edge_upgrade    refused 2     refused 2    refused 2  deployed 0     checked 0
engine_upgrade  refused 2     refused 2    refused 2  deployed 0     checked 0
export_data     refused 2     refused 2    refused 2  done 0         checked 0
fingerprint     refused 2     refused 2    refused 2  done 0         checked 0
flags           refused 2     refused 2    refused 2  refused 2      checked 0
history         refused 2     refused 2    refused 2  done 0         done 0
logs            refused 2     refused 2    refused 2  done 0         done 0
import_data     refused 2     refused 2    refused 2  deployed 0     checked 0
maintenance     refused 2     refused 2    refused 2  done 0         checked 0
ml_contract     refused 2     refused 2    refused 2  refused 2      refused 2
ml_endpoints    refused 2     refused 2    refused 2  refused 2      refused 2
ml_mode         refused 2     refused 2    refused 2  done 0         checked 0
plan            refused 2     refused 2    refused 2  done 0         done 0
provision       refused 2     refused 2    refused 2  done 0         checked 0
remove_stack    refused 2     refused 2    refused 2  deployed 0     checked 0
restart         refused 2     refused 2    refused 2  deployed 0     checked 0
restore         refused 2     refused 2    refused 2  deployed 0     checked 0
rollback        refused 2     refused 2    refused 2  rolled_back 0  checked 0
rotate_secrets  refused 2     refused 2    refused 2  refused 2      checked 0
status          refused 2     refused 2    refused 2  done 0         done 0
seed            refused 2     refused 2    refused 2  deployed 0     checked 0
setup           refused 2     refused 2    refused 2  deployed 0     checked 0
supabase        refused 2     refused 2    refused 2  done 0         checked 0
unlock          refused 2     refused 2    refused 2  done 0         checked 0
"""
LOST = """
                none answers  lost first  lost midway  lost last  killed
adopt           refused 4     refused 4   refused 4    mixed 4    running -9
audit           refused 4     failed 4    failed 4     failed 4   running -9
backup          refused 4     refused 4   refused 4    refused 4  running -9
certificates    refused 4     refused 4   refused 4    refused 2  running -9
claim           refused 4     refused 4   refused 4    failed 4   running -9
config          done 0        done 0      done 0       done 0     running -9
costs           refused 4     done 0      done 0       done 0     running -9
deploy          refused 4     refused 4   refused 4    mixed 4    running -9
edge_upgrade    refused 4     refused 4   refused 4    failed 4   running -9
engine_upgrade  refused 4     refused 4   refused 4    failed 4   running -9
export_data     refused 4     refused 4   refused 4    refused 4  running -9
fingerprint     done 0        done 0      done 0       done 0     running -9
flags           refused 4     refused 4   refused 4    failed 4   running -9
history         refused 4     done 0      done 0       done 0     running -9
logs            refused 4     failed 4    failed 4     failed 4   running -9
import_data     refused 4     refused 4   refused 4    failed 4   running -9
maintenance     refused 4     refused 4   refused 4    failed 4   running -9
ml_contract     refused 2     refused 2   refused 2    refused 2  running -9
ml_endpoints    refused 2     refused 2   refused 2    refused 2  running -9
ml_mode         refused 4     refused 4   refused 4    failed 4   running -9
plan            refused 4     failed 4    failed 4     failed 4   running -9
provision       refused 4     refused 4   refused 4    failed 4   running -9
remove_stack    refused 4     refused 4   refused 4    failed 4   running -9
restart         refused 4     refused 4   refused 4    mixed 4    running -9
restore         refused 4     refused 4   refused 4    failed 4   running -9
rollback        refused 4     refused 4   refused 4    mixed 4    running -9
rotate_secrets  refused 4     refused 4   refused 4    failed 4   running -9
status          refused 4     failed 4    failed 4     done 0     running -9
seed            refused 4     refused 4   refused 4    failed 4   running -9
setup           refused 4     refused 4   refused 4    failed 4   running -9
supabase        refused 4     refused 4   refused 4    refused 4  running -9
unlock          refused 4     done 0      done 0       done 0     running -9
"""
# Module -> host that is lost when it is asked, in the middle of what the playbook does and at its last step.
MIDWAY = {
    "adopt": rule("stack_adoption_info", "lost", host="app-2"),
    "audit": rule("stack_audit", "lost", host="app-2"),
    "backup": rule("host_identity", "lost", host="app-1"),
    "certificates": rule("host_identity", "lost", host="app-2"),
    "claim": rule("host_identity", "lost", host="app-2"),
    "costs": rule("ml_costs", "lost", host="app-2"),
    "deploy": rule("stack_release", "lost", host="app-2"),
    "edge_upgrade": rule("edge_image", "lost", host="app-2"),
    "engine_upgrade": rule("engine_packages", "lost", host="app-2", check_mode=True),
    "flags": rule("stack_flags", "lost", host="app-2", check_mode=True),
    "history": rule("lease", "lost", host="app-2"),
    "logs": rule("stack_logs", "lost", host="app-2"),
    "export_data": rule("host_identity", "lost", host="app-1"),
    "import_data": rule("backup_store", "lost", host="app-1", state="signed"),
    "maintenance": rule("edge_maintenance", "lost", host="app-2", check_mode=True),
    "ml_mode": rule("host_identity", "lost", host="app-2"),
    "plan": rule("preflight_info", "lost", host="app-2"),
    "provision": rule("host_identity", "lost", host="app-2", check_mode=False),
    "remove_stack": rule("stack_removal", "lost", host="app-2", check_mode=True),
    "restart": rule("lease", "lost", host="app-1"),
    "restore": rule("database_restore", "lost", host="app-1", state="planned"),
    "rollback": rule("stack_info", "lost", host="app-2"),
    "rotate_secrets": rule("stack_secret", "lost", host="app-2"),
    "seed": rule("lease", "lost", host="app-2"),
    "setup": rule("stack_release", "lost", host="app-2"),
    "status": rule("stack_status", "lost", host="app-2"),
    "supabase": rule("host_identity", "lost", host="app-2"),
    "unlock": rule("lease", "lost", host="app-1"),
}
LAST = {
    **MIDWAY,
    "adopt": rule("stack_rollout", "lost", host="app-2"),
    "backup": rule("database_backup", "lost", host="app-1"),
    "certificates": rule("edge_certificate_info", "lost", host="app-2"),
    "claim": rule("host_baseline", "lost", host="app-2"),
    "deploy": rule("stack_rollout", "lost", host="app-2"),
    "edge_upgrade": rule("edge_upgrade", "lost", host="app-2"),
    "engine_upgrade": rule("engine_packages", "lost", host="app-2", check_mode=False),
    "flags": rule("stack_flags", "lost", host="app-2", check_mode=False),
    "export_data": rule("staging_data_export", "lost", host="app-1"),
    "import_data": rule("staging_data_import", "lost", host="app-1"),
    "maintenance": rule("edge_maintenance", "lost", host="app-2", check_mode=False),
    "ml_mode": rule("ml_mode", "lost", host="app-1"),
    "plan": rule("stack_release", "lost", host="app-2"),
    "provision": rule("edge_config", "lost", host="app-2"),
    "remove_stack": rule("stack_removal", "lost", host="app-2", check_mode=False),
    "restart": rule("stack_rollout", "lost", host="app-2"),
    "restore": rule("database_restore", "lost", host="app-1", state="restored"),
    "rollback": rule("stack_rollout", "lost", host="app-2"),
    "rotate_secrets": rule("stack_attestation", "lost", host="app-2"),
    "seed": rule("supabase_seeds", "lost", host="app-1"),
    "setup": rule("supabase_seeds", "lost", host="app-1"),
    "status": rule("lease", "lost", host="app-1"),
    "unlock": rule("lease", "lost", host="app-1"),
}
CASES: dict[str, Callable[[str], Case]] = {
    "no inventory": lambda name: Case(inventory="hosts.yaml"),
    "wrong group": lambda name: Case(group="apps"),
    "nobody": lambda name: Case(options=("--limit", "other-1")),
    "limit": lambda name: Case(options=("--limit", "app-2")),
    "check": lambda name: Case(options=("--check",)),
    "none answers": lambda name: Case(down=HOSTS),
    "lost first": lambda name: Case(down=("app-1",)),
    "lost midway": lambda name: Case(rules=[MIDWAY[name]] if name in MIDWAY else []),
    "lost last": lambda name: Case(rules=[LAST[name]] if name in LAST else []),
    "killed": lambda name: Case(sent=signal.SIGKILL, early=True),
}
SAID = {
    "no inventory": f"hosts.yaml has no host in group app; {NOBODY}. {NOTHING}",
    "wrong group": "hosts.yml has no host in group app; it has hosts in apps, other. " + NOTHING,
    "nobody": "nothing was asked or changed: --limit other-1 leaves no host of group app",
    "none answers": " be reached",
    "lost first": "app-1 could not be reached",
    "lost midway": "could not be reached",
    "lost last": "could not be reached",
}


Cell = tuple[str, str, str, int]


def cells() -> list[Cell]:
    """(playbook, case, word, exit status)."""
    found = []
    for table in (ASKED, LOST):
        heads, *rows = [re.split(r" {2,}", line.strip()) for line in table.strip("\n").splitlines()]
        for name, *ends in rows:
            for head, end in zip(heads, ends, strict=True):
                word, code = end.split()
                found.append((name, head, word, int(code)))
    return found


def its_file(name: str, case: str) -> str:
    if name in LOOKING:
        return f"staging/{name}.json"
    return "staging/check.json" if case == "check" else "staging/verdict.json"


# These end in begin.yml, or before anything else: it matters only whether the playbook looks or changes something.
IN_THE_BEGINNING = ("no inventory", "wrong group", "nobody", "killed")


def shows(cell: Cell) -> set[tuple[str, str]]:
    """Pairs that a run of it shows: each case with each end that it has anywhere, and each playbook that no test below plays."""
    name, case, word, code = cell
    if case in IN_THE_BEGINNING:
        return {(case, word), ("begins", "a look" if name in LOOKING else "a change")}
    if name in DECLARE_NOTHING:
        return {("playbook", name)}
    return {(case, f"{word} {code}")} | ({("playbook", name)} - {("playbook", one) for one in PLAYED_BELOW})


# A run that ends well goes through several playbooks.
LONG = ("adopt", "setup", "restore", "preview")


def length(cell: Cell) -> int:
    """Where every host is lost at once, it is short."""
    name, case, _, code = cell
    return 0 if case == "none answers" else 1 if code or name not in LONG else 2


# What would cost most when it broke: a key that hosts outside the limit still use, one that is revoked although a host was lost,
# and a stack's data.
DEAREST = {("rotate_secrets", "limit"), ("rotate_secrets", "lost last"), ("remove_stack", "limit")}


def chosen() -> list[Cell]:
    """DEAREST, and few cells that show every other pair: each the one that shows most of what is left, rather a short run."""
    found = [cell for cell in cells() if cell[:2] in DEAREST]
    left = set[tuple[str, str]]().union(*map(shows, cells())).difference(*map(shows, found))
    while left:
        found.append(max(cells(), key=lambda cell: (len(shows(cell) & left), -length(cell))))
        left -= shows(found[-1])
    return found


ROLLING = rule("stack_rollout", "waits", host="app-2")
WITH_MIGRATION = {"name": "shop", "migration": {"service": "migrate"}}
MIGRATES = Case(
    rules=[rule("stack_migration", "lost", host="app-1")],
    options=("-e", json.dumps({"stack": {**VARIABLES["stack"], **WITH_MIGRATION}})),
    files={"source/compose.yml": f"{COMPOSE}  migrate:\n    image: shop/migrate:1\n    profiles: [tools]\n"},
)
OTHER_CALLBACKS = {"ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.timer"}
OTHERS: dict[str, tuple[str, Case]] = {
    "deploy, well": ("deploy", Case()),
    "deploy, another callback": ("deploy", Case(environment=OTHER_CALLBACKS)),
    "status, another callback": ("status", Case(environment=OTHER_CALLBACKS)),
    "restart, no such tag": ("restart", Case(options=("--tags", "nosuch"))),
    "deploy, a tag without its first": ("deploy", Case(options=("--tags", "identity"))),
    "deploy, a tag skipped": ("deploy", Case(options=("--skip-tags", "preflight"))),
    "status, a tag skipped": ("status", Case(options=("--skip-tags", "untagged"))),
    "status, a tag skipped that no task has": ("status", Case(options=("--skip-tags", "molecule-notest"))),
    "restart, looked at only": ("restart", Case(options=("--tags", "identity"))),
    "restart, begun in the middle": ("restart", Case(options=("--start-at-task", "Replace every replica"))),
    "maintenance, begun in the middle": ("maintenance", Case(options=("--start-at-task", "Switch maintenance on or off"))),
    "deploy, an empty release": ("deploy", Case(options=("-e", "stack_release="))),
    "deploy, Ctrl-C": ("deploy", Case(rules=[ROLLING], sent=signal.SIGINT)),
    "deploy, SIGTERM": ("deploy", Case(rules=[ROLLING], sent=signal.SIGTERM)),
    "rollback, SIGHUP": ("rollback", Case(rules=[rule("stack_info", "waits", host="app-1")], sent=signal.SIGHUP)),
    "maintenance, Ctrl-C": ("maintenance", Case(rules=[rule("edge_maintenance", "waits", check_mode=True)], sent=signal.SIGINT)),
    "maintenance, Ctrl-C while it switches": (
        "maintenance",
        Case(rules=[rule("edge_maintenance", "waits", check_mode=False)], options=("--limit", "app-1"), sent=signal.SIGINT),
    ),
    "ml_mode, Ctrl-C while it switches": ("ml_mode", Case(rules=[rule("ml_mode", "waits")], sent=signal.SIGINT)),
    "ml_mode, Ctrl-C while it looks": (
        "ml_mode",
        Case(rules=[rule("ml_mode", "waits")], options=("-e", "mode="), sent=signal.SIGINT),
    ),
    "rollback, Ansible's own error": ("rollback", Case(environment={"ANSIBLE_STRATEGY": "nosuch"})),
    "deploy, a limit that matches no host": ("deploy", Case(options=("--limit", "nosuch"))),
    "deploy, an inventory that is no YAML": ("deploy", Case(files={"hosts.yml": "app: [\n"})),
    "deploy, variables that are no YAML": ("deploy", Case(files={"group_vars/all.yml": "a: [\n"})),
    "edge_upgrade, well": ("edge_upgrade", Case()),
    "engine_upgrade, well": ("engine_upgrade", Case()),
    "remove_stack, of one host": ("remove_stack", CASES["limit"]("remove_stack")),
    "engine_upgrade, checked": ("engine_upgrade", Case(options=("--check",))),
    "edge_upgrade, checked": ("edge_upgrade", Case(options=("--check",))),
    "edge_upgrade, nothing to do": (
        "edge_upgrade",
        Case(
            rules=[
                rule(
                    "edge_image",
                    {"changed": False, "due": False, "plan": "", "before": "HAProxy 3.0.2", "after": "HAProxy 3.0.2"},
                ),
                rule("edge_upgrade", {"changed": False, "done": [], "drained": 0, "cut": 0}),
            ]
        ),
    ),
    "edge_upgrade, the second host fails": (
        "edge_upgrade",
        Case(rules=[rule("edge_upgrade", {"failed": True, "msg": "it does not serve", "begun": True}, host="app-2")]),
    ),
    "edge_upgrade, the first host fails": (
        "edge_upgrade",
        Case(rules=[rule("edge_upgrade", {"failed": True, "msg": "it does not serve", "begun": True}, host="app-1")]),
    ),
    "deploy, lost in its migration": ("deploy", MIGRATES),
    "status, nobody can be reached": ("status", Case(down=HOSTS)),
    "deploy, switched hosts go back": (
        "deploy",
        Case(rules=[rule("stack_rollout", {"failed": True, "msg": "sick", "left": "as_before"}, host="app-2")]),
    ),
}
# Ends that no other test shows each time: of a run that is refused, interrupted, has failed between two hosts, or went well.
EACH_TIME = {
    "deploy, well",
    "deploy, another callback",
    "deploy, a tag without its first",
    "deploy, Ctrl-C",
    "maintenance, begun in the middle",
    "maintenance, Ctrl-C while it switches",
    "rollback, Ansible's own error",
    "edge_upgrade, the second host fails",
    "engine_upgrade, well",
    "remove_stack, of one host",
    "status, nobody can be reached",
}
PLAYED_BELOW = {OTHERS[name][0] for name in EACH_TIME}


def marked() -> list[Any]:
    each_time = chosen()
    return [pytest.param(*cell, marks=[] if cell in each_time else [pytest.mark.deep]) for cell in cells()]


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Done]]]:
    """Those of the tests that were chosen."""
    stage = Stage(tmp_path_factory.mktemp("stage"))
    chosen = [item.callspec.params for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    wanted: dict[str, tuple[str, Case]] = {}
    for params in chosen:
        if "case" in params:
            wanted[f"{params['name']}, {params['case']}"] = (params["name"], CASES[params["case"]](params["name"]))
        elif "done" in params:
            wanted[params["done"]] = OTHERS[params["done"]]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # What two tests look at is played once.
        played: dict[tuple[str, str], Future[Done]] = {}
        for name, (playbook, case) in wanted.items():
            if (playbook, repr(case)) not in played:
                played[playbook, repr(case)] = pool.submit(stage.play, name, playbook, case)
        yield {name: played[playbook, repr(case)] for name, (playbook, case) in wanted.items()}


@pytest.mark.parametrize(("name", "case", "word", "code"), marked())
def test_a_run_ends_with_its_own_word_exit_status_and_file(
    runs: dict[str, Future[Done]], name: str, case: str, word: str, code: int
) -> None:
    done = runs[f"{name}, {case}"].result()
    assert done.code == code, done.output
    own = its_file(name, case)
    written = done.files[own]
    assert written != YESTERDAY
    # What a run is not about stays. One that knows no environment could have been about any.
    assert {file for file, found in done.files.items() if found == YESTERDAY} == {
        f"staging/{file}.json" for file in ("verdict", "check", *LOOKING) if f"staging/{file}.json" != own
    }
    if word == "running":
        assert (written["verdict"], written["pid"], written["playbook"]) == ("running", done.pid, name)
        return
    # A plan in check mode stands below a heading of its own.
    heading = "CHECK MODE: nothing was changed in staging. " if "\nCHECK MODE" in done.output else f"VERDICT {word}: "
    assert heading in done.output, done.output
    refused_before = name in DECLARE_NOTHING and case in SAID and case not in IN_THE_BEGINNING
    if code and case in SAID and not refused_before:
        assert SAID[case] in done.output.partition("VERDICT")[2]
    # A report that was made is the file of whoever only looks.
    if name not in LOOKING or case in ("no inventory", "wrong group", "nobody"):
        assert (written["verdict"], written["failed"], written["playbook"]) == (word, code != 0, name)


def test_the_table_has_every_playbook_and_every_case() -> None:
    assert sorted((name, case) for name, case, _, _ in cells()) == sorted((name, case) for name in PLAYBOOKS for case in CASES)


def test_the_chosen_cells_are_few_and_have_every_playbook_and_every_case() -> None:
    each_time = chosen()
    assert len(each_time) == len(set(each_time)) < len(cells()) / 8
    own = {name for name, case, _, _ in each_time if case not in IN_THE_BEGINNING}
    assert own | PLAYED_BELOW == set(PLAYBOOKS)
    # Each with each end that it has anywhere.
    assert {(case, word) for _, case, word, _ in each_time} == {
        (case, word) for name, case, word, _ in cells() if name not in DECLARE_NOTHING
    }
    assert {case for _, case, _, _ in each_time} == set(CASES)


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_playbook_begins_by_looking_whether_it_can_end(name: str) -> None:
    first, *_ = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text())
    assert (first["ansible.builtin.import_playbook"], first["vars"]["begin_playbook"]) == ("begin.yml", name)


@pytest.fixture
def done(request: pytest.FixtureRequest, runs: dict[str, Future[Done]]) -> Done:
    return runs[request.param].result()


def after(*names: str) -> pytest.MarkDecorator:
    """With what one of these runs was. Those that are not of EACH_TIME are deep."""
    return pytest.mark.parametrize("done", deep.cases(names, EACH_TIME), indirect=True)


def ends(done: Done, word: str, code: int, *messages: str) -> None:
    """``messages`` are all that is said as reasons."""
    written = done.files["staging/verdict.json"]
    assert (done.code, written["verdict"], written["messages"]) == (code, word, list(messages)), done.output
    assert f"VERDICT {word}: " in done.output


@after("deploy, well")
def test_when_all_is_well_the_verdict_says_what_every_host_runs(done: Done) -> None:
    ends(done, "deployed", 0)
    assert "VERDICT deployed: staging 1.1.0 (was 1.0.0) in " in done.output
    assert "\n  app-1 runs 1.1.0\n  app-2 runs 1.1.0\n  details: .deploy/staging/verdict.json\n" in done.output


@after("deploy, switched hosts go back")
def test_hosts_that_were_switched_go_back_when_another_one_fails(done: Done) -> None:
    ends(done, "rolled_back", 2, "sick")


@after("deploy, lost in its migration")
def test_a_host_that_is_lost_in_its_migration_may_go_on_with_it_and_nobody_is_sent_to_begin_a_second_one(done: Done) -> None:
    """With --limit another host would run it, beside the one that nobody can ask."""
    goes_on = "the migration goes on there by itself; the same command waits for it and starts no second one"
    ends(done, "refused", 4, f"app-1 could not be reached; if it had begun: {goes_on}")


@after("remove_stack, of one host")
def test_a_stack_that_is_removed_leaves_its_data_unless_it_is_named_once_more(done: Done) -> None:
    removed = [one for one in done.asked if one["module"] == "stack_removal"]
    assert {(one["host"], one["stack"], one["data"]) for one in removed} == {("app-2", "shop", False)}


@after("status, nobody can be reached")
def test_a_status_that_reaches_nobody_prints_its_table_all_the_same(done: Done) -> None:
    assert done.code == 4
    lines = done.output.partition("STATUS of staging\n")[2].splitlines()
    assert lines[1:4] == [
        "HOST   RELEASE  AGE  EDGE  DRIFT  HEALTHY/WANTED",
        "app-1  ?        -    ?     ?      could not be asked",
        "app-2  ?        -    ?     ?      could not be asked",
    ]
    assert "LEASE  ? (it could not be read: app-1 could not be reached; app-2 could not be reached)" in lines
    assert done.files["staging/status.json"]["unknown"] == [*HOSTS]


@after("edge_upgrade, well")
def test_an_upgraded_edge_is_told_with_its_versions_and_what_was_drained(done: Done) -> None:
    ends(done, "deployed", 0)
    said = "the edge was replaced: HAProxy 3.0.1 -> HAProxy 3.0.2; requests and tunnels: 3 drained"
    assert [f"  app-{number}: {said}" in done.output for number in (1, 2)] == [True, True]


@after("edge_upgrade, checked")
def test_a_checked_upgrade_says_which_edges_would_be_changed(done: Done) -> None:
    plan = "replace the edge: HAProxy 3.0.1 -> HAProxy 3.0.2"
    assert done.code == 0
    assert (
        f"CHECK MODE: nothing was changed in staging. The upgrade of the edge would:\n  app-1: {plan}\n  app-2: {plan}\n"
    ) in done.output


@after("engine_upgrade, well")
def test_an_upgraded_engine_is_told_with_its_packages(done: Done) -> None:
    ends(done, "deployed", 0)
    assert "  app-1: the engine was upgraded: docker.io 26.1.5 -> 26.1.6\n" in done.output
    assert "  app-2: the engine was upgraded: docker.io 26.1.5 -> 26.1.6\n" in done.output


@after("engine_upgrade, checked")
def test_a_checked_upgrade_says_which_packages_would_be_upgraded(done: Done) -> None:
    plan = "upgrade docker.io 26.1.5 -> 26.1.6"
    said = "CHECK MODE: nothing was changed in staging. The upgrade of the engine would:\n"
    assert done.code == 0
    assert f"{said}  app-1: {plan}\n  app-2: {plan}\n" in done.output


@after("edge_upgrade, nothing to do")
def test_an_edge_that_is_current_is_left_alone(done: Done) -> None:
    ends(done, "unchanged", 0)


@after("edge_upgrade, the second host fails")
def test_an_upgrade_that_fails_on_a_later_host_says_what_was_replaced(done: Done) -> None:
    ends(done, "failed", 2, "app-2: it does not serve")
    assert "  app-1: the edge was replaced: " in done.output


@after("edge_upgrade, the first host fails")
def test_an_upgrade_that_fails_touches_no_further_host(done: Done) -> None:
    ends(done, "failed", 2, "app-1: it does not serve")
    assert "app-2: the edge was replaced" not in done.output


UNWATCHED = (
    "the callback morpheus.deploy.verdict is not loaded, so this run could not say how it ended. ANSIBLE_CALLBACKS_ENABLED="
    f"ansible.posix.timer takes the place of what ansible.cfg enables: add morpheus.deploy.verdict to it, or unset it. {NOTHING}"
)


@after("deploy, another callback")
def test_a_run_that_nobody_watches_is_refused_and_leaves_a_file_of_its_own(done: Done) -> None:
    ends(done, "refused", 2, UNWATCHED)


@after("status, another callback")
def test_a_look_that_nobody_would_see_is_refused_and_leaves_the_verdict_of_the_last_deploy_alone(done: Done) -> None:
    assert (done.code, done.files["staging/status.json"]["messages"]) == (2, [UNWATCHED])
    assert done.files["staging/verdict.json"] == YESTERDAY


@after("restart, no such tag")
def test_a_tag_that_chooses_nothing_is_refused(done: Done) -> None:
    ends(done, "refused", 2, f"--tags nosuch chooses nothing; its tags are identity. {NOTHING}")


@after("deploy, a tag without its first")
def test_a_tag_without_what_it_needs_is_refused(done: Done) -> None:
    ends(done, "refused", 2, f"--tags identity leaves out what it needs: add preflight. {NOTHING}")


@after("deploy, a tag skipped")
def test_no_step_that_others_need_is_skipped(done: Done) -> None:
    words = "--skip-tags preflight leaves out what other steps need; its tags are preflight, identity. "
    ends(done, "refused", 2, words + NOTHING)


@after("status, a tag skipped")
def test_a_playbook_without_tags_says_so(done: Done) -> None:
    words = f"--skip-tags untagged leaves out what other steps need; this playbook has no tags. {NOTHING}"
    assert (done.code, done.files["staging/status.json"]["messages"]) == (2, [words])


@after("status, a tag skipped that no task has")
def test_a_tag_that_no_task_has_leaves_nothing_out(done: Done) -> None:
    assert (done.code, done.files["staging/status.json"]["hosts"].keys()) == (0, {"app-1", "app-2"})


def test_every_tag_that_a_task_has_is_known() -> None:
    found = {
        tag
        for directory in ("playbooks", "roles")
        for path in (ROOT / directory).rglob("*.yml")
        for line in re.findall(r"^ *tags: \[(.*)\]$", path.read_text(), re.MULTILINE)
        for tag in line.split(", ")
    }
    assert found - {"never"} == set(begin.TAGS) - {"all", "tagged", "untagged"}


@after("restart, looked at only")
def test_what_was_asked_for_in_part_says_which_part(done: Done) -> None:
    ends(done, "done", 0)
    assert "VERDICT done: staging restart (--tags identity) in " in done.output


@after("restart, begun in the middle", "maintenance, begun in the middle")
def test_nothing_is_written_by_a_playbook_that_is_begun_in_its_middle(done: Done) -> None:
    where = "app-1, app-2: " if done.files["staging/verdict.json"]["playbook"] == "maintenance" else ""
    ends(done, "refused", 2, where + leased.problem({}, check_mode=False))


@after("deploy, an empty release")
def test_an_empty_release_is_refused(done: Done) -> None:
    words = "stack_release: is empty; give the version, for example -e stack_release=1.2.0"
    ends(done, "refused", 2, f"Nothing was contacted or changed. Problems in the configuration:\n  - {words}")


@after("deploy, Ctrl-C", "deploy, SIGTERM")
def test_whoever_ends_a_run_is_told_what_goes_on_without_it(done: Done) -> None:
    how = "SIGTERM" if "SIGTERM" in done.output else "Ctrl-C"
    back = done.files["staging/verdict.json"]["mend"][1]
    inventory, _, target = back.partition(" -i ")[2].partition(" -e ")
    assert inventory.endswith("/hosts.yml")
    # Hosts of which some have switched may not agree on it, were it not named.
    assert target == "rollback_to=1.0.0-aa"
    ends(
        done,
        "mixed",
        99,
        f"the run was interrupted by {how}\n"
        "app-2: the rollout goes on there by itself, to its end\n"
        f"watch it: ansible-playbook playbooks/status.yml -i {inventory}\n"
        f"stop it: {back}, or any other deploy. Once that one has the lease, the hosts refuse the next step of this one",
    )
    assert "  app-1 runs 1.1.0\n  app-2 runs an unknown release (last known: 1.0.0)\n" in done.output


@after("rollback, SIGHUP")
def test_a_terminal_that_goes_away_ends_a_run_in_a_verdict_too(done: Done) -> None:
    ends(done, "refused", 99, "the run was interrupted by the end of its terminal (SIGHUP)")


@after("maintenance, Ctrl-C", "ml_mode, Ctrl-C while it looks")
def test_what_deploys_nothing_is_interrupted_in_a_verdict_too(done: Done) -> None:
    ends(done, "refused", 99, "the run was interrupted by Ctrl-C")


@after("maintenance, Ctrl-C while it switches", "ml_mode, Ctrl-C while it switches")
def test_a_switch_that_was_interrupted_may_have_been_done(done: Done) -> None:
    written = done.files["staging/verdict.json"]
    shows = {"maintenance": "status", "ml_mode": "ml_mode"}[written["playbook"]]
    ends(
        done,
        "failed",
        99,
        "the run was interrupted by Ctrl-C\n"
        "app-1 had not answered yet, so it may have been switched; run the same command again, or see whether it was: "
        f"ansible-playbook playbooks/{shows}.yml -i {written['inventory']}",
    )


@after("rollback, Ansible's own error")
def test_an_error_of_ansibles_own_ends_in_a_verdict_too(done: Done) -> None:
    ends(done, "refused", 1, "Ansible ended the run before its end; its own error stands above")


@after("deploy, a limit that matches no host")
def test_what_ansible_refuses_before_it_loads_anything_is_told_from_a_run_by_its_exit_status_and_the_age_of_the_file(
    done: Done,
) -> None:
    """Nothing of the collection is asked then. CI goes by the status; the file stays, and says when its run began."""
    assert (done.code, "VERDICT" in done.output) == (1, False)
    assert done.files["staging/verdict.json"] == YESTERDAY


@after("deploy, well", "rollback, SIGHUP", "deploy, an inventory that is no YAML")
def test_every_verdict_says_when_its_run_began(done: Done) -> None:
    written = done.files["staging/verdict.json"]
    assert BEGAN <= written["started"] <= time.time()


@after("deploy, an inventory that is no YAML")
def test_an_inventory_that_cannot_be_read_is_refused_and_may_have_been_any_environments(done: Done) -> None:
    assert "Failed to parse inventory" in done.output
    written = done.files["staging/verdict.json"]
    assert (done.code, written["verdict"]) == (2, "refused")
    assert written["messages"][0].endswith(f"/hosts.yml has no host in group app; {NOBODY}. {NOTHING}")


@after("deploy, variables that are no YAML")
def test_variables_that_cannot_be_read_end_in_a_verdict_with_ansibles_exit_status_for_what_it_cannot_parse(done: Done) -> None:
    ends(done, "refused", 4, "Ansible ended the run before its end; its own error stands above")
    assert "Callback dispatch" not in done.output


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(0o755, id="another directory"),
        pytest.param(0o777, id="one that everybody may write", marks=pytest.mark.deep),
    ],
)
def test_from_a_directory_whose_configuration_ansible_does_not_read_a_run_is_refused(tmp_path: Path, mode: int) -> None:
    """The repository's own playbook and inventory, as a person types it elsewhere."""
    (tmp_path / ".deploy" / "staging").mkdir(parents=True)
    (tmp_path / ".deploy" / "staging" / "verdict.json").write_text(json.dumps(YESTERDAY))
    if mode == 0o777:
        (tmp_path / "ansible.cfg").write_text((ROOT / "ansible.cfg").read_text())
    tmp_path.chmod(mode)
    run = subprocess.run(
        [str(BIN / "ansible-playbook"), str(ROOT / "deploy.yml"), "-i", str(ROOT / "inventories" / "staging")],
        cwd=tmp_path,
        env={**environment("ANSIBLE_"), "HOME": str(tmp_path), "ANSIBLE_SSH_EXECUTABLE": "/bin/false"},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS_AFTER_SECONDS,
    )
    mend = (
        f"Ansible ignores {tmp_path}/ansible.cfg because everybody may write {tmp_path}: chmod o-w {tmp_path}."
        if mode == 0o777
        else "No ansible.cfg was read: run it from the project's directory, or set ANSIBLE_CONFIG, or "
        "ANSIBLE_CALLBACKS_ENABLED=morpheus.deploy.verdict."
    )
    words = f"the callback morpheus.deploy.verdict is not loaded, so this run could not say how it ended. {mend} {NOTHING}"
    assert run.returncode == 2, run.stdout
    assert f"VERDICT refused: {words}" in run.stdout
    written = json.loads((tmp_path / ".deploy" / "staging" / "verdict.json").read_text())
    assert (written["verdict"], written["messages"]) == ("refused", [words])
