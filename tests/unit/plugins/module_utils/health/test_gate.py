from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint, Expectation, Gate, expression_problem
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Answer, Health, Rules
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.clock import Clock

GOOD = Answer(0.01, 200, b'{"status": "ok"}')
BAD = Answer(0.02, 503, b"migrating")
URL = "http://192.0.2.1:8000/health"


@dataclass
class Script:
    """A ``Fetch`` that gives the scripted answers of each endpoint in turn, the last one for ever; it takes their seconds."""

    clock: Clock
    answers: dict[str, Sequence[Answer]]
    asked: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def __call__(self, endpoint: Endpoint, timeout: float) -> Answer:
        asked = self.asked.setdefault(endpoint.name, [])
        answers = self.answers[endpoint.name]
        answer = answers[min(len(asked), len(answers) - 1)]
        asked.append((self.clock.now(), timeout))
        if answer.seconds >= timeout:
            self.clock.sleep(timeout)
            return Answer(timeout, error=f"no complete answer within {timeout:.1f} s")
        self.clock.sleep(answer.seconds)
        return answer


def wait(
    answers: Sequence[Answer], rules: Rules | None = None, give_up: Callable[[Endpoint], str] = lambda endpoint: ""
) -> tuple[Health, Script, Clock]:
    clock = Clock(1000.0)
    script = Script(clock, {"api-1": answers})
    [health] = Gate(rules or Rules(), script, clock, give_up).wait([Endpoint("api-1", URL)])
    return health, script, clock


def watch(
    answers: Sequence[Answer], seconds: float = 6.0, rules: Rules | None = None, give_up: Callable[[Endpoint], str] = lambda e: ""
) -> tuple[Health, Script, Clock]:
    clock = Clock(1000.0)
    script = Script(clock, {"api-1": answers})
    [health] = Gate(rules or Rules(interval_seconds=1.0), script, clock, give_up).watch([Endpoint("api-1", URL)], seconds)
    return health, script, clock


def json_answer(text: str, status: int = 200) -> Answer:
    return Answer(0.01, status, text.encode())


