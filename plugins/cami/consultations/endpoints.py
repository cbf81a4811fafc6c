"""``/cami/api/consultations``: requests for programs, in JSON (docs/architecture.md §9)."""

import re
from collections.abc import Callable
from urllib.parse import unquote

from cami.access import Authenticator, Identity
from cami.consultations import parts
from cami.consultations.answer_endpoints import AnswerFace, case_for
from cami.consultations.answers import Answers
from cami.consultations.as_json import as_line, as_notice
from cami.consultations.beats import Beats
from cami.consultations.bodies import check_storable, digits, download, read_object, refusal, version_of
from cami.consultations.council import Council
from cami.consultations.description import spoken
from cami.consultations.desk import Desk, Filter, View
from cami.consultations.diagnoses import Diagnoses
from cami.consultations.notices import Notices
from cami.consultations.request import Case
from cami.consultations.service import Consultations, Wish
from cami.consultations.states import Command
from cami.consultations.terms import MessageKind
from cami.errors import CamiError, Denied, Invalid, NotFound
from cami.web import Endpoint, Request, Response, answer_json, answer_text

_API = "/cami/api/consultations"
_NUMBER = "([0-9]{1,9})"
_COMMAND = "(?!messages$|files$|answer$|members$|opinions$)([a-z-]{2,16})"
_UID = re.compile(r"[0-9.]{1,64}")
_Answer = Callable[[Request, Identity], Response]
_NOTICES = 50


def consultation_endpoints(
    authenticator: Authenticator,
    *,
    consultations: Consultations,
    answers: Answers,
    desk: Desk,
    notices: Notices,
    beats: Beats,
    diagnoses: Diagnoses,
    council: Council,
) -> list[Endpoint]:
    """Return the endpoints of the centre."""
    api = _Api(consultations, desk, notices, diagnoses, council=council, beats=beats)
    answer = AnswerFace(consultations, answers)

    def of(pattern: str, **methods: _Answer) -> Endpoint:
        def handle(request: Request) -> Response:
            identity = authenticator.identify(request.headers)
            if identity is None:
                return answer_text(401, "sign in first")
            answer = methods.get(request.method)
            if answer is None:
                return answer_text(405, f"this address answers {' and '.join(sorted(methods))} only")
            try:
                check_storable(dict(request.query))
                return answer(request, identity)
            except CamiError as error:
                return refusal(error)

        said = " / ".join((methods[name].__doc__ or "").partition(".")[0].strip() for name in sorted(methods))
        place = pattern.replace(_COMMAND, "COMMAND").replace(_NUMBER, "N")
        return Endpoint(_API + pattern, handle, tuple(sorted(methods)), said, lambda: spoken().get(place, {}))

    return [
        of("", GET=api.list, POST=api.create),
        of("/pulse", GET=api.pulse),
        of("/notices", GET=api.notices),
        of("/diagnoses", GET=api.diagnoses, PUT=api.load_diagnoses),
        of(f"/{_NUMBER}", GET=api.read, PUT=api.save),
        of(f"/{_NUMBER}/{_COMMAND}", POST=api.command),
        of(f"/{_NUMBER}/messages", POST=api.say),
        of(f"/{_NUMBER}/members", POST=api.invite),
        of(f"/{_NUMBER}/opinions", POST=api.opine),
        of(f"/{_NUMBER}/files", POST=api.attach),
        of(f"/{_NUMBER}/files/{_NUMBER}", GET=api.file),
        of(f"/{_NUMBER}/answer", GET=answer.answer, PUT=answer.save_answer),
        of(f"/{_NUMBER}/answer/document", POST=answer.prepare),
        of(f"/{_NUMBER}/answer/sign", POST=answer.sign),
        of(f"/{_NUMBER}/answer/prepared", GET=answer.prepared),
        of(f"/{_NUMBER}/answer/{_NUMBER}/(document|signature|cda)", GET=answer.document),
    ]


