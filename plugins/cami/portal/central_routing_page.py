"""«Маршрутизация» at the centre: rules for all МО, how far they have come, what they would do (F-09)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from cami.access import Action, Identity, allowed
from cami.access.hygiene import forged
from cami.delivery.order import Priority
from cami.errors import Conflict, Invalid, NotFound
from cami.portal.entry import Entry
from cami.portal.forms import fields, number, unix
from cami.portal.headers import LIVE_POLICY
from cami.portal.navigation import ROUTING
from cami.portal.pages import Pages, Reader
from cami.portal.routing_page import DONE, FOREIGN_FORM, HISTORY, LONGEST_FORM, Trouble, told
from cami.portal.routing_sentences import Sentences
from cami.portal.routing_wording import mistake
from cami.portal.wording import MODALITIES
from cami.region import Region
from cami.routing import CentralRules, InvalidRules
from cami.routing.central import Trial
from cami.routing.central_endpoints import USUAL_STUDIES
from cami.routing.rules import CentralRule
from cami.web import Endpoint, Request, Response, redirect


def _(message: str) -> str:
    return message


@dataclass(frozen=True, slots=True)
class _Study:
    """What a draft would have done with a study of an МО."""

    modality: str
    description: str
    received: datetime | None
    instances: int
    destinations: Sequence[tuple[str, int]]
    shares: Sequence[str]
    priority: Priority | None
    rules: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Tried:
    """What one МО has answered to a trial."""

    mo: str
    waits: bool = False
    silent: bool = False
    unavailable: bool = False
    problems: Sequence[str] = field(default=())
    """Mistakes that only that МО's registry shows."""
    seen: int = 0
    studies: Sequence[_Study] = field(default=())