EXPECTATIONS = [
    pytest.param(Expectation(), GOOD, "", id="a good status is enough when nothing is asked of the body"),
    pytest.param(Expectation(), Answer(0.0, 200), "", id="an empty body is good when nothing is asked of it"),
    pytest.param(Expectation(204), Answer(0.0, 204), "", id="another status can be the good one"),
    pytest.param(Expectation(), BAD, "status 503, expected 200: migrating", id="a wrong status is quoted"),
    pytest.param(Expectation(), Answer(0.0, 500), "status 500, expected 200", id="without a body nothing is quoted"),
    pytest.param(Expectation(), Answer(0.0, 302, b"elsewhere"), "status 302, expected 200: elsewhere", id="a redirect"),
    pytest.param(Expectation(), Answer(0.0, error="connection refused"), "connection refused", id="an error stands for itself"),
    pytest.param(
        Expectation(body="version == '2'"),
        Answer(0.0, 200, b'{"version": "2"}', "cut off"),
        "cut off",
        id="an error beats a body",
    ),
    pytest.param(Expectation(body="version == '2'"), json_answer('{"version": "2"}'), "", id="an expression that is true"),
    pytest.param(
        Expectation(body="version == '2'"),
        json_answer('{"version": "1"}'),
        '"version == \'2\'" is not true of the body: {"version": "1"}',
        id="an expression that is false",
    ),
    pytest.param(
        Expectation(body="version == '2'"),
        json_answer('{"status": "ok"}'),
        '"version == \'2\'" is not true of the body: {"status": "ok"}',
        id="a missing key",
    ),
    pytest.param(
        Expectation(body="version"),
        json_answer('{"version": "2"}'),
        '\'version\' is not true of the body: {"version": "2"}',
        id="a truthy string is not true",
    ),
    pytest.param(
        Expectation(body="count"), json_answer('{"count": 1}'), "'count' is not true of the body: {\"count\": 1}", id="nor 1"
    ),
    pytest.param(
        Expectation(body="ready"),
        json_answer("<html>\n  hello"),
        "the body is not JSON, so 'ready' cannot be asked of it: <html> hello",
        id="a body that is not JSON",
    ),
    pytest.param(
        Expectation(body="ready"),
        Answer(0.0, 200, b"\xff\xfe\x00"),
        "the body is not JSON, so 'ready' cannot be asked of it: \ufffd\ufffd\\x00",
        id="a body that is not text",
    ),
    pytest.param(
        Expectation(body="length(count) == `1`"),
        json_answer('{"count": 1}'),
        "'length(count) == `1`' is not true of the body: {\"count\": 1}",
        id="an expression that fails on this body",
    ),
    pytest.param(Expectation(503, "ready"), json_answer('{"ready": true}', 503), "", id="status and body together"),
    pytest.param(
        Expectation(503, "ready"),
        json_answer('{"ready": true}'),
        'status 200, expected 503: {"ready": true}',
        id="a good body does not make up for the status",
    ),
    pytest.param(Expectation(version="version", release="2"), json_answer('{"version": "2"}'), "", id="the release is attested"),
    pytest.param(
        Expectation(version="app.version", release="2"),
        json_answer('{"app": {"version": "1"}}'),
        'it reports app.version "1", expected "2"',
        id="another release is attested",
    ),
    pytest.param(
        Expectation(version="version", release="2"),
        json_answer('{"status": "ok"}'),
        'it reports version null, expected "2"',
        id="no release is attested",
    ),
    pytest.param(
        Expectation(version="version", release="2"),
        json_answer('{"version": 2}'),
        'it reports version 2, expected "2"',
        id="a number is no release",
    ),
    pytest.param(
        Expectation(version="version", release="2"),
        Answer(0.0, 200, b"2"),
        'it reports version null, expected "2"',
        id="a body that is a number",
    ),
    pytest.param(
        Expectation(version="version", release="2"),
        Answer(0.0, 200, b"version 2"),
        "the body is not JSON, so 'version' cannot be asked of it: version 2",
        id="a release in words",
    ),
    pytest.param(
        Expectation(body="ready", version="version", release="2"),
        json_answer('{"version": "2", "ready": false}'),
        '\'ready\' is not true of the body: {"version": "2", "ready": false}',
        id="the right release that is not ready",
    ),
    pytest.param(
        Expectation(body="ready", version="version", release="2"),
        json_answer('{"version": "1", "ready": false}'),
        'it reports version "1", expected "2"',
        id="the wrong release comes first",
    ),
    pytest.param(Expectation(body="[0].ready"), json_answer('[{"ready": true}]'), "", id="a body that is a list"),
]


@pytest.mark.parametrize(("expectation", "answer", "violation"), EXPECTATIONS)
def test_an_expectation_says_in_words_why_an_answer_is_not_good(expectation: Expectation, answer: Answer, violation: str) -> None:
    assert expectation.violation(answer) == violation


def test_a_violation_is_of_a_length_that_people_can_read() -> None:
    answer = json_answer('{"version": "%s"}' % ("x" * 60_000))
    for expectation in (Expectation(500), Expectation(body="version"), Expectation(version="version", release="2")):
        assert len(expectation.violation(answer)) < 400


def test_an_excerpt_is_one_line_of_at_most_200_characters() -> None:
    assert Answer(0.0, 500, b"one\n\n  two\tthree " + b"x" * 100_000).excerpt == "one two three " + "x" * 186


@pytest.mark.parametrize(
    ("expression", "problem"),
    [("version == '1'", ""), ("status", ""), ("version ==", "Invalid jmespath expression: Incomplete expression:")],
    ids=["comparison", "field", "incomplete"],
)
def test_an_expression_is_checked_before_it_is_used(expression: str, problem: str) -> None:
    assert expression_problem(expression) == problem


def test_it_is_healthy_after_the_wanted_number_of_successes_in_a_row() -> None:
    health, _, clock = wait([GOOD])
    assert (health.healthy, health.attempts, health.failures, health.successes_in_row) == (True, 3, 0, 3)
    assert clock.now() == pytest.approx(1000 + 3 * 0.01 + 2 * 0.25)
    assert health.seconds == pytest.approx(clock.now() - 1000)
    assert health.violation == ""


