"""The roles that people of the region have, and what can be done here."""

from enum import StrEnum


class Role(StrEnum):
    """What a person or machine is in the region; one account has one role."""

    AUDITOR = "auditor"
    """Reads the journal of accesses; sees no images."""
    CLINICIAN = "clinician"
    """Attending physician of a МО: looks at the images of the МО."""
    CONSULTANT = "consultant"
    """Specialist of a consultant centre: sees only what is granted."""
    DISPATCHER = "dispatcher"
    """Hands consultations out; sees no images."""
    MIS = "mis"
    """The medical information system, a machine."""
    MO_ADMIN = "mo_admin"
    """Administers the people of a МО; sees no images."""
    MONITOR = "monitor"
    """The monitoring system, a machine: figures of the running, nothing else."""
    OPERATOR = "operator"
    """Watches over the running of the region; sees no images."""
    RADIOLOGIST = "radiologist"
    """Reads the studies of the МО."""
    REGION_ADMIN = "region_admin"
    """Runs the installation, with technical access to everything (`docs/adr/0004`)."""
    TECHNOLOGIST = "technologist"
    """Makes the images at the МО and follows them to the centre."""


#: They sign in with a secret that an operator sets: it does not age, and they have no telephone.
MACHINES = frozenset({Role.MIS, Role.MONITOR})


class Action(StrEnum):
    """What can be done, ``resource:verb``."""

    ARCHIVE_INSPECT = "archive:inspect"
    """Read whatever a stock Orthanc answers to a GET, unscoped."""
    COMPLETENESS_READ = "completeness:read"
    """See how much of what each МО (or the own one) has announced is at the centre, whole; no image, no patient."""
    DELIVERY_PRIORITIZE = "delivery:prioritize"
    """Put a study into another class of the proxy's queue."""
    DELIVERY_READ = "delivery:read"
    """Follow studies on their way to the centre; no image, no patient."""
    DELIVERY_RECONCILE = "delivery:reconcile"
    """Compare the proxy with the centre now."""
    DELIVERY_RESEND = "delivery:resend"
    """Have a study tried again: «Отправить повторно»."""
    METRICS_READ = "metrics:read"
    """Read the figures that a monitoring system collects; no patient among them."""
    PEOPLE_MANAGE = "people:manage"
    """See accounts and change them, as far as `cami.people.administration` lets somebody."""
    QUARANTINE_DECIDE = "quarantine:decide"
    """Send again, link or reject what is in quarantine."""
    QUARANTINE_READ = "quarantine:read"
    """See what is in quarantine and why; what the objects say and show is for those with `STUDIES_READ`."""
    RETRIEVAL_REQUEST = "retrieval:request"
    """Have a study brought to where it is wanted: from an МО's proxy to the centre, or back."""
    RETRIEVAL_SCHEDULE = "retrieval:schedule"
    """Say which patients are expected, so that their earlier studies are fetched."""
    ROUTING_CHANGE = "routing:change"
    """Make rules of where the МО's images go, and try, send again or call off what they want."""
    ROUTING_READ = "routing:read"
    """See the rules and how far their destinations are; no image, no patient."""
    STUDIES_READ = "studies:read"
    """See images and what is written in them, of the studies that are visible."""
