"""The way to an identity provider and back: ``/cami/login/provider``. Links and redirects only, no form.

Who comes through it to sign a document goes the same way once more, to prove that it is them (docs/adr/0033).

(A form's answer may not lead to another host: ``form-action`` in `cami.portal.headers`.)
"""

from cami.errors import CamiError, Denied, Transient
from cami.people import Reason, SignedIn
from cami.people.openid import Confirmed, Departure, OpenId
from cami.portal import local_path
from cami.portal.forms import fields
from cami.portal.provider_signing import ProviderSigning
from cami.portal.search import forget_search
from cami.portal.session_cookie import SessionCookie
from cami.portal.visitors import client_of
from cami.web import Endpoint, Request, Response, answer_text, redirect

WAY = "/cami/login/provider"
_COOKIE = "cami_visit"
_LONGEST_TOKEN = 20_000


class ProviderPages:
    """Handlers of the addresses."""

    def __init__(
        self, openid: OpenId, *, cookie: SessionCookie, secure: bool, signing: ProviderSigning | None = None
    ) -> None:
        self._openid = openid
        self._signing = signing
        self._cookie = cookie
        self._flags = f"; Path={WAY}; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        self._scheme = "https" if secure else "http"

    def endpoints(self) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(WAY, self.depart),
            Endpoint(f"{WAY}/return", self.arrive),
            Endpoint(f"{WAY}/out", self.leave),
            Endpoint(f"{WAY}/logout", self.signed_out),
            Endpoint(f"{WAY}/sign", self.sign),
        ]

    def depart(self, request: Request) -> Response:
        """Send a browser to the provider."""
        wanted = local_path.safe(request.query.get("next", local_path.HOME))
        try:
            departure = self._openid.depart(f"{self._here(request)}{WAY}/return", wanted)
        except (Denied, Transient):
            return redirect(f"{local_path.LOGIN}?refused={Reason.PROVIDER}")
        return self._away(departure)

    def sign(self, request: Request) -> Response:
        """Send somebody to the provider to sign the document that they have had prepared: ``?number=&sha256=``."""
        signing = self._signing
        number, sha256 = request.query.get("number", ""), request.query.get("sha256", "")
        identity = signing.identify(request.headers) if signing is not None else None
        if signing is None or identity is None or not (number.isascii() and number.isdigit() and len(number) < 10):
            return redirect(local_path.LOGIN)
        back = signing.page(int(number))
        try:
            departure = self._openid.depart(f"{self._here(request)}{WAY}/return", back, again=identity.login)
            signing.bind(identity, int(number), sha256, departure.visit)
        except CamiError:
            return redirect(f"{back}?done=not-signed")
        return self._away(departure)

    def _away(self, departure: Departure) -> Response:
        answer = redirect(departure.address)
        answer.headers.append(("Set-Cookie", f"{_COOKIE}={departure.browser}{self._flags}; Max-Age=600"))
        return answer

    def arrive(self, request: Request) -> Response:
        """Let in whoever comes back with the provider's word."""
        arrival = self._openid.arrive(
            request.query.get("state", ""),
            request.query.get("code", ""),
            request.cookie(_COOKIE) or "",
            client_of(request),
        )
        outcome = arrival.outcome
        if isinstance(outcome, SignedIn):
            wanted = local_path.safe(arrival.next)
            answer = redirect(wanted if outcome.step is None else local_path.step_then(wanted))
            self._cookie.put(answer, outcome.token)
            answer.headers.append(("Set-Cookie", forget_search()))
        elif isinstance(outcome, Confirmed):
            answer = redirect(self._signed(request, outcome, arrival.next))
        elif arrival.next and self._signing is not None and self._signing.is_page(arrival.next):
            answer = redirect(f"{arrival.next}?done=not-signed")
        else:
            answer = redirect(f"{local_path.LOGIN}?refused={outcome.reason}")
        answer.headers.append(("Set-Cookie", f"{_COOKIE}={self._flags}; Max-Age=0"))
        return answer

    def _signed(self, request: Request, confirmed: Confirmed, page: str) -> str:
        """Sign as whoever sits there, if that is who the provider has asked; return where to lead them."""
        signing = self._signing
        identity = signing.identify(request.headers) if signing is not None else None
        if signing is None or identity is None or identity.login != confirmed.login:
            return f"{local_path.LOGIN}?refused={Reason.PROVIDER}"
        try:
            done = signing.sign(identity, page, confirmed.visit, self._openid.title)
        except CamiError:
            return f"{page}?done=not-signed"
        return f"{page}?done={done}"

    def leave(self, request: Request) -> Response:
        """Sign out at the provider too."""
        return redirect(self._openid.farewell(f"{self._here(request)}{local_path.LOGIN}") or local_path.LOGIN)

    def signed_out(self, request: Request) -> Response:
        """Hear from the provider itself who has signed out there (Back-Channel Logout 1.0 §2.8)."""
        if request.method != "POST":
            return answer_text(405, "POST only")
        try:
            self._openid.signed_out(fields(request, _LONGEST_TOKEN).get("logout_token", ""))
        except Denied:
            answer = answer_text(400, "invalid_request")
        except Transient:
            answer = answer_text(503, "try again later")
        else:
            answer = answer_text(200, "")
        answer.headers.append(("Cache-Control", "no-store"))
        return answer

    def _here(self, request: Request) -> str:
        """Return the address of this portal as the browser sees it; the provider takes only those that it knows."""
        return self._openid.portal or f"{self._scheme}://{request.headers.get('host', '')}"
