"""Pages out of templates: escaped, no undefined names, no script but our files, in the reader's language."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cami.access import Identity
from cami.clock import REGION_ZONE
from cami.errors import NotFound
from cami.portal import static_files, wording
from cami.portal.amounts import Amounts
from cami.portal.headers import PAGE_POLICY, secured
from cami.portal.navigation import places_of
from cami.portal.texts import Language, Texts
from cami.region import Region
from cami.settings import Settings
from cami.web import Response, answer_html


def environment(texts: Texts | None = None, language: Language = "ru", zone: ZoneInfo = REGION_ZONE) -> Environment:
    """Return the environment in which the templates are compiled, for one language and time zone."""
    known = Environment(
        loader=PackageLoader("cami.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    known.filters.update(Amounts(language, zone).filters())
    known.install_gettext_translations((texts or Texts()).of(language), newstyle=True)  # type: ignore[attr-defined]
    return known


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a page is for."""

    language: Language
    identity: Identity | None = None
    address: str = "/cami/"
    """Where the reader is, for the language switch."""


class Pages:
    """Renders the templates, with what every page shows: where this is, and who is signed in."""

    def __init__(self, settings: Settings, region: Region) -> None:
        self._texts = texts = Texts()
        self._environments: Mapping[Language, Environment] = {
            "ru": environment(texts, "ru", ZoneInfo(region.time_zone)),
            "en": environment(texts, "en", ZoneInfo(region.time_zone)),
        }
        self._settings = settings
        self._region = region
        self.zone = ZoneInfo(region.time_zone)
        """In which people read times."""
        self.attention: Callable[[Identity], Mapping[str, int]] = lambda _: {}
        """Tells how many things at which address wait for somebody; shown on every page beside the way there."""

    def page(self, template: str, reader: Reader, *, policy: str = PAGE_POLICY, **values: Any) -> Response:
        """Render a template to a response, with its content security policy."""
        known = self._environments[reader.language]
        text = known.get_template(template).render(
            **values,
            language=reader.language,
            other_language=_other_language(reader),
            static=static_files.address,
            place=self._place(),
            central=self._settings.role == "central",
            user=self._user(reader.identity),
            places=places_of(reader.identity, self._settings.role),
            current=reader.address.partition("?")[0],
            attention={} if reader.identity is None else self.attention(reader.identity),
        )
        return secured(answer_html(text), policy)

    def part(self, template: str, reader: Reader, **values: Any) -> Markup:
        """Render a part of a page, that shows nothing of who reads it."""
        return Markup(self._environments[reader.language].get_template(template).render(**values))  # noqa: S704 - escaped

    def translate(self, reader: Reader, message: str) -> str:
        """Return a text in the reader's language, for what is no page."""
        return self._texts.of(reader.language).gettext(message)

    def organization(self, code: str) -> str:
        """Return the short name of an МО; the code itself if the registry does not know it (any more)."""
        try:
            return self._region.organization(code).short_name
        except NotFound:
            return code

    def _place(self) -> str:
        """Return the name of this server; empty at the centre, whose name the templates know."""
        return "" if self._settings.role == "central" else self.organization(self._settings.mo)

    def _user(self, identity: Identity | None) -> Mapping[str, str] | None:
        if identity is None:
            return None
        mo = self.organization(identity.mo) if identity.mo else ""
        return {"name": identity.name, "role": wording.ROLES.get(identity.role, identity.role), "mo": mo}


def _other_language(reader: Reader) -> str:
    """Return the address that shows the same page in the other language."""
    wanted = "ru" if reader.language == "en" else "en"
    return f"{reader.address}{'&' if '?' in reader.address else '?'}language={wanted}"