def test_one_failure_sets_the_count_back_to_nothing() -> None:
    health, _, _ = wait([GOOD, GOOD, BAD, GOOD, GOOD, GOOD])
    assert (health.healthy, health.attempts, health.failures, health.successes_in_row) == (True, 6, 1, 3)


def test_what_never_becomes_good_fails_at_the_deadline_with_its_last_answer() -> None:
    health, _, clock = wait([Answer(0.0, error="connection refused"), BAD], Rules(deadline_seconds=10))
    assert not health.healthy
    assert clock.now() == pytest.approx(1010)
    assert health.as_dict() == {
        "name": "api-1",
        "url": URL,
        "healthy": False,
        "attempts": health.attempts,
        "failures": health.attempts,
        "successes_in_row": 0,
        "cut_short": False,
        "seconds": 10.0,
        "status": 503,
        "last": "migrating",
        "violation": "status 503, expected 200: migrating",
        "latency_seconds": {"median": None, "max": None},
    }


def test_two_of_three_good_answers_at_the_deadline_are_not_enough_and_the_result_says_why() -> None:
    health, _, _ = wait([GOOD], Rules(interval_seconds=4, deadline_seconds=7))
    assert (health.healthy, health.successes_in_row, health.cut_short) == (False, 2, False)
    assert health.violation == "good, but only 2 of 3 times in a row when the time was up"


def test_the_deadline_includes_the_timeouts_of_requests_that_hang() -> None:
    health, script, clock = wait([Answer(99.0)], Rules(timeout_seconds=2, interval_seconds=1, deadline_seconds=10))
    assert not health.healthy
    assert clock.now() == pytest.approx(1010)
    assert script.asked["api-1"] == [(1000, 2), (1003, 2), (1006, 2), (1009, 1)]
    assert health.violation == "no complete answer within 2.0 s"


def test_a_last_request_that_the_deadline_cut_short_does_not_hide_what_was_seen_before() -> None:
    answers = [BAD, Answer(1.5, 503, b"still migrating")]
    health, _, _ = wait(answers, Rules(timeout_seconds=2, interval_seconds=1, deadline_seconds=2))
    assert health.violation == "status 503, expected 200: migrating"


def test_a_request_that_begins_just_before_the_deadline_gets_only_the_time_that_is_left() -> None:
    _, script, _ = wait([BAD], Rules(timeout_seconds=5, interval_seconds=3, deadline_seconds=7))
    assert [timeout for _, timeout in script.asked["api-1"]] == pytest.approx([5, 7 - 3.02, 7 - 6.04])


def test_it_gives_up_at_once_when_there_is_no_point_in_waiting() -> None:
    health, _, clock = wait(
        [Answer(0.0, error="connection refused")], give_up=lambda endpoint: f"{endpoint.name} exited with code 1"
    )
    assert (health.healthy, health.attempts, clock.now()) == (False, 1, 1000)
    assert health.violation == "api-1 exited with code 1; last answer: connection refused"


def test_what_was_started_again_before_it_passed_does_not_pass_whatever_it_answers() -> None:
    health, _, _ = wait([GOOD], give_up=lambda endpoint: "api-1 ended and was started again by the engine")
    assert (health.healthy, health.attempts) == (False, 3)
    assert health.violation == "api-1 ended and was started again by the engine; last answer: good"


def test_the_ground_is_looked_at_after_each_bad_answer_and_before_good_ones_are_trusted() -> None:
    looks: list[str] = []

    def give_up(endpoint: Endpoint) -> str:
        looks.append(endpoint.name)
        return ""

    health, _, _ = wait([BAD, BAD, GOOD], give_up=give_up)
    assert health.healthy
    assert len(looks) == 3


def of_release(answers: Sequence[Answer], deadline: float = 60.0) -> tuple[Health, float]:
    """How the gate ends for release 2, and how long it took."""
    clock = Clock(1000.0)
    expectation = Expectation(body="ready", version="version", release="2")
    gate = Gate(Rules(interval_seconds=1.0, deadline_seconds=deadline), Script(clock, {"api-1": answers}), clock)
    [health] = gate.wait([Endpoint("api-1", URL, expectation=expectation)])
    return health, clock.now() - 1000


