"""A real region with real studies, and people who look at it through Chromium."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from cami_cli import browser as chromium
from cami_cli.phantoms import WrittenStudy, write_phantoms
from cami_cli.places import runtime_folder
from cami_cli.progress import Progress
from cami_cli.runtime.host_tools import tool_environment
from tests.live import ROOT, LiveRegion

SCREENSHOTS = ROOT / "build" / "screenshots"


def pytest_collection_modifyitems(items) -> None:
    """Give time to unpack a Chromium and start a region, which the first test pays for."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def studies(tmp_path_factory) -> tuple[Path, list[WrittenStudy]]:
    """Small studies of each modality and of each way to encode them, for both МО."""
    folder = tmp_path_factory.mktemp("phantoms")
    return folder, write_phantoms(folder, small=True)


@pytest.fixture(scope="session")
def region(tmp_path_factory, studies) -> Iterator[LiveRegion]:
    """A region in which every study has reached the centre."""
    folder, written = studies
    with LiveRegion(tmp_path_factory.mktemp("region")) as live:
        for mo in ("42001", "42002"):
            live.send(folder / mo, mo)
        for mo in ("42001", "42002"):
            live.settle(mo, sum(study.instances for study in written if study.mo == mo))
        yield live


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    program = chromium.prepare(runtime_folder(), Progress(sys.stderr))
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=list(chromium.ARGUMENTS), env=tool_environment()
        )
        yield started
        started.close()


@dataclass
class Visitor:
    """Somebody at a workplace of their own."""

    page: Page
    region: LiveRegion
    host: str
    problems: list[str] = field(default_factory=list)
    """What a careful developer would see in the tools of the browser: errors, refusals, foreign hosts, dialogs."""

    def sign_in(self, role: str = "radiologist", mo: str = "42001") -> None:
        """Fill in the form that is on the screen."""
        login, password = self.region.session(role, mo).auth
        self.page.fill("input[name=login]", login)
        self.page.fill("input[name=password]", password)
        self.page.click("main button[type=submit]")

    def open(self, path: str) -> None:
        self.page.goto(self.host + path)

    def screenshot(self, name: str, *, full: bool = False) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full)

    def watch(self) -> None:
        """Note what goes wrong from now on."""
        page = self.page
        page.on("console", lambda told: self.problems.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", self._dialog)
        page.on("request", lambda sent: self._foreign(sent.url))
        page.on("response", lambda got: self.problems.append(f"{got.status} {got.url}") if got.status >= 400 else None)

    def _dialog(self, dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _foreign(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != urlsplit(self.host).netloc:
            self.problems.append(f"foreign host: {url}")


@pytest.fixture
def visitor(chrome, region) -> Iterator[Callable[..., Visitor]]:
    """Return a function that seats somebody at a new browser, at the centre unless `host` says otherwise."""
    contexts: list[BrowserContext] = []

    def seat(host: str = "", **options) -> Visitor:
        context = chrome.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "ru-RU", **options})
        context.set_default_timeout(30_000)
        contexts.append(context)
        found = Visitor(context.new_page(), region, host or region.central)
        found.watch()
        return found

    yield seat
    for context in contexts:
        context.close()


#: Reads the picture itself, not what lies over it: share of lit pixels, standard deviation, of every viewport.
_PAINTED = """() => [...document.querySelectorAll('[data-cy=viewport-pane] canvas.cornerstone-canvas')].map(canvas => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let count = 0, sum = 0, squares = 0, lit = 0;
  for (let at = 0; at < data.length; at += 4) {
    const grey = (data[at] + data[at + 1] + data[at + 2]) / 3;
    count += 1; sum += grey; squares += grey * grey; lit += grey > 25 ? 1 : 0;
  }
  const mean = sum / count;
  return [lit / count, Math.sqrt(Math.max(0, squares / count - mean * mean))];
})"""


def wait_painted(page: Page, viewports: int = 1) -> None:
    """Wait until so many viewports show an image: more than 8 % of the pixels lit, and not all alike."""
    seen: list[tuple[float, float]] = []
    for _ in range(120):
        seen = [tuple(pair) for pair in page.evaluate(_PAINTED)]
        if sum(lit > 0.08 and deviation > 15 for lit, deviation in seen) >= viewports:
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"not painted within 30 s; lit share and deviation of each viewport: {seen}")
