"""Secrets in what programs print: none is left, in whatever encoding, and what holds none stays as it is."""

from __future__ import annotations

import base64
import html
import json
import shlex
import textwrap
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.words.masking import STARS, Masker, Strength, strength
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.unit import characters

# What parsers and encoders stumble over is more frequent than by chance.
CHARACTERS = st.sampled_from("'\"$\\`#={}() \t\n!%&*?~|;<>@:,/+-_aZ0é漢😀")
VALUES = st.text(CHARACTERS | characters.CHARACTERS.filter(lambda one: one != "*"), min_size=8, max_size=80).filter(
    lambda value: strength(value) is Strength.ANYWHERE and strength(value.strip()) is Strength.ANYWHERE
)
TEXTS = characters.text(max_size=60)

Encoding = Callable[[str], str]


def in_base64(value: str, before: bytes = b"", after: bytes = b"") -> str:
    return base64.b64encode(before + value.encode() + after).decode()


ENCODINGS: dict[str, Encoding] = {
    "plain": str,
    "in a URL": quote,
    "in a URL, all of it": lambda value: quote(value, safe=""),
    "in a form": quote_plus,
    "in a URL in a URL": lambda value: quote(quote(value, safe=""), safe=""),
    "in a URL, in small letters": lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    "in JSON": json.dumps,
    "in JSON, as UTF-8": lambda value: json.dumps(value, ensure_ascii=False),
    "in JSON in JSON": lambda value: json.dumps({"message": json.dumps({"error": value})}),
    "in JSON in JSON in JSON": lambda value: json.dumps(json.dumps(json.dumps(value))),
    "as Python shows it": repr,
    "as Python shows bytes": lambda value: repr(value.encode()),
    "quoted for a shell": shlex.quote,
    "in HTML": html.escape,
    "in HTML, as numbers": lambda value: "".join(f"&#{ord(character)};" for character in value),
    "in HTML, as hexadecimal numbers": lambda value: "".join(f"&#x{ord(character):X};" for character in value),
    "in an env file": lambda value: dotenv.render({"NAME": value}),
    "in YAML": lambda value: "'" + value.replace("'", "''") + "'",
    "hexadecimal": lambda value: value.encode().hex(),
    "hexadecimal, in capitals": lambda value: value.encode().hex().upper(),
    "hexadecimal, with colons": lambda value: value.encode().hex(":"),
    "hexadecimal, with blanks": lambda value: value.encode().hex(" "),
    "base64": in_base64,
    "base64, one later": lambda value: in_base64(value, b"a", b"b"),
    "base64, two later": lambda value: in_base64(value, b"ab", b"bc"),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "base64 for URLs, one later": lambda value: base64.urlsafe_b64encode(b"a" + value.encode() + b"bc").decode(),
    "base64, broken into lines": lambda value: base64.encodebytes(value.encode()).decode(),
    "base64, in JSON": lambda value: json.dumps(in_base64(value)).replace("/", "\\/"),
    "base64, in a URL": lambda value: quote(in_base64(value), safe=""),
    "JSON, in base64": lambda value: in_base64(json.dumps({"password": value})),
    "URL, in base64": lambda value: in_base64(f"x=1&password={quote_plus(value)}&y=2"),
}


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=list(ENCODINGS))
@given(value=VALUES, before=TEXTS, after=TEXTS)
@example(value="https://u:p%40ssword@h/", before="", after="")
@example(value=" leading and trailing ", before="x", after="y")
def test_no_encoding_of_a_value_is_left(encoding: Encoding, value: str, before: str, after: str) -> None:
    written = encoding(value)
    # A bare one is told from what it was written of by its quotes.
    inner = written[1:-1] if written[:1] == written[-1:] and written[:1] in "\"'" else written
    assume(inner not in before and inner not in after)
    masked = Masker([("", value)]).mask(f"{before}\n{written}\n{after}")
    assert inner not in masked
    assert STARS in masked


@given(value=VALUES, text=TEXTS)
def test_text_without_secrets_is_not_changed(value: str, text: str) -> None:
    masker = Masker([("NAME", value)])
    assume(not masker.finds(text) and "://" not in text)
    assert masker.mask(text) == text


@given(text=characters.text(max_size=200))
def test_nobody_who_knows_nothing_changes_anything_but_passwords_of_urls(text: str) -> None:
    assume("://" not in text)
    assert Masker().mask(text) == text


@given(values=st.lists(VALUES, min_size=1, max_size=4), text=st.lists(TEXTS, min_size=5, max_size=5))
def test_several_secrets_are_left_in_no_order(values: list[str], text: list[str]) -> None:
    between = "\n".join(text)
    assume(not any(value in between for value in values))
    masked = Masker([(f"V{number}", value) for number, value in enumerate(values)]).mask("".join([*values, between, *values]))
    assert not any(value in masked for value in values)


