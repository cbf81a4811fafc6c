"""«Маршрутизация»: the МО's rules, what they would do, what they were, and how it is with their destinations (F-09)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from cami.access import Action, Identity, allowed
from cami.access.hygiene import forged
from cami.errors import Conflict, Invalid, NotFound
from cami.portal.entry import Entry
from cami.portal.forms import fields, number, unix
from cami.portal.navigation import ROUTING
from cami.portal.pages import Pages, Reader
from cami.portal.routing_sentences import Sentences
from cami.portal.routing_wording import REASONS, mistake
from cami.portal.wording import MODALITIES
from cami.region.validation import where
from cami.routing import InvalidRules, RoutingService
from cami.routing.dry_run import Run, StudyOutcome
from cami.routing.reading import LONGEST
from cami.routing.service import DestinationView, Overview
from cami.routing.states import WAITING, State
from cami.web import Endpoint, Request, Response, redirect


def _(message: str) -> str:
    return message


HISTORY = ROUTING + "/history"
#: A form of rules: three bytes of a percent code for each byte of the text, and what else is in it.
LONGEST_FORM = 3 * LONGEST + 20_000
#: Studies of a trial run.
_TRIED = 100

#: What has been done, for the page that follows.
DONE: Mapping[str, str] = {
    "applied": _("Правила вступили в силу."),
    "restored": _("Прежние правила снова в силе."),
    "resent": _("Отправка началась снова."),
    "cancelled": _("Ожидавшие снимки больше не будут отправляться в это назначение."),
    "answers": _("Назначение отвечает."),
}
FOREIGN_FORM = _("Форма пришла не с этой страницы. Откройте страницу заново.")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that a page of rules tells above its form."""

    text: str
    line: int = 0
    place: str = ""