class CentralRoutingPage:
    """Handlers of ``/cami/routing`` at the centre."""

    def __init__(self, pages: Pages, rules: CentralRules, region: Region) -> None:
        self._pages = pages
        self._rules = rules
        proxies = [each.proxy for each in region.with_proxy if each.proxy is not None]
        self._titles = {each.name: each.title for proxy in proxies for each in proxy.destinations}

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(ROUTING, entry.page(Action.ROUTING_READ, self.answer)),
            Endpoint(HISTORY, entry.page(Action.ROUTING_READ, self.history)),
        ]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the rules, or take a form."""
        if request.method == "POST":
            return self._take(request, reader, identity)
        asked = number(request.query.get("trial", ""))
        try:
            trial = self._rules.trial(asked) if asked else None
        except NotFound:
            trial = None
        return self._show(reader, identity, done=request.query.get("done", ""), trial=trial)

    def history(self, _request: Request, reader: Reader, identity: Identity) -> Response:
        """Show all versions with what each changed."""
        versions = [(version, self._rules.version(version.version)[1]) for version in self._rules.history()]
        return self._pages.page(
            "routing_history.html",
            reader,
            versions=versions,
            from_centre=(),
            may_change=_may_change(identity),
            routing=ROUTING,
        )

    def _take(self, request: Request, reader: Reader, identity: Identity) -> Response:
        form = fields(request, LONGEST_FORM)
        actions: Mapping[str, Callable[[Identity, Mapping[str, str]], Response]] = {
            "try": self._try,
            "apply": self._apply,
            "restore": self._restore,
        }
        action = actions.get(form.get("action", ""))
        draft, why = form.get("content"), form.get("why", "")
        if action is None or forged(request.method, request.headers):
            return self._show(reader, identity, draft=draft, why=why, trouble=[Trouble(FOREIGN_FORM)])
        if not _may_change(identity):
            return self._pages.page("not_found.html", reader)
        try:
            return action(identity, form)
        except NotFound:
            return self._pages.page("not_found.html", reader)
        except (InvalidRules, Conflict, Invalid) as error:
            return self._show(reader, identity, draft=draft, why=why, trouble=told(error, reader))

    def _try(self, identity: Identity, form: Mapping[str, str]) -> Response:
        trial = self._rules.try_out(unix(form.get("content", "")), USUAL_STUDIES, identity.login)
        return redirect(f"{ROUTING}?trial={trial}#tried")

    def _apply(self, identity: Identity, form: Mapping[str, str]) -> Response:
        content, why = unix(form.get("content", "")), form.get("why", "")
        self._rules.apply(content, base=number(form.get("base", "")), why=why, who=identity.login)
        return _then("applied")

    def _restore(self, identity: Identity, form: Mapping[str, str]) -> Response:
        base, version = number(form.get("base", "")), number(form.get("version", ""))
        self._rules.restore(version, base=base, why=form.get("why", ""), who=identity.login)
        return _then("restored")

    def _show(
        self,
        reader: Reader,
        identity: Identity,
        *,
        done: str = "",
        draft: str | None = None,
        why: str = "",
        trial: Trial | None = None,
        trouble: Sequence[Trouble] = (),
    ) -> Response:
        overview = self._rules.overview()
        content = overview.latest.content if overview.latest is not None else ""
        sentences = Sentences(lambda text: self._pages.translate(reader, text), self._titles, self._pages.organization)
        if draft is None:
            draft = content if trial is None else trial.content

        def whose(rule: CentralRule) -> str:
            if rule.organizations is None:
                return self._pages.translate(reader, _("для всех МО"))
            names = ", ".join(f"«{self._pages.organization(mo)}»" for mo in rule.organizations)
            return self._pages.translate(reader, _("только для %(names)s")) % {"names": names}

        return self._pages.page(
            "central_routing.html",
            reader,
            policy=LIVE_POLICY,
            overview=overview,
            rules=[(rule, sentences.rule(rule)) for rule in overview.rules],
            whose=whose,
            may_change=_may_change(identity),
            draft=draft,
            why=why,
            done=DONE.get(done, ""),
            trouble=trouble,
            trial=trial,
            tried=[_tried(mo, trial, reader) for mo in self._rules.organizations] if trial is not None else [],
            sentences=sentences,
            titles=self._titles,
            modalities=MODALITIES,
            organization=self._pages.organization,
            history=HISTORY,
        )


def _tried(mo: str, trial: Trial, reader: Reader) -> _Tried:
    outcome = trial.outcomes.get(mo)
    if outcome is None:
        return _Tried(mo, waits=mo in trial.waits_for, silent=mo not in trial.waits_for)
    if "problems" in outcome:
        said = [str(each.get("message", "")) for each in outcome["problems"]]
        return _Tried(mo, problems=[mistake(message) for message in said] if reader.language == "ru" else said)
    if "trouble" in outcome:
        return _Tried(mo, unavailable=True)
    studies = [_study(each) for each in outcome.get("studies", ())]
    return _Tried(mo, seen=len(studies), studies=[each for each in studies if each.rules])


def _study(document: Mapping[str, Any]) -> _Study:
    """Read what a proxy says (`cami.routing.views.run_json`); what it leaves out is empty."""
    priority = str(document.get("priority") or "")
    return _Study(
        modality=str(document.get("modality", "")),
        description=str(document.get("description", "")),
        received=_moment(document.get("received_at")),
        instances=int(document.get("instances", 0)),
        destinations=[(str(name), int(images)) for name, images in dict(document.get("destinations", {})).items()],
        shares=[str(mo) for mo in document.get("shares", ())],
        priority=Priority(int(priority[1:])) if priority in ("P0", "P1", "P2", "P3", "P4") else None,
        rules=[str(rule["rule"]) for rule in document.get("rules", ()) if rule.get("matched")],
    )


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _may_change(identity: Identity) -> bool:
    return allowed(identity.role, Action.ROUTING_CHANGE, "central")


def _then(done: str) -> Response:
    return redirect(f"{ROUTING}?{urlencode({'done': done})}")