class _Api:
    """What each address answers to somebody who is signed in."""

    def __init__(
        self,
        consultations: Consultations,
        desk: Desk,
        notices: Notices,
        diagnoses: Diagnoses,
        *,
        council: Council,
        beats: Beats,
    ) -> None:
        self._consultations = consultations
        self._desk = desk
        self._notices = notices
        self._diagnoses = diagnoses
        self._council = council
        self._beats = beats

    def list(self, request: Request, identity: Identity) -> Response:
        """List a desk: ``?view=mine|inbox|queue|dispatch``, with filters."""
        query = request.query
        views = self._desk.views(identity)
        name = query.get("view") or (views[0] if views else "")
        if name not in list(View):
            raise Denied("not for this role")
        number = query.get("number", "")
        wanted = Filter(
            **{key: query[key] for key in ("state", "urgency", "profile", "mo", "to_mo") if key in query},
            late=query.get("late") == "1",
            own=query.get("own") == "1",
            number=digits(number) if number else None,
        )
        page = self._desk.page(identity, View(name), wanted, digits(query.get("page", "")) or 1)
        lines = [as_line(line) for line in page.lines]
        return answer_json({"requests": lines, "total": page.total, "page": page.page, "last": page.last})

    def create(self, request: Request, identity: Identity) -> Response:
        """Make a draft; with ``"send": true`` send it too."""
        document = read_object(request)
        uids = document.get("studies")
        if not isinstance(uids, list) or not all(isinstance(uid, str) and _UID.fullmatch(uid) for uid in uids):
            raise Invalid('expected {"studies": [Study Instance UID], …}')
        based_on = document.get("based_on")
        if based_on is not None and not isinstance(based_on, int):
            raise Invalid("based_on")
        case = self._consultations.create(identity, uids, document, based_on=based_on)
        if document.get("send") is True:
            case = self._consultations.submit(identity, case.request.number, case.request.version)
        return self._case(identity, case)

    def read(self, request: Request, identity: Identity) -> Response:
        """Return one request."""
        case = self._consultations.find(identity, int(request.groups[0]))
        self._desk.seen(identity, case.request)
        return self._case(identity, case)

    def save(self, request: Request, identity: Identity) -> Response:
        """Keep what the author has typed into a draft."""
        document = read_object(request)
        uids = document.get("studies")
        if uids is not None and (not isinstance(uids, list) or not all(isinstance(uid, str) for uid in uids)):
            raise Invalid("studies")
        number = int(request.groups[0])
        case = self._consultations.save(identity, number, document, version=version_of(document), study_uids=uids)
        return self._case(identity, case)

    def command(self, request: Request, identity: Identity) -> Response:
        """Carry out a command: ``POST …/{number}/take``."""
        try:
            command = Command(request.groups[1])
        except ValueError:
            raise NotFound("no such command") from None
        document = read_object(request)
        texts = {name: document.get(name, "") for name in ("reason", "text", "to", "mo")}
        if not all(isinstance(value, str) for value in texts.values()):
            raise Invalid("reason, text, to and mo are texts")
        wish = Wish(command, version=version_of(document), **texts)
        return self._case(identity, self._consultations.do(identity, int(request.groups[0]), wish))

    def say(self, request: Request, identity: Identity) -> Response:
        """Add a message."""
        text = read_object(request).get("text")
        if not isinstance(text, str):
            raise Invalid("text")
        number = self._consultations.within(
            identity,
            int(request.groups[0]),
            lambda connection, case: self._consultations.talk.add(connection, identity, case, text, MessageKind.NOTE),
        )
        return answer_json({"id": number})

    def invite(self, request: Request, identity: Identity) -> Response:
        """Invite a member of a консилиум: ``{"to": login}``."""
        login = read_object(request).get("to")
        if not isinstance(login, str):
            raise Invalid("to")
        return self._case(identity, self._council.invite(identity, int(request.groups[0]), login))

    def opine(self, request: Request, identity: Identity) -> Response:
        """Give the opinion of a member of a консилиум: ``{"text"}``."""
        text = read_object(request).get("text")
        if not isinstance(text, str):
            raise Invalid("text")
        return answer_json({"id": self._council.opine(identity, int(request.groups[0]), text)})

    def attach(self, request: Request, identity: Identity) -> Response:
        """Add a file: its bytes, ``Content-Type``, and its name, percent-encoded, in ``X-Cami-Name``."""
        name = unquote(request.headers.get("x-cami-name", ""))
        kind = request.headers.get("content-type", "")
        number = self._consultations.within(
            identity,
            int(request.groups[0]),
            lambda connection, case: self._consultations.talk.attach(
                connection, identity, case, name=name, content_type=kind, content=request.body
            ),
        )
        return answer_json({"id": number})

    def file(self, request: Request, identity: Identity) -> Response:
        """Return a file; a browser saves it, whatever it is."""
        case = self._consultations.find(identity, int(request.groups[0]))
        if not parts.sees_patient(identity, case):
            raise NotFound("no such file")
        attached, content = self._consultations.talk.file(case.request.number, int(request.groups[1]))
        return download(content, attached.content_type, f"{case.request.number}-{attached.id}")

    def pulse(self, _request: Request, identity: Identity) -> Response:
        """Return what changes when something does: cheap, to be asked every two seconds."""
        return answer_json(self._beats.of(identity).as_json())

    def notices(self, request: Request, identity: Identity) -> Response:
        """List what somebody is told: ``?after=id``."""
        after = digits(request.query.get("after", ""))
        return answer_json({"notices": [as_notice(each) for each in self._notices.latest(identity, after, _NOTICES)]})

    def diagnoses(self, request: Request, identity: Identity) -> Response:
        """Search МКБ-10: ``?words=``."""
        if not (parts.asks(identity) or parts.answers(identity)):
            raise Denied("not for this role")
        found = self._diagnoses.search(request.query.get("words", "")[:200])
        return answer_json({"diagnoses": [{"code": each.code, "title": each.title} for each in found]})

    def load_diagnoses(self, request: Request, identity: Identity) -> Response:
        """Replace МКБ-10 by a file ``code;title`` (operator, region administrator)."""
        if not parts.loads(identity):
            raise Denied("not for this role")
        try:
            text = request.body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Invalid("the file must be UTF-8") from None
        return answer_json({"loaded": self._diagnoses.load(text)})

    def _case(self, identity: Identity, case: Case) -> Response:
        return answer_json(case_for(self._consultations, identity, case))