def mask(text: str, *values: str, name: str = "NAME", open_words: tuple[str, ...] = ()) -> str:
    return Masker([(name, value) for value in values], open_words).mask(text)


URL = "postgresql://morpheus_a:p%40ss-W0rd@db.abc.supabase.co:5432/postgres?sslmode=require"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"cannot connect to {URL}", "cannot connect to ***"),
        ("password p@ss-W0rd for user morpheus_a", "password *** for user morpheus_a"),
        ("password p%40ss-W0rd", "password ***"),
        ("morpheus_a:p%40ss-W0rd", "***"),
        ("postgresql://morpheus_a:p%40ss-W0rd@other/db", "postgresql://***@other/db"),
        ('host "db.abc.supabase.co" port 5432 is not reachable', 'host "db.abc.supabase.co" port 5432 is not reachable'),
        (f"Basic {in_base64('morpheus_a:p@ss-W0rd')}", "Basic ***"),
    ],
)
def test_of_a_connection_url_the_password_alone_is_masked_too(text: str, masked: str) -> None:
    assert mask(text, URL) == masked


@pytest.mark.parametrize("value", ["1", "true", "morpheus", "postgres", "pw12345", "", "Staging", "DEVELOPMENT"])
def test_what_repeats_by_chance_does_not_turn_the_output_into_stars(value: str) -> None:
    text = f"service {value}: 1 of 1 replicas of morpheus is up, true, postgres, staging, development pw12345"
    assert mask(text, value, open_words=("morpheus",)) == text


def test_it_is_masked_behind_the_name_of_its_variable_all_the_same() -> None:
    text = 'API_PIN=1234 API_PIN: \'1234\' "api_pin": "1234" API_PIN=12345 OTHER_API_PIN=1234 port 1234'
    assert mask(text, "1234", name="API_PIN") == (
        'API_PIN=*** API_PIN: \'***\' "api_pin": "***" API_PIN=12345 OTHER_API_PIN=1234 port 1234'
    )
    assert mask("password=hunter2, DB_PASSWORD: hunter2, hunter2", "redis://:hunter2@cache") == (
        "password=***, DB_PASSWORD: ***, hunter2"
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"API_PIN":"%s"}',
        '{\\"API_PIN\\":\\"%s\\"}',
        '{\\\\\\"API_PIN\\\\\\": \\\\\\"%s\\\\\\"}',
        '{"name": "API_PIN", "value": "%s"}',
        '{"Name":"API_PIN","Value":"%s"}',
        '{\\"name\\":\\"API_PIN\\",\\"value\\":\\"%s\\"}',
        "('API_PIN', '%s')",
        '"API_PIN","%s"',
    ],
)
def test_it_is_masked_however_a_program_lists_its_variables(text: str) -> None:
    assert mask(text % "1234", "1234", name="API_PIN") == text % STARS
    assert mask(text % "12345", "1234", name="API_PIN") == text % "12345"


WRAPPED = "correct-horse-battery-staple-" * 4


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(textwrap.wrap(WRAPPED, 40, break_on_hyphens=False)),
        "\n".join(textwrap.wrap(in_base64(WRAPPED), 76)),
        f"a\n\n{WRAPPED} b {WRAPPED}\n{WRAPPED[:50]}\n  {WRAPPED[50:]} c {WRAPPED[:30]}\n{WRAPPED[30:]}\nd",
    ],
    ids=["wrapped", "base64", "several"],
)
def test_a_value_that_is_broken_over_lines_is_masked_in_each(text: str) -> None:
    lines = Masker([("", WRAPPED)]).mask_lines(text.split("\n"))
    assert len(lines) == len(text.split("\n"))
    assert not any("horse" in line or in_base64(WRAPPED)[20:30] in line or "battery" in line for line in lines)
    if text.startswith("a"):
        assert lines == ["a", "", "*** b ***", "***", "*** c ***", "***", "d"]
    else:
        assert set(lines) == {STARS}


@given(lines=st.lists(characters.text(max_size=20).map(lambda text: text.replace("\n", "")), max_size=6), value=VALUES)
def test_lines_without_secrets_are_not_changed(lines: list[str], value: str) -> None:
    masker = Masker([("NAME", value)])
    assume(not masker.finds("\n".join(lines)) and not any("://" in line for line in lines))
    assert masker.mask_lines(lines) == lines


