"""A page as Chromium paints it, where there is a Chromium: a screenshot to be looked at, and whether it is black."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from cami_cli import browser
from cami_cli.errors import Trouble
from cami_cli.places import make_folder, runtime_folder
from cami_cli.runtime.host_tools import tool_environment

_SIZE = (1440, 900)
#: Where the viewer shows the image: the middle of the window.
_MIDDLE = (360, 200, 1080, 800)
_LIT = 0.03


def painted(url: str, file: Path) -> str:
    """Open `url` in headless Chromium, keep a screenshot in `file`, and say what was seen.

    Raises
    ------
    Trouble
        The image area stays black.
    """
    program = _chromium()
    if program is None:
        return "not painted here: there is no Chromium (make test-browser makes one)"
    make_folder(file.parent)
    file.unlink(missing_ok=True)
    command = [
        str(program), *browser.ARGUMENTS, "--hide-scrollbars", f"--window-size={_SIZE[0]},{_SIZE[1]}",
        "--virtual-time-budget=40000", f"--screenshot={file}", url,
    ]  # fmt: skip
    try:
        subprocess.run(command, env=tool_environment(), capture_output=True, check=False, timeout=120)
    except subprocess.TimeoutExpired as error:
        raise Trouble("Chromium does not paint the viewer within 2 minutes", "is this machine very busy?") from error
    if not file.is_file():
        raise Trouble("Chromium made no screenshot", "try: make test-browser")
    grey = np.asarray(Image.open(file).convert("L").crop(_MIDDLE))
    lit = float((grey > 40).mean())
    if lit < _LIT:
        raise Trouble(f"the viewer stays black: {lit:.1%} of its middle is lit", f"look at {file}")
    return f"painted in Chromium, {file}"


def _chromium() -> Path | None:
    """Return a Chromium that is there already; making one takes minutes that a demonstration has not."""
    host = shutil.which("chromium")
    made = runtime_folder() / f"chromium-{browser.SUITE}-{browser.LAYOUT}" / "chromium"
    return Path(host) if host else made if made.is_file() else None
