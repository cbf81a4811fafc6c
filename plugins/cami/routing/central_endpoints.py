"""The faces of the centre's rules: ``/cami/api/routing`` for people, ``/cami/wire/v1/rules`` for proxies (§4)."""

from datetime import datetime
from typing import Any

from cami.access import Authenticator, Identity
from cami.clock import iso
from cami.delivery import WIRE_ROOT, TokenVerifier, for_proxies
from cami.errors import Invalid
from cami.routing.central import CentralOverview, CentralRules, Trial
from cami.routing.door import Door, body_of, number_in, text_in
from cami.routing.dry_run import MOST_STUDIES
from cami.routing.pulling import PATH
from cami.routing.views import rule_json, version_json
from cami.web import Endpoint, Request, Response, answer_json

#: Studies of each МО that a trial looks at, unless more are asked for.
USUAL_STUDIES = 100


def central_routing_endpoints(authenticator: Authenticator, rules: CentralRules) -> list[Endpoint]:
    """Return the endpoints for those who make rules for all МО."""
    answers = _Answers(rules)
    door = Door("central", authenticator, "", "Rules of routing for all МО, and their versions")
    return [
        door.endpoint("", get=answers.overview, post=answers.apply),
        door.endpoint("/versions", get=answers.history),
        door.endpoint("/versions/([1-9][0-9]{0,8})", get=answers.version),
        door.endpoint("/versions/([1-9][0-9]{0,8})/restore", post=answers.restore),
        door.endpoint("/dry-run", post=answers.dry_run),
        door.endpoint("/dry-run/([1-9][0-9]{0,8})", get=answers.trial),
    ]


def rules_wire_endpoints(tokens: TokenVerifier, rules: CentralRules) -> list[Endpoint]:
    """Return the endpoints that proxies call."""

    def read(mo: str, request: Request) -> Response:
        said = body_of(request)
        version, trouble = number_in(said, "version"), text_in(said, "trouble")
        return answer_json(rules.answer(mo, version, _moment(said.get("made_at")), trouble[:2000]))

    def settle(mo: str, request: Request) -> Response:
        rules.settle(mo, int(request.path.rpartition("/")[2]), body_of(request))
        return answer_json({})

    return [
        Endpoint(WIRE_ROOT + PATH, for_proxies(tokens, {"POST": read})),
        Endpoint(WIRE_ROOT + PATH + "/trials/[1-9][0-9]{0,8}", for_proxies(tokens, {"POST": settle})),
    ]


class _Answers:
    """What the endpoints answer to those who were let in."""

    def __init__(self, rules: CentralRules) -> None:
        self._rules = rules

    def overview(self, _identity: Identity, _request: Request) -> Response:
        return answer_json(_overview(self._rules.overview()))

    def apply(self, identity: Identity, request: Request) -> Response:
        body = body_of(request)
        content, why, base = text_in(body, "content"), text_in(body, "why"), number_in(body, "base")
        return answer_json({"version": self._rules.apply(content, base=base, why=why, who=identity.login)})

    def history(self, _identity: Identity, _request: Request) -> Response:
        return answer_json({"versions": [version_json(version) for version in self._rules.history()]})

    def version(self, _identity: Identity, request: Request) -> Response:
        found, changes = self._rules.version(int(request.groups[0]))
        return answer_json({**version_json(found), "content": found.content, "changes": changes})

    def restore(self, identity: Identity, request: Request) -> Response:
        body, number = body_of(request), int(request.groups[0])
        why, base = text_in(body, "why"), number_in(body, "base")
        return answer_json({"version": self._rules.restore(number, base=base, why=why, who=identity.login)})

    def dry_run(self, identity: Identity, request: Request) -> Response:
        body = body_of(request)
        content = text_in(body, "content") if "content" in body else None
        studies = number_in(body, "studies") if "studies" in body else USUAL_STUDIES
        if not 1 <= studies <= MOST_STUDIES:
            raise Invalid(f"studies must be 1 to {MOST_STUDIES}")
        return answer_json({"trial": self._rules.try_out(content, studies, identity.login)})

    def trial(self, _identity: Identity, request: Request) -> Response:
        return answer_json(_trial(self._rules.trial(int(request.groups[0]))))


def _overview(overview: CentralOverview) -> dict[str, Any]:
    return {
        "version": overview.version,
        "content": overview.latest.content if overview.latest is not None else "",
        "trouble": overview.trouble,
        "rules": [{**rule_json(rule), "organizations": rule.organizations} for rule in overview.rules],
        "organizations": [
            {
                "mo": each.mo,
                "version": each.version,
                "trouble": each.trouble,
                "since": iso(each.since) if each.since is not None else None,
            }
            for each in overview.standings
        ],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "asked_by": trial.asked_by,
        "asked_at": iso(trial.asked_at),
        "organizations": trial.outcomes,
        "waits_for": trial.waits_for,
    }


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