OTHER, OURS = json_answer('{"ready": true, "version": "1"}'), json_answer('{"ready": true, "version": "2"}')


def test_a_good_answer_that_goes_on_naming_another_release_fails_at_once() -> None:
    health, seconds = of_release([OTHER])
    assert 5 <= seconds < 7
    assert (health.healthy, health.cut_short, health.violation) == (
        False,
        False,
        'it reports version "1", expected "2", and that in good answers for 5 s, so it will not change',
    )


MAY_CHANGE = [
    pytest.param([json_answer('{"ready": false, "version": "1"}')], id="it is not ready"),
    pytest.param([json_answer('{"ready": true}')], id="it does not know its version yet"),
    pytest.param([json_answer('{"ready": true, "version": ""}')], id="its version is empty"),
    pytest.param([Answer(0.01, 503, b'{"ready": true, "version": "1"}')], id="its status is bad"),
    pytest.param([Answer(0.01, 200, b"starting")], id="it says something else"),
    pytest.param([*[OTHER, BAD] * 40], id="only now and then, as behind a balancer"),
]


@pytest.mark.parametrize("answers", MAY_CHANGE)
def test_what_may_still_name_the_release_is_waited_for_to_the_deadline(answers: list[Answer]) -> None:
    health, seconds = of_release(answers)
    assert (health.healthy, round(seconds)) == (False, 60)
    assert "so it will not change" not in health.violation


def test_another_release_that_gives_way_in_time_is_well() -> None:
    health, seconds = of_release([OTHER, OTHER, OTHER, OURS])
    assert (health.healthy, seconds < 7) == (True, True)


def test_a_deadline_that_comes_first_is_the_end() -> None:
    health, seconds = of_release([OTHER], deadline=3.0)
    assert (health.violation, round(seconds)) == ('it reports version "1", expected "2"', 3)


def test_latencies_are_those_of_the_good_answers() -> None:
    answers = [Answer(0.5, 503), Answer(0.1, 200), Answer(0.3, 200), Answer(0.2, 200)]
    health, _, _ = wait(answers)
    assert health.as_dict()["latency_seconds"] == {"median": 0.2, "max": 0.3}


def together(
    answers: dict[str, Sequence[Answer]], rules: Rules | None = None, give_up: Callable[[Endpoint], str] = lambda endpoint: ""
) -> list[Health]:
    clock = Clock(1000.0)
    gate = Gate(rules or Rules(), Script(clock, answers), clock, give_up)
    return gate.wait([Endpoint(name, URL) for name in answers])


def test_several_endpoints_are_each_healthy_and_keep_their_order() -> None:
    results = together({"b": [BAD, GOOD], "a": [GOOD], "c": [BAD, BAD, GOOD]})
    assert [(health.name, health.healthy, health.failures) for health in results] == [
        ("b", True, 1),
        ("a", True, 0),
        ("c", True, 2),
    ]


def test_no_endpoints_are_healthy_at_once() -> None:
    assert together({}) == []


def test_one_that_gives_up_ends_the_wait_for_the_others() -> None:
    results = together(
        {"lost": [BAD], "slow": [BAD]}, Rules(deadline_seconds=1e9), lambda e: "it exited with code 3" if e.name == "lost" else ""
    )
    assert [health.healthy for health in results] == [False, False]
    assert results[0].violation == "it exited with code 3; last answer: status 503, expected 200: migrating"


def test_one_that_was_well_when_another_was_lost_says_so_and_is_marked() -> None:
    """Whoever reports the failure must be able to tell who is to blame."""
    rules = Rules(successes=1000, interval_seconds=1, deadline_seconds=1e9)
    results = together({"lost": [GOOD] * 5 + [BAD], "well": [GOOD]}, rules, lambda e: "gone" if e.name == "lost" else "")
    assert [(health.healthy, health.cut_short) for health in results] == [(False, False), (False, True)]
    assert results[1].violation == "not asked to the end, because another one had failed"


