"""The pages of the simulated МИС: plain Russian HTML, no script."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cami_cli.mis.messages import STUDIES


def _day(text: str) -> str:
    return ".".join(reversed(text.split("-")))


class Pages:
    """Renders the pages."""

    def __init__(self, organizations: list[tuple[str, str]]) -> None:
        """Make it; `organizations` are ОИД and name of who makes images."""
        loader = FileSystemLoader(Path(__file__).parent / "templates")
        self._known = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
        self._known.filters["day"] = _day
        self._organizations = organizations

    def render(self, name: str, title: str, notice: str = "", **values: Any) -> bytes:
        """Return a page."""
        page = self._known.get_template(f"{name}.html").render(
            title=title, notice=notice, studies=STUDIES, organizations=self._organizations, **values
        )
        return page.encode()
