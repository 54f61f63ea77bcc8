from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.progress import NAME, Progress
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live import follow
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.follow import NotFollowedError, Question

Wait = Callable[[Callable[[], bool]], None]


def on_this_host(command: str) -> tuple[int, str]:
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.fixture
def question(tmp_path: Path) -> Question:
    return Question(tmp_path / NAME, sys.executable, 0.01)


@pytest.fixture
def waited() -> Wait:
    def until(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return until


def test_what_a_rollout_tells_is_handed_on_while_it_is_at_work(tmp_path: Path, question: Question, waited: Wait) -> None:
    told: list[Any] = []
    at_work = threading.Event()
    at_work.set()
    arguments: Any = (question, on_this_host, lambda event: told.append(event["event"]))
    thread = threading.Thread(target=follow.follow, args=arguments, kwargs={"lives": at_work.is_set})
    thread.start()
    progress = Progress(tmp_path, str)
    progress.begin(release="1.1.0")
    for number, event in enumerate(("intent", "started", "done"), start=2):
        waited(lambda seen=number: len(told) == seen - 1)  # type: ignore[misc]
        progress.tell(event, "api")
    waited(lambda: len(told) == 4)
    at_work.clear()
    progress.tell("bad", why="so that nobody waits")
    thread.join(60)
    assert told[:4] == ["begin", "intent", "started", "done"]


def test_a_rollout_that_began_before_this_run_is_not_its_own(tmp_path: Path, question: Question) -> None:
    Progress(tmp_path, str, clock=lambda: time.monotonic() - 600).begin(release="1.0.0")
    code, printed = on_this_host(question.command(age=60.0).replace(f" {follow.WAIT_SECONDS}", " 0.1"))
    assert (code, printed) == (0, "0 0.0\n")


def test_another_rollout_that_begins_meanwhile_is_not_followed(tmp_path: Path, question: Question) -> None:
    Progress(tmp_path, str).begin(release="1.1.0")
    following, [begin] = question.after(on_this_host(question.command(age=60.0))[1])
    assert (begin["release"], following and following.rollout) == ("1.1.0", begin["began"])
    Progress(tmp_path, str, clock=lambda: time.monotonic() + 5).begin(release="1.2.0")
    assert following is not None
    code, printed = on_this_host(following.command(age=60.0).replace(f" {follow.WAIT_SECONDS}", " 0.1"))
    assert (code, following.after(printed)[1]) == (0, [])


def test_when_the_process_of_the_rollout_is_gone_so_is_the_question(tmp_path: Path, question: Question) -> None:
    child = os.fork()
    if child == 0:
        Progress(tmp_path, str).begin(release="1.1.0")
        os._exit(0)
    os.waitpid(child, 0)
    last, events = question.after(on_this_host(question.command(age=60.0))[1])
    assert ([one["event"] for one in events], last is None) == (["begin"], False)
    assert last is not None
    assert last.after(on_this_host(last.command(age=60.0))[1]) == (None, [])


def test_a_line_that_is_not_complete_is_left_for_the_next_question(tmp_path: Path, question: Question) -> None:
    Progress(tmp_path, str).begin(release="1.1.0")
    with (tmp_path / NAME).open("a") as stream:
        stream.write('{"event": "int')
    following, events = question.after(on_this_host(question.command(age=60.0))[1])
    assert [one["event"] for one in events] == ["begin"]
    with (tmp_path / NAME).open("a") as stream:
        stream.write('ent"}\n[1]\nno json\n')
    assert following is not None
    assert [one["event"] for one in following.after(on_this_host(following.command(age=60.0))[1])[1]] == ["intent"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n", b"[]\n", b'{"began": "soon"}\n', b"{}\n"])
def test_a_damaged_file_is_like_none(question: Question, content: bytes) -> None:
    question.path.write_bytes(content)
    code, printed = on_this_host(question.command(age=60.0).replace(f" {follow.WAIT_SECONDS}", " 0.1"))
    assert (code, printed) == (0, "0 0.0\n")


def test_a_host_that_cannot_be_asked_is_given_up_after_a_few_tries(question: Question) -> None:
    asked: list[str] = []

    def refused(command: str) -> tuple[int, str]:
        asked.append(command)
        return 127, ""

    with pytest.raises(NotFollowedError, match="ended with 127"):
        follow.follow(question, refused, lambda event: None, lives=lambda: True, sleep=lambda seconds: None)
    assert len(asked) == follow.TRIES


def test_what_is_no_answer_is_said(question: Question) -> None:
    with pytest.raises(NotFollowedError, match="its host answered 'Last login: today'"):
        question.after("Last login: today\n0 0\n")


def test_a_question_that_hangs_ends_with_the_rollout() -> None:
    """Nobody would wait for it: the process is killed, with whatever it has started."""
    handed: list[Any] = []

    def hang(command: str) -> tuple[int, str]:
        while True:
            signal.pause()

    with follow.following("shop", sys.executable, 1, hang, handed.append):
        pass
    assert handed == []


def test_a_mistake_in_here_does_not_reach_the_rollout(tmp_path: Path, waited: Wait) -> None:
    def broken(command: str) -> tuple[int, str]:
        raise KeyError("connection")

    def hand_on(event: dict[str, Any]) -> None:
        # It runs in a process of its own.
        (tmp_path / "said").write_text(f"{event['event']} {event['why']}")

    with follow.following("shop", sys.executable, 1, broken, hand_on):
        waited((tmp_path / "said").exists)
    waited(lambda: bool((tmp_path / "said").read_text()))
    assert (tmp_path / "said").read_text() == "unseen 'connection'"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "python3"),
        ({"ansible_python_interpreter": "/opt/python"}, "/opt/python"),
        ({"ansible_python_interpreter": "auto_silent"}, "python3"),
        ({"ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.11"}}, "/usr/bin/python3.11"),
    ],
)
def test_the_interpreter_of_a_host(variables: dict[str, Any], expected: str) -> None:
    assert follow.python_of(variables) == expected