@pytest.mark.parametrize(
    "sign",
    [
        *(
            "\x1b[m\x1b[K",
            "\x1b[01;31m\x1b[K",
            "\x1b[2C",
            "\x1b[?25l",
            "\x1b]0;title\x07",
            "\x1b]8;;http://x\x1b\\",
            "\x1b(B",
            "\x1b7",
        ),
        *("\0", "x\b", "\a", "\x7f", "\xad", "\u200b", "\u200e", "\u202e", "\u2060", "\ufeff"),
    ],
    ids=repr,
)
def test_what_nobody_sees_hides_no_value_that_it_stands_in(sign: str) -> None:
    assert mask(f"a {sign}corr{sign}ect-hor{sign}se{sign} b", "correct-horse") in (f"a {sign}{STARS}{sign} b", f"a {STARS} b")


def test_a_word_is_masked_where_it_is_no_part_of_another_one() -> None:
    assert mask("sunshine, sunshines, my_sunshine (sunshine)", "sunshine") == "***, sunshines, my_sunshine (***)"
    assert mask("20261126 120261126", "20261126") == "*** 120261126"
    # Its first characters are those of what stands before it, and no bit of the value.
    assert mask(in_base64("a:sunshine"), "sunshine") == f"YT{STARS}"


def test_the_password_of_any_url_is_masked() -> None:
    assert mask("at https://anna:hunter2@host/path and redis://:x@cache, http://host:80/a@b") == (
        "at https://anna:***@host/path and redis://:***@cache, http://host:80/a@b"
    )


PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"


def test_each_line_of_a_value_is_masked() -> None:
    text = "key:\n  -----BEGIN PRIVATE KEY-----\n  MIIEvQIBADANBgkq\nother\n  hkiG9w0BAQEFAASC!"
    assert mask(text, PEM) == "key:\n  -----BEGIN PRIVATE KEY-----\n  ***\nother\n  ***!"
    assert mask(in_base64(f"x{PEM}"), PEM) == f"e{STARS}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("host=db user=a password='it\\'s secret' sslmode=require", "it's secret"),
        ("Server=db;Uid=a;Pwd=s3cret-word;", "s3cret-word"),
        ("https://hooks.example/x?id=1&api_key=k3y%2Bk3y%2Bk3y", "k3y+k3y+k3y"),
        ("https://t0ken-t0ken@sentry.example/1", "t0ken-t0ken"),
        (json.dumps({"type": "service_account", "private_key": PEM, "n": [{"client_secret": "s3cret-word"}]}), "s3cret-word"),
        (json.dumps({"private_key": PEM}), "hkiG9w0BAQEFAASC"),
    ],
)
def test_what_a_value_is_made_of_is_masked_by_itself(value: str, text: str) -> None:
    assert mask(f"<{text}>", value) == f"<{STARS}>"


def test_a_value_that_text_ends_in_the_middle_of_is_masked_as_far_as_it_goes() -> None:
    value = "".join(f"{number:04x}" for number in range(1000))
    assert mask(f"<{value[:1500]}", value) == f"<{STARS}"
    assert mask(f"<{value[:1500]}> {value}", value) == f"<{STARS}> {STARS}"


def test_a_wrapped_value_is_masked_across_its_lines() -> None:
    value = "correct-horse-battery-staple-" * 4
    assert "horse" not in mask("\n    ".join(textwrap.wrap(value, 50, break_on_hyphens=False)), value)


@pytest.mark.parametrize(
    "text",
    ["a" * 100_000, "a" * 100_000 + "b", "\\" * 100_000, "%41" * 50_000, "&#97;" * 30_000, "''" * 80_000, "x://a:" * 40_000],
    ids=["the value again and again", "nearly", "backslashes", "URL", "HTML", "quotes", "schemes"],
)
def test_the_time_grows_with_the_text_and_not_faster(text: str) -> None:
    masker = Masker([("A", "a" * 25_000), ("B", "a" * 600 + "c"), ("C", "ab" * 30)])

    def spent(part: str) -> float:
        begun = time.process_time()
        masker.mask(part)
        return time.process_time() - begun

    small = min(spent(text[: len(text) // 8]) for _ in range(3))
    assert spent(text) < 8 * 6 * max(small, 0.02)


def test_many_secrets_cost_no_more_than_one() -> None:
    text = "GET /api/v1/things?id=1 200 0.004 s\n" * 5_000

    def spent(masker: Masker) -> float:
        begun = time.process_time()
        assert masker.mask(text) == text
        return time.process_time() - begun

    one = Masker([("A", "s3cret-of-something")])
    many = Masker([(f"S{number}", f"s3cret-{number}-of-something") for number in range(500)])
    assert min(spent(many) for _ in range(3)) < 4 * max(spent(one), 0.05)
