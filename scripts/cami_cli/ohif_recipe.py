"""The recipe that turns the prebuilt OHIF of npm into ours: what is changed in its text, and what is left out.

Each change names what it looks for and how often that must be there. OHIF is built by others: where a new version has
moved what we look for, the preparation stops and says so, instead of making a viewer that is quietly broken.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cami_cli.errors import Trouble

VERSION = "3.13.2"

#: Not taken over: slide microscopy, the model runtime of SAM (136 MB), customization files loaded by address, sign-in
#: with Google or OIDC, the service worker (it would cache patients' images and loads code from a foreign host), and
#: what phones need to put a page on the home screen.
DROPPED_FOLDERS = ("ort/", "dicom-microscopy-viewer/", "customizations/")
DROPPED_FILES = frozenset(
    {
        "_headers",
        "_redirects",
        "app-config.js",
        "es6-shim.min.js",
        "google.js",
        "index.html",
        "init-service-worker.js",
        "manifest.json",
        "oidc-client.min.js",
        "polyfill.min.js",
        "serve.json",
        "silent-refresh.html",
        "sw.js",
    }
)
KEPT_ASSETS = ("assets/images/", "assets/favicon")


@dataclass(frozen=True, slots=True)
class Patch:
    """One textual change."""

    why: str
    files: str
    """Glob on the name of the file."""
    old: str
    new: str
    """``{base}`` stands for the address of the assets, with both slashes."""
    count: int
    """How often `old` must be found in all files together."""


#: Each entry point of the build (the page's script, and that of each worker) says where it loads the rest from.
_ENTRY = "__webpack_require__.p = "

#: OHIF's build expects to stand at the root of its host.
RELOCATION = (
    Patch("chunks, workers and wasm load from here", "*.js", '__webpack_require__.p = "/"',
          '__webpack_require__.p = "{base}"', 8),
    Patch("the font", "*.css", "url(/", "url({base}", 5),
)  # fmt: skip

#: i18next takes the Russian texts of OHIF together with ours; the language comes from the portal's cookie.
RUSSIAN = (
    Patch("our Russian texts", "app.bundle.*.js", "/* export default */ const ru = ({\n  ru: {",
          "/* export default */ const ru = window.camiRussian({\n  ru: {", 1),
    Patch("the browser's own language decides nothing", "app.bundle.*.js",
          "order: ['querystring', 'cookie', 'localStorage', 'navigator', 'htmlTag', 'path', 'subdomain']",
          "order: ['cookie']", 1),
)  # fmt: skip


def literal_patches(dictionary: Mapping[str, Any]) -> list[Patch]:
    """Return the changes that make texts translatable which OHIF has in its code, not in its catalogues."""
    return [
        Patch(f'the text "{entry["text"]}"', entry.get("files", "app.bundle.*.js"), entry["old"], entry["new"],
              entry.get("count", 1))
        for entry in dictionary["literals"]
    ]  # fmt: skip


def read_dictionary() -> dict[str, Any]:
    """Read our Russian texts for OHIF."""
    dictionary: dict[str, Any] = json.loads(Path(__file__).with_name("ohif_ru.json").read_text("utf-8"))
    return dictionary


def kept(name: str) -> bool:
    """Return whether a file of OHIF's build is taken over."""
    if name in DROPPED_FILES or name.startswith(DROPPED_FOLDERS):
        return False
    return not name.startswith("assets/") or name.startswith(KEPT_ASSETS)


def apply(patches: Sequence[Patch], folder: Path, base: str) -> None:
    """Change the files in `folder`.

    Raises
    ------
    Trouble
        A text was not found as often as the recipe expects.
    """
    for patch in patches:
        found = 0
        for file in sorted(folder.rglob(patch.files)):
            text = file.read_text("utf-8")
            hits = text.count(patch.old)
            if hits:
                file.write_text(text.replace(patch.old, patch.new.replace("{base}", base)), "utf-8")
            found += hits
        if found != patch.count:
            raise Trouble(
                f"OHIF {VERSION} is not as expected: {patch.why}: found {found} times instead of {patch.count}",
                "the recipe in scripts/cami_cli/ohif_recipe.py has to follow what OHIF has changed",
            )


def worker_scripts(folder: Path) -> list[str]:
    """Return the scripts that OHIF starts as web workers: entry points of the build other than the page's own.

    Raises
    ------
    Trouble
        There are none: nothing could be decoded.
    """
    entries = [file.name for file in sorted(folder.glob("*.js")) if _ENTRY in file.read_text("utf-8")]
    workers = [name for name in entries if not name.startswith("app.bundle.")]
    if not workers:
        raise Trouble(
            f"OHIF {VERSION} is not as expected: it has no workers",
            "the recipe in scripts/cami_cli/ohif_recipe.py has to follow what OHIF has changed",
        )
    return workers


def index_page(upstream: str, base: str) -> str:
    """Write our index page, with the entry points that OHIF's own names.

    Ours has no inline script (the content security policy refuses them), nothing for phones, and no service worker.
    """
    scripts = re.findall(r'<script defer src="/(app\.bundle\.[0-9a-f]+\.js)">', upstream)
    styles = re.findall(r'<link href="/(app\.bundle\.css)" rel="stylesheet">', upstream)
    roots = [name for name in ("react-portal", "root") if f'<div id="{name}"></div>' in upstream]
    if len(scripts) != 1 or len(styles) != 1 or len(roots) != 2:
        raise Trouble(
            f"OHIF {VERSION} is not as expected: its index page names {scripts}, {styles}, {roots}",
            "the recipe in scripts/cami_cli/ohif_recipe.py has to follow what OHIF has changed",
        )
    return f"""<!doctype html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>ЦАМИ: просмотр снимков</title>
<link rel="icon" href="{base}assets/favicon.ico">
<script src="{base}cami-start.js"></script>
<script src="/ohif/app-config.js"></script>
<script defer src="{base}{scripts[0]}"></script>
<link rel="stylesheet" href="{base}{styles[0]}">
</head>
<body>
<noscript>Для просмотра снимков включите JavaScript в браузере.</noscript>
<div id="react-portal"></div>
<div id="root"></div>
</body>
</html>
"""


#: Runs before OHIF: its public address, its language, and the Russian texts.
_START = """\
window.PUBLIC_URL = '/ohif/';
console.time('scriptToView');
window.browserImportFunction = module => import(module);
{
  const cookie = /(?:^|;\\s*)i18next=([^;]*)/.exec(document.cookie);
  if (!cookie) document.cookie = 'i18next=ru; Path=/; SameSite=Lax; Max-Age=31536000';
  const russian = !cookie || !cookie[1].startsWith('en');
  const texts = __NAMESPACES__;
  const literals = __LITERALS__;
  document.documentElement.lang = russian ? 'ru' : 'en';
  window.camiText = text => (russian && literals[text]) || text;
  window.camiRussian = locale => {
    for (const [name, more] of Object.entries(texts)) locale.ru[name] = { ...locale.ru[name], ...more };
    return locale;
  };
}
"""


def start_script(dictionary: Mapping[str, Any]) -> str:
    """Write the script that runs before OHIF."""
    literals = {entry["text"]: entry["russian"] for entry in dictionary["literals"]}
    return _START.replace("__NAMESPACES__", _script_json(dictionary["namespaces"])).replace(
        "__LITERALS__", _script_json(literals)
    )


def _script_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=None)
