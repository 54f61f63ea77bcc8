# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether answers keep a contract: the state of the job, its output's schema, its time and its size. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.contract.files import Contract, Contracts

# Of each answer.
_MOST = 5
_LONGEST = 160

Answer = Mapping[str, Any]


def _jsonschema() -> Any:
    """None where it is missing. Loaded when it is needed: Ansible loads every filter at the start of each run."""
    try:
        import jsonschema
    except ImportError:
        return None
    return jsonschema


def judged(contracts: Contracts, answers: Sequence[Answer], pins: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each answer, and in ``broken`` what is wrong with it, in sentences. ``pins``: what each endpoint was to answer as."""
    if _jsonschema() is None:
        raise DeployError("contracts are JSON schemas, and the controller has no jsonschema: python3 -m pip install jsonschema")
    by_file = {one.file: one for one in contracts.all}
    found = []
    for answer in answers:
        contract = by_file[answer["name"]]
        about = {"name": contract.file, "endpoint": contract.endpoint, "target": answer["target"]}
        told = {key: answer.get(key, "") for key in ("provider", "model", "seconds")}
        problems = [*_of_call(contract, answer), *_of_pin(answer, pins[contract.endpoint])] or [*_of_output(contract, answer)]
        found.append({**about, **told, "broken": [f"{contract.file}: {answer['target']}: {one}" for one in problems]})
    return found


def schema_problems(contracts: Contracts) -> list[str]:
    """Schemas that are none."""
    jsonschema = _jsonschema()
    if jsonschema is None:
        return []
    problems = []
    for one in contracts.all:
        try:
            jsonschema.Draft202012Validator.check_schema(one.answer)
        except jsonschema.SchemaError as exc:
            problems.append(f"ml-contract/{one.file}: answer: is no JSON schema: {_short(exc.message)}")
    return problems


def _of_call(contract: Contract, answer: Answer) -> Iterator[str]:
    if answer.get("problem"):
        # A mock may be a service of the stack whose contracts these are.
        more = "; deploy the stack that it is a service of, then ask again" if answer["target"] == "mock" else ""
        yield f"gave no answer ({answer['problem']}){more}"
    elif answer["status"] != 200:
        yield f"answered HTTP {answer['status']}: {_short(str(answer['content']))}"
    elif answer["bytes"] > contract.bytes:
        yield f"answered {answer['bytes']} bytes, at most {contract.bytes} are agreed"
    elif answer["seconds"] > contract.seconds:
        yield f"took {answer['seconds']:g} s, at most {contract.seconds:g} s are agreed"


def _of_pin(answer: Answer, pin: Mapping[str, Any]) -> Iterator[str]:
    """An answer of another model, or of a mock in the place of the provider, shows nothing of this one."""
    wanted = str(pin["called"]).partition("@")[2]
    if answer["target"] != "mock" and answer.get("status") == 200 and answer.get("pin") != wanted:
        yield f"was answered by {answer.get('model') or 'somebody else'}, and not by {pin['model']} {pin['version']}"


def _of_output(contract: Contract, answer: Answer) -> Iterator[str]:
    try:
        job = others_json.loads(answer["content"])
        status = job["status"]
    except (ValueError, KeyError, TypeError):
        yield "answered with what is no job"
        return
    if status != "COMPLETED":
        yield f"ended as {status}: {_short(str(job.get('error') or ''))}".rstrip(": ")
        return
    validator = _jsonschema().Draft202012Validator(contract.answer)
    errors = sorted(validator.iter_errors(job.get("output")), key=lambda one: one.json_path)
    for error in errors[:_MOST]:
        yield f"output{error.json_path[1:]}: {_short(error.message)}"
    if len(errors) > _MOST:
        yield f"and {len(errors) - _MOST} more"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
