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
    STUDIES_READ = "studies:read"
    """See images and what is written in them, of the studies that are visible."""
