"""A page as Chromium paints it, where the tests' Chromium is: a screenshot to be looked at, and whether it is black."""

import io
import shutil
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from cami_cli import browser
from cami_cli.errors import Trouble
from cami_cli.places import make_folder, runtime_folder
from cami_cli.runtime.host_tools import tool_environment

_SIZE = {"width": 1440, "height": 900}
#: Where the viewer shows the image: the middle of the window.
_MIDDLE = (360, 200, 1080, 800)
#: Share of it that is lit when there is an image: letters over black are less.
_LIT = 0.05
#: Seconds that the viewer has to load and paint.
_PATIENCE = 90.0


def painted(url: str, file: Path) -> str:
    """Open `url` in headless Chromium, keep a screenshot in `file`, and say what was seen.

    Raises
    ------
    Trouble
        The image area stays black.
    """
    program = _chromium()
    if program is None or find_spec("playwright") is None:
        return "not painted here: there is no Chromium of the tests (make test-browser makes it)"
    with import_module("playwright.sync_api").sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program, args=list(browser.ARGUMENTS), env=tool_environment()
        )
        try:
            page = chromium.new_page(viewport=_SIZE, locale="ru-RU")
            page.goto(url, timeout=_PATIENCE * 1000)
            shot, lit = b"", 0.0
            end = time.monotonic() + _PATIENCE
            while lit < _LIT and time.monotonic() < end:
                page.wait_for_timeout(1000)
                shot = page.screenshot()
                grey = np.asarray(Image.open(io.BytesIO(shot)).convert("L").crop(_MIDDLE))
                lit = float((grey > 60).mean())
        finally:
            chromium.close()
    make_folder(file.parent)
    file.write_bytes(shot)
    if lit < _LIT:
        raise Trouble(f"the viewer stays black: {lit:.1%} of its middle is lit", f"look at {file}")
    return f"painted in Chromium, {file}"


def _chromium() -> Path | None:
    """Return a Chromium that is there already; making one takes minutes that a demonstration has not."""
    host = shutil.which("chromium")
    made = runtime_folder() / f"chromium-{browser.SUITE}-{browser.LAYOUT}" / "chromium"
    return Path(host) if host else made if made.is_file() else None
