"""How each page of somebody who is signed in begins: who it is, in which language, and may they see it."""

from collections.abc import Callable

from cami.access import Action, Identity, allowed
from cami.portal import local_path
from cami.portal.pages import Pages, Reader
from cami.portal.ports import Identifier
from cami.portal.texts import language_cookie, language_of
from cami.settings import Role as ServerRole
from cami.web import Handler, Request, Response, redirect

PageHandler = Callable[[Request, Reader, Identity], Response]


class Entry:
    """Lets people in to pages. Who may not see one is told that there is none."""

    def __init__(self, pages: Pages, who: Identifier, server: ServerRole) -> None:
        self._pages = pages
        self._who = who
        self._server = server

    def page(self, action: Action | None, handler: PageHandler) -> Handler:
        """Return the handler of an endpoint for those who may do `action`; None: for everybody who is signed in."""

        def answer(request: Request) -> Response:
            address = local_path.here(request)
            identity = self._who.identify(request.headers)
            if identity is None:
                return redirect(local_path.sign_in_then(address))
            language = request.query.get("language")
            if language in ("ru", "en"):
                turned = redirect(address)
                turned.headers.append(("Set-Cookie", language_cookie("en" if language == "en" else "ru")))
                return turned
            reader = Reader(language_of(request), identity, address)
            if action is not None and not allowed(identity.role, action, self._server):
                return refused(self._pages.page("not_found.html", reader))
            return handler(request, reader, identity)

        return answer


def refused(response: Response) -> Response:
    """Mark a page as the answer to somebody who may not have what was asked for: the journal says so."""
    response.refused = True
    return response
