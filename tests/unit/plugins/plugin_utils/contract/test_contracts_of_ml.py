"""Contracts of ML endpoints: what is wrong with their files, what they ask, and what breaks them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.filter.contracts_judged import contracts_judged
from ansible_collections.morpheus.deploy.plugins.filter.contracts_unseen import contracts_unseen
from ansible_collections.morpheus.deploy.plugins.filter.ml_contracts import ml_contracts

ENDPOINTS = [{"name": "comic", "id": "abc", "model": "comic-xl", "version": "1.4.0"}, {"name": "sketch", "id": "def"}]
SCHEMA = {"type": "object", "required": ["panels"], "properties": {"panels": {"type": "array", "items": {"type": "string"}}}}
GOOD: dict[str, Any] = {"endpoint": "comic", "request": {"input": {"prompt": "x"}}, "answer": SCHEMA, "bounds": {"seconds": 5}}


def write(source: Path, name: str = "comic.yml", **changes: Any) -> str:
    (source / "ml-contract").mkdir(exist_ok=True)
    found = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    (source / "ml-contract" / name).write_text(yaml.safe_dump(found))
    return str(source)


def job(output: Any, **more: Any) -> dict[str, Any]:
    content = json.dumps({"id": "x", "status": "COMPLETED", "output": output})
    pin = ml_pin()
    about = {"name": "comic.yml", "target": "production", "status": 200, "seconds": 1.0, "bytes": len(content)}
    return {**about, "content": content, "provider": "runpod", "model": "comic-xl@1.4.0", "pin": pin, **more}


def ml_pin() -> str:
    return str(ml_contracts("/nowhere", ENDPOINTS, ["comic"])["pins"]["comic"]["called"]).partition("@")[2]


def test_what_is_asked_and_kept_is_of_the_pin(tmp_path: Path) -> None:
    found = ml_contracts(write(tmp_path), ENDPOINTS, ["comic"])
    assert found["problems"] == []
    [ask], [keep] = found["ask"], found["keep"]
    assert ask == {
        "name": "comic.yml",
        "endpoint": f"comic@{ml_pin()}",
        "request": GOOD["request"],
        "seconds": 5.0,
        "bytes": 5_000_000,
    }
    assert (keep["endpoint"], keep["pin"], len(keep["contract"])) == ("comic", ml_pin(), 16)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"endpoint": None}, "endpoint: required; the name in ml.endpoints"),
        ({"request": {"prompt": "x"}}, "request.input: required; a mapping"),
        ({"request": None}, "request: required; the body of a /runsync, with input"),
        ({"answer": [1]}, "answer: must be a mapping, not a list"),
        ({"answer": {"type": "text"}}, "answer: is no JSON schema: 'text' is not valid under any of the given schemas"),
        ({"bounds": {"seconds": 0}}, "bounds.seconds: must be above 0"),
        ({"bounds": {"second": 1}}, 'bounds.second: unknown key; did you mean "seconds"?'),
        ({"awnser": {}}, 'awnser: unknown key; did you mean "answer"?'),
    ],
)
def test_a_file_that_is_no_contract_is_told_with_its_name(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    assert f"ml-contract/comic.yml: {problem}" in ml_contracts(write(tmp_path, **changes), ENDPOINTS, ["comic"])["problems"]


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    source = write(tmp_path)
    (tmp_path / "ml-contract" / "broken.yml").write_text("a: [")
    (tmp_path / "ml-contract" / "text.yml").write_text("text")
    assert ml_contracts(source, ENDPOINTS, ["comic", "sketch", "strip"])["problems"] == [
        'stack.ml_endpoints[2]: there is no endpoint "strip" in ml.endpoints; there is comic, sketch',
        "ml-contract/broken.yml: cannot be read as YAML (ParserError)",
        "ml-contract/text.yml: must be a mapping, not a string",
        "ml-contract: there is no contract of the endpoint sketch; write one",
    ]
    assert ml_contracts(source, ENDPOINTS, [])["problems"][-1].startswith("stack.ml_endpoints: is empty")


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "a field is missing": (job({}), "output: 'panels' is a required property"),
    "a field has another type": (job({"panels": ["a", 1]}), "output.panels[1]: 1 is not of type 'string'"),
    "no output": (job(None), "output: None is not of type 'object'"),
    "a failed job": (job({}, content='{"status": "FAILED", "error": "no card"}'), "ended as FAILED: no card"),
    "still at work": (job({}, content='{"status": "IN_PROGRESS"}'), "ended as IN_PROGRESS"),
    "no job": (job({}, content="<html>"), "answered with what is no job"),
    "a list": (job({}, content="[]"), "answered with what is no job"),
    "refused": (job({}, status=402, content='{"error": "the cap"}'), 'answered HTTP 402: {"error": "the cap"}'),
    "nobody there": ({"name": "comic.yml", "target": "production", "problem": "ReadTimeout"}, "gave no answer (ReadTimeout)"),
    "no mock there": (
        {"name": "comic.yml", "target": "mock", "problem": "ConnectError"},
        "gave no answer (ConnectError); deploy the stack that it is a service of, then ask again",
    ),
    "too slow": (job({"panels": []}, seconds=5.1), "took 5.1 s, at most 5 s are agreed"),
    "too large": (job({"panels": []}, bytes=5_000_001), "answered 5000001 bytes, at most 5000000 are agreed"),
    "a mock in its place": (
        job({"panels": []}, pin="", model="mock"),
        "was answered by mock, and not by comic-xl 1.4.0",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_way_to_break_a_contract_is_told(tmp_path: Path, name: str) -> None:
    answer, said = BROKEN[name]
    source = write(tmp_path)
    [found] = contracts_judged([answer], source, ml_contracts(source, ENDPOINTS, ["comic"])["pins"])
    assert found["broken"] == [f"comic.yml: {answer['target']}: {said}"]


def test_what_keeps_it_is_well_and_the_mock_answers_for_itself(tmp_path: Path) -> None:
    source = write(tmp_path)
    answers = [job({"panels": ["a"]}), job({"panels": []}, target="mock", pin="", model="")]
    found = contracts_judged(answers, source, ml_contracts(source, ENDPOINTS, ["comic"])["pins"])
    assert [one["broken"] for one in found] == [[], []]


def test_a_contract_is_seen_for_one_pin_and_as_it_was(tmp_path: Path) -> None:
    source = write(tmp_path)
    found = ml_contracts(source, ENDPOINTS, ["comic"])
    assert contracts_unseen(found["keep"], source, found["pins"]) == []
    never = "comic is pinned to comic-xl 1.4.0 (abc), and its contract was never seen kept"
    assert contracts_unseen([], source, found["pins"]) == [never]
    newer = ml_contracts(source, [{**ENDPOINTS[0], "version": "1.5.0"}], ["comic"])
    assert contracts_unseen(found["keep"], source, newer["pins"]) == [never.replace("1.4.0", "1.5.0")]
    changes: list[dict[str, Any]] = [{"answer": {"type": "object"}}, {"bounds": {"seconds": 6}}, {"request": {"input": {}}}]
    for change in changes:
        write(tmp_path, **change)
        [said] = contracts_unseen(found["keep"], source, found["pins"])
        assert said.endswith("the contract has changed since it was seen kept")
    # Names of files and their order are nothing that is agreed.
    (tmp_path / "ml-contract" / "comic.yml").unlink()
    write(tmp_path, "other.yml")
    assert contracts_unseen(found["keep"], source, found["pins"]) == []
    (tmp_path / "ml-contract" / "other.yml").unlink()
    assert contracts_unseen(found["keep"], source, found["pins"]) == [
        "ml-contract: there is no contract of the endpoint comic; write one"
    ]


def test_without_jsonschema_nothing_is_taken_for_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    source = write(tmp_path)
    pins = ml_contracts(source, ENDPOINTS, ["comic"])["pins"]
    with pytest.raises(Exception, match="the controller has no jsonschema: python3 -m pip install jsonschema"):
        contracts_judged([job({"panels": []})], source, pins)
