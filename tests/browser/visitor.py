"""A person at a site: what they do, what they read, and what their browser notes while they do it.

What people do has a method here, in their words; a test tells what somebody wants. Selectors stand here alone, and are those by
which a screen reader finds its way: roles and names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Response, expect

from tests.browser.sites import Site
from tests.hangs import HANGS_AFTER_SECONDS

# Only so that a test ends some time.
PATIENCE_MILLISECONDS = HANGS_AFTER_SECONDS * 100
expect.set_options(timeout=PATIENCE_MILLISECONDS)
FAILED = "That did not work"
CLOSED = "Morpheus is closed for a short while"
# What a page says passes too quickly to be asked for.
_LISTEN = """
new MutationObserver(() => {
    for (const place of document.querySelectorAll("[role=status]")) if (place.textContent) said(place.textContent);
}).observe(document, {subtree: true, childList: true, characterData: true});
"""


@dataclass(frozen=True)
class Story:
    title: str
    sentences: Sequence[str]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


LAMP = Story(
    "The lamp",
    ("Ida rowed out to light the lamp.", "It was burning already.", "Under it sat a fox.", "The fox turned the page."),
)
CLOCK = Story("The clock", ("Tomas was late by a minute.", "The minute lay under the workbench, ticking."))


@dataclass
class Visitor:
    context: BrowserContext
    site: Site
    page: Page = field(init=False)
    # What the page told in words, without repetitions.
    said: list[str] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    # Scripts that failed, what the page's own policy forbade, and other errors of the console.
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(PATIENCE_MILLISECONDS)
        self.context.expose_binding("said", lambda _, words: self._hears(words))
        self.context.add_init_script(_LISTEN)
        self.page = self.context.new_page()
        self.page.on("response", lambda answer: self.answers.append(answer))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def _hears(self, words: str) -> None:
        if words not in self.said[-2:]:
            self.said.append(words)

    def comes(self, address: str = "") -> Visitor:
        self.page.goto(address or self.site.url)
        return self

    def reloads(self) -> None:
        self.page.reload()

    def goes_back(self) -> None:
        self.page.go_back()

    def writes(self, story: Story) -> None:
        self.page.get_by_label("Title").fill(story.title)
        self.page.get_by_label("Story").fill(story.text)

    def asks_for_the_comic(self) -> None:
        self.page.get_by_role("button", name="Draw the comic").click()

    def tells(self, story: Story) -> None:
        """And sees it become a comic."""
        self.writes(story)
        self.asks_for_the_comic()
        self.sees_the_comic_of(story)

    def sees_the_comic_of(self, story: Story) -> None:
        """A panel with a picture for each sentence, for which a story of this length has room."""
        panels = self.page.get_by_role("region", name="Comic").get_by_role("figure")
        # Its captions may be loud: a feature of some users.
        expect(panels).to_have_text(list(story.sentences), ignore_case=True)
        for picture in panels.get_by_role("img").all():
            picture.scroll_into_view_if_needed()
            self.page.wait_for_function("picture => picture.complete && picture.naturalWidth > 0", arg=picture.element_handle())
        assert panels.get_by_role("img").count() == len(story.sentences)

    def registers(self, email: str, password: str) -> None:
        self._shows_who_they_are("Register", email, password)

    def signs_in(self, email: str, password: str) -> None:
        self._shows_who_they_are("Sign in", email, password)

    def _shows_who_they_are(self, way: str, email: str, password: str) -> None:
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name=way).click()

    def signs_out(self) -> None:
        self.page.get_by_role("button", name="Sign out").click()
        self.is_told("You are signed out.")

    def uploads(self, name: str, kind: str, content: bytes) -> None:
        self.page.get_by_label("Picture").set_input_files({"name": name, "mimeType": kind, "buffer": content})
        self.page.get_by_role("button", name="Keep the picture").click()

    def sees_the_picture_of(self, story: Story, width: int) -> None:
        """As wide as the one that was uploaded, and not merely the place for one."""
        picture = self.page.get_by_role("img", name=f"Your picture of “{story.title}”")
        expect(picture).to_be_visible()
        self.page.wait_for_function("picture => picture.complete && picture.naturalWidth > 0", arg=picture.element_handle())
        assert picture.evaluate("picture => picture.naturalWidth") == width

    def sees_no_picture(self) -> None:
        expect(self.page.get_by_role("img", name="Your picture")).to_have_count(0)

    def types(self, story: Story) -> None:
        """All by the keyboard, from the title on."""
        for words in (story.title, story.text):
            self.page.keyboard.press("ControlOrMeta+A")
            self.page.keyboard.insert_text(words)
            self.page.keyboard.press("Tab")
        self.page.keyboard.press("Enter")

    def wears(self, theme: str) -> None:
        """The features of a user decide which; here it is one that the test wants."""
        self.page.evaluate("night => document.body.classList.toggle('night', night)", theme == "night")

    def reads(self, words: str) -> None:
        expect(self.page.get_by_text(words)).to_be_visible()

    def reads_the_story(self, story: Story) -> None:
        expect(self.page.get_by_label("Title")).to_have_value(story.title)
        expect(self.page.get_by_label("Story")).to_have_value(story.text)

    def is_told(self, words: str) -> None:
        expect(self.page.get_by_role("status").filter(has_text=words)).to_be_visible()

    def fetches(self, path: str) -> tuple[int, Any]:
        """Status and JSON of an answer, by their browser: whatever leads it to the site, and who they are, holds here as well."""
        script = "async path => { const answer = await fetch(path); return [answer.status, await answer.json()]; }"
        status, answer = self.page.evaluate(script, path)
        return int(status), answer

    @property
    def address(self) -> str:
        return str(self.page.url)

    @property
    def release(self) -> str:
        """As the page names it at its end."""
        return str(self.page.get_by_role("contentinfo").inner_text()).removeprefix("Morpheus ").strip()

    @property
    def mark(self) -> str:
        """By which people know that it is not production; empty there."""
        found = self.page.get_by_role("complementary", name="Environment")
        return str(found.inner_text()) if found.count() else ""

    def saw_no_error(self) -> None:
        """Neither words of the page, nor a page that is none, nor anything in the console."""
        pages = [answer.status for answer in self.answers if answer.request.is_navigation_request() and answer.status >= 400]
        assert ([words for words in self.said if FAILED in words], pages, self.errors) == ([], [], [])

    def hosts(self) -> set[str]:
        """From which anything was fetched."""
        return {str(urlsplit(answer.url).hostname) for answer in self.answers if not answer.url.startswith("data:")}

    def finds_it_accessible(self) -> None:
        """By the rules of axe-core, those of good practice among them, each with the elements that break it."""
        found = Axe().run(self.page).response
        broken = {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in found["violations"]}
        assert broken == {}
        assert found["passes"]
