"""What a person sees of a rollout while it is at work: in a log, on a terminal, in GitHub's workflows, and when seeing fails."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.plays.followed import WIDTH, Followed, replaced
from tests.plays.scripted import failed, rolled

ESCAPE = "\x1b"


def step(action: str, text: str, *replicas: str, event: str = "intent") -> dict[str, Any]:
    return {"event": event, "service": "api", "action": action, "text": f"api: {text}", "replicas": list(replicas)}


def gate(attempt: int, last: str) -> dict[str, Any]:
    return {"event": "gate", "service": "api", "replica": "shop-api-3", "attempts": attempt, "last": last}


# What is told, and the line that says it.
STORY = [
    (step("start", "start 1 candidate"), "app-1 api: start 1 candidate"),
    ({"event": "started", "service": "api", "replicas": ["shop-api-3"]}, "app-1 api: started shop-api-3"),
    (gate(4, "status 503, expected 200"), "app-1 api: gate shop-api-3, attempt 4: status 503, expected 200"),
    (step("admit", "admit 1 candidate", event="done"), "app-1 api: admitted shop-api-3"),
    ({"event": "requests", "service": "api", "replicas": ["shop-api-1"], "left": 3}, "api: draining shop-api-1, 3 requests left"),
    ({"event": "users", "service": "api", "requests": 812, "errors": 2}, "watching, 2 errors in 812 requests of users so far"),
]
TELLS = [event for event, _ in STORY]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path)


@pytest.mark.deep
def test_each_thing_that_a_host_tells_is_seen_before_the_next_one_happens(followed: Followed) -> None:
    run = followed.begin({"app-1": TELLS}, answer=rolled(steps=["api: start 1 candidate", "api: remove shop-api-1"]))
    run.awaits("app-1 switches to 1.1.0 in 6 steps")
    for number, (_, line) in enumerate(STORY):
        run.awaits(line)
        run.go_on("app-1", number)
    assert run.ended() == 0
    lines = run.screen.splitlines()
    at = next(number for number, line in enumerate(lines) if "     app-1 runs 1.1.0, " in line)
    assert lines[at - 1].endswith(" app-1 api: remove shop-api-1")
    assert [line for line in lines if line and not re.match(r"\d\d:\d\d:\d\d |VERDICT |  ", line)] == []
    assert "VERDICT deployed: staging 1.1.0 (was 1.0.0)" in run.screen
    assert ESCAPE not in run.screen


def test_on_a_terminal_it_is_drawn_and_ends_in_a_box(followed: Followed) -> None:
    said = [gate(4, f"status 503: {ESCAPE}[2J{ESCAPE}]0;mine\x07 [red]x" + "y" * 200)]
    run = followed.begin({"app-1": said, "app-2": said}, terminal=True)
    for host in ("app-1", "app-2"):
        run.awaits(f"{host}  ")
    run.awaits("attempt 4: status 503")
    for host in ("app-1", "app-2"):
        run.go_on(host, 0)
    assert run.ended() == 0, run.screen
    # What an application says neither clears the screen nor sets a title.
    assert f"{ESCAPE}[2J" not in run.screen
    assert f"{ESCAPE}]" not in run.screen
    assert "╭" in run.screen
    assert re.search(r"│ VERDICT deployed: staging 1.1.0 \(was 1.0.0\) in \S+ s +│", run.plain)
    assert max(len(line) for line in re.split("[\r\n]+", run.plain)) <= WIDTH
    # The cursor is shown again.
    assert run.screen.rfind(f"{ESCAPE}[?25h") > run.screen.rfind(f"{ESCAPE}[?25l") >= 0


@pytest.mark.deep
def test_without_colours_only_the_cursor_is_moved(followed: Followed) -> None:
    run = followed.begin({"app-1": TELLS[:3]}, waits=False, terminal=True, NO_COLOR="1")
    assert run.ended() == 0
    assert re.findall(r"\x1b\[[0-9;]*(?:3[0-7]|9[0-7])m", run.screen) == []


@pytest.mark.parametrize(("term", "github"), [("dumb", ""), ("xterm", "true")])
@pytest.mark.deep
def test_a_terminal_that_cannot_be_drawn_on_gets_lines(followed: Followed, term: str, github: str) -> None:
    run = followed.begin({"app-1": TELLS[:2]}, waits=False, terminal=True, TERM=term, GITHUB_ACTIONS=github)
    assert run.ended() == 0
    assert f"{ESCAPE}[?25l" not in run.screen
    assert " app-1 runs 1.1.0" in run.plain


@pytest.mark.deep
def test_without_rich_there_are_lines(followed: Followed) -> None:
    """A package of that name is found before the real one, and is none."""
    hidden = followed.directory / "hidden" / "rich"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('No module named rich', name='rich')\n")
    run = followed.begin({"app-1": TELLS[:2]}, terminal=True, PYTHONPATH=str(hidden.parent))
    for number, (_, line) in enumerate(STORY[:2]):
        run.awaits(line)
        run.go_on("app-1", number)
    assert run.ended() == 0
    assert f"{ESCAPE}[?25l" not in run.screen
    assert "has failed" not in run.plain
    assert "VERDICT deployed: staging 1.1.0" in run.plain


FAILURE = failed(
    "as_before",
    'service "api": shop-api-3 did not pass its gate.\nThe last log lines of shop-api-3:\n::add-mask::x\nNothing was switched.',
)


@pytest.mark.deep
def test_of_a_failure_the_three_lines_that_matter_come_first(followed: Followed) -> None:
    run = followed.begin({"app-1": TELLS[:3]}, answer=FAILURE, waits=False)
    assert run.ended() == 2
    lines = [line[9:] for line in run.screen.splitlines()]
    at = lines.index("FAILED app-1: Switch to the release")
    assert lines[at : at + 5] == [
        "FAILED app-1: Switch to the release",
        '  service "api": shop-api-3 did not pass its gate.',
        "  Nothing was switched.",
        "    The last log lines of shop-api-3:",
        "    ::add-mask::x",
    ]
    assert "\nVERDICT failed: staging 1.1.0" in run.screen


def test_github_is_told_of_a_failure_and_takes_no_command_of_an_application(followed: Followed) -> None:
    run = followed.begin({"app-1": TELLS[:3]}, answer=FAILURE, waits=False, GITHUB_ACTIONS="true")
    assert run.ended() == 2
    commands = [line for line in run.screen.splitlines() if line.lstrip().startswith("::")]
    assert commands == [
        "::group::Roll out",
        "::endgroup::",
        "::error title=FAILED app-1%3A Switch to the release::"
        'service "api": shop-api-3 did not pass its gate.%0ANothing was switched.',
    ]


@pytest.mark.deep
def test_ansibles_own_output_is_one_setting_away(followed: Followed) -> None:
    run = followed.begin({"app-1": TELLS}, waits=False, ANSIBLE_STDOUT_CALLBACK="default")
    assert run.ended() == 0
    assert re.findall(r"^(TASK \[.*\]|PLAY RECAP|changed: .*)", run.screen, re.MULTILINE) == [
        "TASK [Switch to the release]",
        "changed: [app-1]",
        "PLAY RECAP",
    ]
    assert "api: started" not in run.screen


@pytest.mark.deep
def test_with_v_ansible_says_it_and_what_hosts_tell_comes_between(followed: Followed) -> None:
    run = followed.begin({"app-1": TELLS[:2]}, "-v", waits=True)
    for number, (_, line) in enumerate(STORY[:2]):
        run.awaits(line)
        run.go_on("app-1", number)
    assert run.ended() == 0
    assert "TASK [Switch to the release]" in run.screen
    assert "PLAY RECAP" in run.screen


@pytest.mark.parametrize(
    ("broken", "terminal"),
    [
        pytest.param(broken, terminal, id=f"{broken}-{where}", marks=[pytest.mark.deep] if deep else [])
        for broken, terminal, where, deep in (
            ("board", False, "log", True),
            ("board", True, "terminal", False),
            ("words", False, "log", False),
            ("words", True, "terminal", True),
            ("view", False, "log", True),
            ("view", True, "terminal", False),
        )
    ],
)
@pytest.mark.deep
def test_when_seeing_fails_the_deploy_goes_on_in_ansibles_own_words(followed: Followed, broken: str, terminal: bool) -> None:
    path = f"plugin_utils/live/{broken}.py"
    text = (Path(__file__).parents[2] / "plugins" / path).read_text()
    for name in ("saw", "begin", "task", "heads"):
        text = re.sub(rf"\n( *)def {name}\(.*\n", r"\g<0>\1    raise KeyError('broken')\n", text, count=1)
    replaced(followed.collections, path, text)
    run = followed.begin({"app-1": TELLS}, waits=False, terminal=terminal)
    code = run.ended()
    if broken == "view" and not terminal:
        assert (code, "has failed" in run.plain) == (0, False)
        return
    assert (code, " ".join(run.plain.split()).count("the live output has failed")) == (0, 1), run.plain
    assert "VERDICT deployed: staging 1.1.0 (was 1.0.0)" in run.plain
    assert "PLAY RECAP" in run.plain


@pytest.mark.deep
def test_a_follower_that_fails_is_said_once_and_the_deploy_goes_on(followed: Followed) -> None:
    path = "plugin_utils/live/follow.py"
    text = (Path(__file__).parents[2] / "plugins" / path).read_text()
    replaced(followed.collections, path, text.replace('PROGRAM = """', 'PROGRAM = """raise SystemExit("no")'))
    run = followed.begin({"app-1": [], "app-2": []}, waits=False)
    assert run.ended() == 0
    assert "VERDICT deployed" in run.screen


@pytest.mark.deep
def test_nobody_draws_any_more_when_python_ends(followed: Followed) -> None:
    """It would end that thread wherever it is, with the lock that it holds, and write what is left under the same lock."""
    path = "callback/live.py"
    text = (Path(__file__).parents[2] / "plugins" / path).read_text()
    counts = "atexit.register(lambda: self._display.display(f'threads left: {threading.active_count() - 1}'))"
    text = text.replace("atexit.register(self._leave", f"{counts}; atexit.register(self._leave")
    replaced(followed.collections, path, text.replace("TICK_SECONDS = 0.2\n", "TICK_SECONDS = 3600\n"))
    run = followed.begin({"app-1": TELLS}, waits=False)
    assert run.ended() == 0
    assert "threads left: 0" in run.screen


def test_ctrl_c_leaves_the_terminal_as_it_was_and_says_what_goes_on(followed: Followed) -> None:
    run = followed.begin({"app-1": TELLS[:1]}, terminal=True)
    run.awaits("start 1 candidate")
    run.process.send_signal(signal.SIGINT)
    run.go_on("app-1", 0)
    assert run.ended() == 99
    assert "the run was interrupted by Ctrl-C" in run.plain
    assert run.screen.rfind(f"{ESCAPE}[?25h") > run.screen.rfind(f"{ESCAPE}[?25l") >= 0


@pytest.mark.deep
def test_100_hosts_are_summed_up_on_80_columns(followed: Followed) -> None:
    names = [f"production-app-{number:03}" for number in range(1, 101)]
    run = followed.begin(dict.fromkeys(names, TELLS[:3]), waits=False, terminal=True)
    assert run.ended() == 0, run.screen[-3000:]
    assert re.search(r"100 hosts: \d+ done, \d+ at work", run.plain)
    assert re.search(r"│ +100 hosts run 1.1.0 +│", run.plain)
    assert max(len(line) for line in re.split("[\r\n]+", run.plain)) <= WIDTH
