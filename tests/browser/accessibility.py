"""axe-core over a page: what of WCAG 2.1 A and AA a machine can tell. A tool of these tests alone; nothing ships it."""

import functools
import tarfile

from playwright.sync_api import Page

from cami_cli import npm
from cami_cli.places import runtime_folder

_AXE = npm.Pinned(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


@functools.cache
def _source() -> str:
    with tarfile.open(npm.fetch(_AXE, runtime_folder() / "npm")) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file is not None
        return file.read().decode("utf-8")


def violations(page: Page) -> list[str]:
    """Return what is wrong with a page as it stands: rule, and the elements. In both colour schemes."""
    found = []
    page.evaluate(_source())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        told = page.evaluate("tags => axe.run(document, { runOnly: { type: 'tag', values: tags } })", _TAGS)
        found += [
            f"{scheme}: {rule['id']}: {node['html'][:160]} ({node['failureSummary'][-200:]})"
            for rule in told["violations"]
            for node in rule["nodes"]
        ]
    page.emulate_media(color_scheme="light")
    return found