def test_each_endpoint_has_its_own_expectation() -> None:
    clock = Clock(1000.0)
    script = Script(clock, {"old": [json_answer('{"version": "1"}')], "new": [json_answer('{"version": "2"}')]})
    endpoints = [Endpoint(name, URL, expectation=Expectation(body="version == '2'")) for name in ("new", "old")]
    results = Gate(Rules(deadline_seconds=3), script, clock).wait(endpoints)
    assert [health.healthy for health in results] == [True, False]
    assert results[1].violation == '"version == \'2\'" is not true of the body: {"version": "1"}'


def test_a_watch_lasts_its_seconds_when_all_is_well() -> None:
    health, _, clock = watch([GOOD])
    assert (health.healthy, health.failures) == (True, 0)
    assert health.attempts in (5, 6)
    assert 1006 <= clock.now() <= 1007


def test_a_watch_does_not_go_on_longer_than_it_was_meant_to_when_all_is_well() -> None:
    health, _, clock = watch([GOOD], 5.5, Rules(interval_seconds=2))
    assert (health.healthy, health.attempts) == (True, 3)
    assert clock.now() == pytest.approx(1005.5, abs=0.02)


@pytest.mark.parametrize(
    ("answers", "healthy", "failures"),
    [
        pytest.param([BAD, GOOD], True, 1, id="one bad answer alone"),
        pytest.param([GOOD, BAD, BAD, GOOD], True, 2, id="two in a row"),
        pytest.param([BAD, BAD, GOOD, BAD, BAD, GOOD], True, 4, id="four, but never three in a row"),
        pytest.param([GOOD, BAD, BAD, BAD], False, 3, id="three in a row"),
        pytest.param([BAD, BAD, BAD], False, 3, id="three in a row from the first one on"),
    ],
)
def test_only_as_many_bad_answers_in_a_row_as_were_asked_for_condemn_what_was_admitted(
    answers: list[Answer], healthy: bool, failures: int
) -> None:
    health, _, clock = watch([*answers, GOOD] if healthy else answers)
    assert (health.healthy, health.failures) == (healthy, failures)
    if not healthy:
        assert clock.now() < 1006
        assert health.violation == "status 503, expected 200: migrating"


def test_a_watch_gives_up_at_once_on_what_exited() -> None:
    health, _, _ = watch([BAD], give_up=lambda endpoint: "api-1 exited with code 137, out of memory")
    assert (health.healthy, health.attempts) == (False, 1)
    assert health.violation == ("api-1 exited with code 137, out of memory; last answer: status 503, expected 200: migrating")


SILENT = Answer(99.0)
CUT_OFF = [
    pytest.param(
        [SILENT],
        3.0,
        Rules(),
        "no complete answer within 2.0 s",
        id="it never answered, in a time too short for three timeouts",
    ),
    pytest.param(
        [GOOD, SILENT, GOOD, SILENT],
        6.0,
        Rules(interval_seconds=1.0),
        "no complete answer within 2.0 s; only 2 of 5 answers were good in the 10 s that it was watched, and the last 3 must be",
        id="its last answer was bad",
    ),
    pytest.param(
        [GOOD, BAD],
        1.0,
        Rules(interval_seconds=1.0),
        "status 503, expected 200: migrating; only 1 of 2 answers were good in the 1 s that it was watched, "
        "and the last 3 must be",
        id="a row that was cut off ended badly",
    ),
]


@pytest.mark.parametrize(("answers", "seconds", "rules", "words"), CUT_OFF)
def test_a_watch_that_has_not_seen_enough_good_answers_in_a_row_at_its_end_has_failed(
    answers: list[Answer], seconds: float, rules: Rules, words: str
) -> None:
    health, _, _ = watch(answers, seconds, rules)
    assert (health.healthy, health.violation) == (False, words)


