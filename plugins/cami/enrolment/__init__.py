"""A new МО: its proxy joins the centre with a one-time code, has a certificate, renews it, and loses it when revoked.

At the centre `Membership` keeps codes and keys in SQL, `Authority` signs, `KeyRing` knows which keys are good,
`Trials` lets the self-test of an installation remove its own image again; `Desk` is what the operator calls. At a proxy
`LinkFile` holds key and certificate and `Renewal` looks after them; ``python3 -m cami.enrolment`` joins and tests,
run by ``install.sh`` of the bundle (`cami_cli.mo`) where the proxy stands.
"""

from cami.enrolment.authority import Authority, make_authority
from cami.enrolment.desk import API, Desk
from cami.enrolment.endpoints import join_endpoint, line_endpoints
from cami.enrolment.key_ring import KeyRing
from cami.enrolment.link_file import LinkFile
from cami.enrolment.membership import Membership, Standing
from cami.enrolment.renewal import Renewal
from cami.enrolment.trials import Trials

__all__ = [
    "API",
    "Authority",
    "Desk",
    "KeyRing",
    "LinkFile",
    "Membership",
    "Renewal",
    "Standing",
    "Trials",
    "join_endpoint",
    "line_endpoints",
    "make_authority",
]
