"""How a destination may fail an image, and what a status means for what is done next.

Codes are what pages have words for (`cami.portal.routing_words`); details name a status or an error's kind, no patient.
"""

from cami.errors import CamiError, Transient


class Unavailable(Transient):
    """The destination as a whole does not take images now: it rests, its images keep their turn."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}{f' ({detail})' if detail else ''}")
        self.code = code
        self.detail = detail


class Refused(CamiError):
    """The destination answers, but does not take this image."""

    def __init__(self, code: str, detail: str = "", *, final: bool = False) -> None:
        """Make it; `final`: the destination never will, so the image is not tried again."""
        super().__init__(f"{code}{f' ({detail})' if detail else ''}")
        self.code = code
        self.detail = detail
        self.final = final


def check_status(status: int) -> None:
    """Judge a status of C-STORE or a failure reason of STOW-RS (PS3.4 B.2.3, PS3.18 I.2.2, PS3.7 annex C).

    Success and warnings (0xBxxx: stored, something was changed or does not fit) pass, and so does "duplicate SOP
    instance" (0x0111): the destination has it.

    Raises
    ------
    Unavailable
        Out of resources, or we are not allowed.
    Refused
        Anything else: this image is not taken.
    """
    if status in (0x0000, 0x0111) or 0xB000 <= status <= 0xBFFF or status == 0x0001:
        return
    detail = f"0x{status:04X}"
    if 0xA700 <= status <= 0xA7FF or status == 0x0213:
        raise Unavailable("out-of-resources", detail)
    if status == 0x0124:
        raise Unavailable("not-authorized", detail)
    if status in (0x0122, 0x0112):
        raise Refused("not-supported", detail, final=True)
    raise Refused("refused", detail)
