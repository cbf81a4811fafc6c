"""The cookie that carries a session's token."""

from cami.people import COOKIE
from cami.web import Request, Response


class SessionCookie:
    """Writes, reads and forgets it."""

    def __init__(self, *, secure: bool) -> None:
        self.flags = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")

    def put(self, response: Response, token: str) -> None:
        """Give it to a browser."""
        response.headers.append(("Set-Cookie", f"{COOKIE}={token}{self.flags}"))

    def drop(self, response: Response) -> None:
        """Have a browser forget it."""
        response.headers.append(("Set-Cookie", f"{COOKIE}={self.flags}; Max-Age=0"))

    @staticmethod
    def of(request: Request) -> str:
        """Return the token that a request carries, or nothing."""
        return request.cookie(COOKIE) or ""