@pytest.mark.parametrize(
    ("answers", "attempts"),
    [
        pytest.param([GOOD], 3, id="few answers fit into the time"),
        pytest.param([BAD, GOOD], 4, id="the last answer in time was bad, by chance"),
    ],
)
def test_a_slow_machine_may_complete_a_row_that_the_end_of_the_watch_would_cut_off(answers: list[Answer], attempts: int) -> None:
    health, _, clock = watch(answers, 1.0, Rules(interval_seconds=1.0))
    assert (health.healthy, health.attempts) == (True, attempts)
    assert clock.now() < 1000 + 1 + 3 * (1 + 2)


def test_what_was_started_again_while_it_was_watched_has_failed_whatever_it_answers() -> None:
    health, _, _ = watch([GOOD], give_up=lambda endpoint: "api-1 ended and was started again by the engine")
    assert not health.healthy
    assert health.violation == "api-1 ended and was started again by the engine; last answer: good"


def test_a_condemned_endpoint_ends_the_watch_of_the_others_which_stay_well() -> None:
    clock = Clock(1000.0)
    script = Script(clock, {"bad": [BAD], "good": [GOOD]})
    results = Gate(Rules(), script, clock).watch([Endpoint(name, URL) for name in ("bad", "good")], 1e6)
    assert [health.healthy for health in results] == [False, True]


def test_a_watch_ends_as_soon_as_it_is_told_that_all_is_lost_and_says_nothing_bad_of_its_endpoints() -> None:
    clock = Clock(1000.0)
    script = Script(clock, {"one": [GOOD], "other": [GOOD]})
    told = iter([False, False, True])
    results = Gate(Rules(), script, clock).watch([Endpoint(name, URL) for name in ("one", "other")], 1e6, lambda: next(told))
    assert [health.healthy for health in results] == [True, True]
    assert results[0].attempts == 3


def test_a_watch_of_no_seconds_asks_nothing() -> None:
    health, script, _ = watch([BAD], 0)
    assert (health.healthy, health.attempts, script.asked) == (True, 0, {})


answers_of_any_kind = st.lists(
    st.builds(Answer, st.floats(0.001, 5), st.sampled_from([200, 200, 500]), error=st.sampled_from(["", "", "", "reset"])),
    min_size=1,
    max_size=30,
)


def streak(marks: Iterable[bool]) -> int:
    """The longest row of true marks."""
    longest = row = 0
    for mark in marks:
        row = row + 1 if mark else 0
        longest = max(longest, row)
    return longest


@given(answers_of_any_kind, st.integers(1, 4), st.floats(0, 2), st.floats(0.1, 3), st.floats(0.5, 30))
def test_a_watch_is_passed_only_with_enough_good_answers_in_a_row_at_its_end_and_is_never_much_longer(
    answers: list[Answer], successes: int, interval: float, timeout: float, seconds: float
) -> None:
    health, script, clock = watch(answers, seconds, Rules(successes, interval, timeout))
    asked = script.asked["api-1"]
    given_answers = [answers[min(number, len(answers) - 1)] for number in range(len(asked))]
    bad = [bool(a.error) or a.status != 200 or a.seconds >= timeout for a in given_answers]
    assert health.healthy == (not any(bad[-successes:]) and len(bad) >= successes and streak(bad) < successes)
    assert health.healthy or bad[-1]
    assert clock.now() <= 1000 + seconds + successes * (interval + timeout) + timeout + 1e-6


@given(answers_of_any_kind, st.integers(1, 4), st.floats(0, 2), st.floats(0.1, 3), st.floats(0.5, 30))
def test_healthy_means_enough_good_answers_in_a_row_and_the_deadline_always_holds(
    answers: list[Answer], successes: int, interval: float, timeout: float, deadline: float
) -> None:
    health, script, clock = wait(answers, Rules(successes, interval, timeout, deadline))
    asked = script.asked["api-1"]
    given_answers = [answers[min(number, len(answers) - 1)] for number in range(len(asked))]
    good = [not a.error and a.status == 200 and a.seconds < left for a, (_, left) in zip(given_answers, asked, strict=True)]
    assert health.healthy == (streak(good) >= successes)
    assert clock.now() <= 1000 + deadline + 1e-6
    assert all(left <= timeout for _, left in asked)
    assert (health.attempts, health.failures) == (len(good), good.count(False))
    assert health.healthy or clock.now() >= 1000 + deadline - 1e-6