class RoutingPage:
    """Handlers of ``/cami/routing``."""

    def __init__(self, pages: Pages, service: RoutingService, mo: str) -> None:
        self._pages = pages
        self._service = service
        self._mo = mo

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(ROUTING, entry.page(Action.ROUTING_READ, self.answer)),
            Endpoint(HISTORY, entry.page(Action.ROUTING_READ, self.history)),
        ]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the rules, or take a form."""
        if request.method != "POST":
            return self._show(reader, identity, done=request.query.get("done", ""))
        form = fields(request, LONGEST_FORM)
        return self._taken(request, reader, identity, form) or self._show(
            reader, identity, draft=form.get("content"), why=form.get("why", ""), trouble=[Trouble(FOREIGN_FORM)]
        )

    def history(self, _request: Request, reader: Reader, identity: Identity) -> Response:
        """Show all versions with what each changed."""
        versions = [(version, self._service.version(version.version)[1]) for version in self._service.history()]
        return self._pages.page(
            "routing_history.html",
            reader,
            versions=versions,
            from_centre=self._service.history_of_centre(),
            may_change=_may_change(identity),
            routing=ROUTING,
        )

    def _taken(self, request: Request, reader: Reader, identity: Identity, form: Mapping[str, str]) -> Response | None:
        """Do what a form of ours asks for; None if it is not ours, or nobody's to send."""
        actions: Mapping[str, Callable[[Reader, Identity, Mapping[str, str]], Response]] = {
            "try": self._try,
            "apply": self._apply,
            "restore": self._restore,
            "resend": self._resend,
            "cancel": self._cancel,
            "echo": self._echo,
        }
        action = actions.get(form.get("action", ""))
        if action is None or forged(request.method, request.headers):
            return None
        if identity.mo != self._mo or not _may_change(identity):
            return self._pages.page("not_found.html", reader)
        try:
            return action(reader, identity, form)
        except NotFound:
            return self._pages.page("not_found.html", reader)
        except (InvalidRules, Conflict, Invalid) as error:
            why, trouble = form.get("why", ""), told(error, reader)
            return self._show(reader, identity, draft=form.get("content"), why=why, trouble=trouble)

    def _try(self, reader: Reader, identity: Identity, form: Mapping[str, str]) -> Response:
        content = unix(form.get("content", ""))
        run = self._service.try_out(content, _TRIED)
        return self._show(reader, identity, draft=content, why=form.get("why", ""), run=run)

    def _apply(self, _reader: Reader, identity: Identity, form: Mapping[str, str]) -> Response:
        content, why = unix(form.get("content", "")), form.get("why", "")
        self._service.apply(content, base=number(form.get("base", "")), why=why, who=identity.login)
        return _then("applied")

    def _restore(self, _reader: Reader, identity: Identity, form: Mapping[str, str]) -> Response:
        base, version = number(form.get("base", "")), number(form.get("version", ""))
        self._service.restore(version, base=base, why=form.get("why", ""), who=identity.login)
        return _then("restored")

    def _resend(self, _reader: Reader, identity: Identity, form: Mapping[str, str]) -> Response:
        self._service.resend(form.get("destination", ""), identity.login)
        return _then("resent")

    def _cancel(self, _reader: Reader, identity: Identity, form: Mapping[str, str]) -> Response:
        self._service.cancel(form.get("destination", ""), identity.login)
        return _then("cancelled")

    def _echo(self, reader: Reader, identity: Identity, form: Mapping[str, str]) -> Response:
        name = form.get("destination", "")
        greeting = self._service.greet(name)
        if greeting.answers:
            return _then("answers")
        reason = self._pages.translate(reader, REASONS.get(greeting.code, greeting.code))
        text = self._pages.translate(reader, _("Назначение «%(name)s» не отвечает: %(reason)s"))
        told = text % {"name": name, "reason": reason}
        return self._show(reader, identity, trouble=[Trouble(told)])

    def _show(
        self,
        reader: Reader,
        identity: Identity,
        *,
        done: str = "",
        draft: str | None = None,
        why: str = "",
        run: Run | None = None,
        trouble: Sequence[Trouble] = (),
    ) -> Response:
        overview = self._service.overview()
        sentences = self._sentences(reader, overview)
        content = overview.latest.content if overview.latest is not None else ""
        return self._pages.page(
            "routing.html",
            reader,
            overview=overview,
            rules=[(rule, sentences.rule(rule)) for rule in overview.rules.rules],
            central_rules=[(rule, sentences.rule(rule)) for rule in overview.centre.rules.rules],
            destinations=[_row(view) for view in overview.destinations],
            reasons=REASONS,
            notices=[(self._pages.organization(mo), waiting) for mo, waiting in overview.notices.items()],
            may_change=_may_change(identity),
            draft=content if draft is None else draft,
            why=why,
            done=DONE.get(done, ""),
            trouble=trouble,
            run=run,
            tried=[_tried(study, sentences) for study in run.studies] if run is not None else [],
            sentences=sentences,
            titles={view.name: view.title for view in overview.destinations},
            modalities=MODALITIES,
            organization=self._pages.organization,
            history=HISTORY,
        )

    def _sentences(self, reader: Reader, overview: Overview) -> Sentences:
        titles = {view.name: view.title for view in overview.destinations}
        return Sentences(lambda text: self._pages.translate(reader, text), titles, self._pages.organization)


def _row(view: DestinationView) -> Mapping[str, object]:
    counts = view.totals.counts if view.totals is not None else {}
    return {
        "view": view,
        "waiting": sum(counts.get(state, 0) for state in WAITING),
        "delivered": counts.get(State.DELIVERED, 0),
        "failed": counts.get(State.FAILED, 0),
    }


def _tried(study: StudyOutcome, sentences: Sentences) -> Mapping[str, object]:
    rules = [
        (each.rule, each.matched, [sentences.finding(finding) for finding in each.because.because], each.by_centre)
        for each in study.rules
        if each.because is not None
    ]
    return {"study": study, "rules": rules, "matched": [name for name, matched, *_rest in rules if matched]}


def told(error: InvalidRules | Conflict | Invalid, reader: Reader) -> list[Trouble]:
    """Return the words for what is wrong with a change of rules."""
    if isinstance(error, Conflict):
        return [Trouble(_("Пока вы правили, правила изменил кто-то другой. Сверьте их и сохраните снова."))]
    if not isinstance(error, InvalidRules):
        return [Trouble(_("Напишите, зачем нужно изменение: это останется в истории."))]
    russian = reader.language == "ru"
    return [
        Trouble(mistake(each.message) if russian else each.message, each.line, where(each)) for each in error.problems
    ]


def _may_change(identity: Identity) -> bool:
    return allowed(identity.role, Action.ROUTING_CHANGE, "proxy")


def _then(done: str) -> Response:
    return redirect(f"{ROUTING}?{urlencode({'done': done})}")
