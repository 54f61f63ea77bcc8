"""What is wrong with whom a run tells and what it calls, and what a channel is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify.channels import Told, asked, message, told

OPTIONS = specifications.options("preflight")
CANARY = "url-canary"
CHAT = {"name": "chat", "kind": "slack", "url": f"https://hooks.example/{CANARY}"}
TEAM = {
    "name": "team",
    "kind": "email",
    "server": "smtp.example",
    "sender": "deploys@example.com",
    "recipients": ["team@example.com"],
}
EVENTS = "start, success, failure, rollback, lease_broken, cap_near"
START = "{event}, {environment}, {playbook}, {what}, {owner}"

# Of the first channel, what is changed; and what is said of it, below notifications.
CHANNELS = [
    pytest.param(
        [{**CHAT, "kind": "pigeon"}], ['[0].kind: "pigeon" is not one of webhook, slack, email'], id="an unknown channel"
    ),
    pytest.param([{**CHAT, "url": ""}], ["[0].url: required for slack"], id="a channel without its URL"),
    pytest.param(
        [{**CHAT, "url": f"ftp://{CANARY}"}], ["[0].url: is not an http or https URL, or holds a blank"], id="another URL"
    ),
    pytest.param(
        [{**CHAT, "name": "Chat room"}],
        ['[0].name: "Chat room" may hold only lower-case letters, digits, - and _'],
        id="a channel's name with a blank",
    ),
    pytest.param([CHAT, CHAT], ['[1].name: "chat" is already used by notifications.channels[0]'], id="two channels of one name"),
    pytest.param(
        [{**CHAT, "events": ["begin"]}], [f'[0].events: "begin" is no event; there is {EVENTS}'], id="an event that there is not"
    ),
    pytest.param(
        [{**CHAT, "events": []}],
        ["[0].events: names none, so nobody is ever told; leave it out for all, or take the channel out"],
        id="a channel without events",
    ),
    pytest.param([{**CHAT, "token": "x"}], ["[0].token: is nothing of slack; take it out"], id="an option of another channel"),
    pytest.param(
        [{**CHAT, "kind": "webhook", "token": "a b"}],
        ["[0].token: holds a blank or a character that no header may have"],
        id="a token with a blank",
    ),
    pytest.param(
        [{**CHAT, "templates": {"start": "{who} began"}}],
        [f"[0].templates.start: {{who}} is no word of it; there is {START}"],
        id="a word that there is not",
    ),
    pytest.param(
        [{**CHAT, "templates": {"start": "{owner.__class__}"}}],
        [f"[0].templates.start: {{owner.__class__}} is no word of it; there is {START}"],
        id="more than a word",
    ),
    pytest.param(
        [{**CHAT, "templates": {"start": "{owner"}}],
        [
            "[0].templates.start: cannot be read (expected '}' before end of string); a brace that is meant is written twice",
        ],
        id="a brace that is not closed",
    ),
    pytest.param(
        [{**CHAT, "templates": {"started": "x"}}],
        [f"[0].templates.started: is no event; there is {EVENTS}"],
        id="a sentence of no event",
    ),
    pytest.param(
        [{**CHAT, "templates": {"start": " "}}],
        ["[0].templates.start: must be a text with words such as {environment} in it"],
        id="an empty sentence",
    ),
    pytest.param([{**TEAM, "recipients": []}], ["[0].recipients: required for email"], id="mail to nobody"),
    pytest.param(
        [{**TEAM, "recipients": ["a@example.com\nBcc: b@example.com"]}],
        ['[0].recipients: "a@example.com\nBcc: b@example.com" is not an address such as team@example.com'],
        id="more than an address",
    ),
    pytest.param(
        [{**TEAM, "sender": "Deploys"}],
        ['[0].sender: "Deploys" is not an address such as deploys@example.com'],
        id="mail from nobody",
    ),
    pytest.param(
        [{**TEAM, "server": "smtp.example:25"}],
        ['[0].server: "smtp.example:25" is not the name of a host; its port stands in port'],
        id="a server with its port",
    ),
    pytest.param([{**TEAM, "port": 70000}], ["[0].port: 70000 is not a port"], id="a port of mail that is none"),
    pytest.param([{**TEAM, "tls": "yes"}], ['[0].tls: "yes" is not one of starttls, implicit, none'], id="an unknown TLS"),
    pytest.param([{**TEAM, "username": "deploys"}], ["[0].password: required with username"], id="a login without its password"),
    pytest.param(
        [{**TEAM, "tls": "none", "username": "deploys", "password": CANARY}],
        ["[0].tls: none would send the password in the open; write starttls or implicit"],
        id="a password in the open",
    ),
    pytest.param([], [": required; name at least one, or leave notifications out"], id="notifications without a channel"),
]
HOOKS = [
    pytest.param(
        {"before_deploy": {"command": ["./nosuch"]}},
        'before_deploy.command: "./nosuch" is no program on this machine that may be executed; name it as a shell here finds it',
        id="a hook that is not there",
    ),
    pytest.param(
        {"on_failure": {"command": []}},
        "on_failure.command: names no program; give it with its arguments, as [./tell, --now]",
        id="a hook without a program",
    ),
    pytest.param(
        {"after_deploy": {"command": ["true"], "timeout_seconds": 0}},
        "after_deploy.timeout_seconds: must be above 0",
        id="a hook without time",
    ),
]


@pytest.mark.parametrize(("channels", "problems"), CHANNELS)
def test_what_is_wrong_with_a_channel_is_said_with_its_path_and_without_its_secrets(
    channels: list[dict[str, Any]], problems: list[str]
) -> None:
    found = told({"channels": channels}, None, OPTIONS).problems
    assert list(found) == [f"notifications.channels{problem}" for problem in problems]
    assert CANARY not in str(found)


@pytest.mark.parametrize(("hooks", "problem"), HOOKS)
def test_what_is_wrong_with_a_hook_is_said_with_its_path(hooks: dict[str, Any], problem: str) -> None:
    assert list(told(None, hooks, OPTIONS).problems) == [f"hooks.{problem}"]


@pytest.mark.parametrize("seconds", [0, 61])
def test_a_run_waits_for_no_message_longer_than_a_minute(seconds: int) -> None:
    found = told({"timeout_seconds": seconds, "channels": [CHAT]}, None, OPTIONS).problems
    assert list(found) == ["notifications.timeout_seconds: must be above 0 and at most 60, because a run waits for it"]


def test_nothing_is_wrong_with_what_is_left_out() -> None:
    assert told(None, None, OPTIONS).problems == []
    found = told({"channels": [CHAT, TEAM]}, {"after_deploy": {"command": ["true"]}}, OPTIONS)
    assert (found.problems, found.timeout_seconds, found.hooks["after_deploy"]["timeout_seconds"]) == ([], 5, 60)


def test_what_has_the_wrong_shape_has_one_problem() -> None:
    found = told({"channels": [{**CHAT, "events": "start"}, {"name": "x"}]}, {"after_deploys": {}}, OPTIONS).problems
    assert [problem.partition(": ")[0] for problem in found] == [
        "notifications.channels[0].events",
        "notifications.channels[1].kind",
        "hooks.after_deploys",
    ]


def of(*channels: dict[str, Any], **more: Any) -> Told:
    found = told({"channels": list(channels), **more}, None, OPTIONS)
    assert found.problems == []
    return found


def test_a_channel_is_told_once_as_the_first_event_that_it_wants() -> None:
    wanted = {"both": ["failure", "rollback"], "bad": ["failure"], "good": ["success"]}
    found = of(*({**CHAT, "name": name, "events": wants} for name, wants in wanted.items()))
    told_of = [(one["name"], event) for one, event in asked(found, ("rollback", "failure"))]
    assert told_of == [("both", "rollback"), ("bad", "failure")]


WORDS = {"environment": "staging", "what": "deploy <1.1.0> & more", "owner": "anna", "event": "start"}


def test_slack_gets_a_text_in_which_nothing_is_taken_for_a_link() -> None:
    sent = message(of(CHAT).channels[0], of(CHAT), "start", WORDS)
    assert json.loads(sent["body"]) == {"text": "staging: deploy &lt;1.1.0&gt; &amp; more has begun, by anna"}


def test_a_webhook_gets_the_sentence_and_each_word() -> None:
    hook = {**CHAT, "kind": "webhook", "token": "secret"}
    sent = message(of(hook).channels[0], of(hook), "start", WORDS)
    assert json.loads(sent["body"]) == {"text": "staging: deploy <1.1.0> & more has begun, by anna", **WORDS}
    assert (sent["url"], sent["token"], sent["timeout_seconds"]) == (CHAT["url"], "secret", 5)


@pytest.mark.parametrize(("tls", "port"), [("", 587), ("starttls", 587), ("implicit", 465), ("none", 587)])
def test_a_mail_has_the_first_line_for_its_subject_and_the_port_of_its_tls(tls: str, port: int) -> None:
    found = of({**TEAM, "tls": tls}, templates={"start": "{environment} begins\n{owner}\n"})
    sent = message(found.channels[0], found, "start", WORDS)
    assert (sent["subject"], sent["text"], sent["port"]) == ("staging begins", "staging begins\nanna", port)
    assert sent["tls"] == (tls or "starttls")


def test_a_sentence_of_the_channel_wins_over_one_for_all() -> None:
    found = of({**CHAT, "templates": {"start": "mine"}}, {**CHAT, "name": "other"}, templates={"start": "ours"})
    said = [json.loads(message(one, found, "start", WORDS)["body"])["text"] for one in found.channels]
    assert said == ["mine", "ours"]
