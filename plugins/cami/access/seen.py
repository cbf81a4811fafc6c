"""Does somebody see this? The statements that nearly every request asks, made once.

Making a statement anew costs ten times what SQLite needs to answer it, so they are kept, one for each shape, and get
their values as parameters. By the ids alone: given the owner too, SQLite would go through all of the МО's studies. Of
another's study as much is asked whether it is granted or not.
"""

import functools
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, exists, false, literal, or_, select

from cami.db.tables import indexed_series, indexed_study, received_instance, stored_content, study, study_grant

#: Levels at which a resource has a study; Orthanc's patient has those of several МО.
Resolved = Literal["studies", "series", "instances"]


@functools.cache
def seen_studies(mo: bool, login: bool) -> Select[Any]:
    """Return a statement: of the studies ``keys``, each with ``seen``, 1 or 0.

    Its parameters: ``keys``, ``own`` (the МО whose studies somebody sees without a grant), ``mo``, ``login``, ``at``.

    Parameters
    ----------
    mo, login
        Whether somebody acts for an МО, and has a login: grants are given to either.
    """
    query = select(study.c.study_id, _seen(mo, login).label("seen"))
    return query.where(study.c.study_id.in_(bindparam("keys", expanding=True)))


@functools.cache
def seen_named(mo: bool, login: bool) -> Select[Any]:
    """Return the same for the studies with the Study Instance UIDs ``keys``, newest first."""
    query = select(study.c.study_id, _seen(mo, login).label("seen"))
    query = query.where(study.c.study_uid.in_(bindparam("keys", expanding=True)))
    return query.order_by(study.c.claimed_at.desc(), study.c.study_id)


@functools.cache
def seen_resource(level: Resolved, mo: bool, login: bool) -> Select[Any]:
    """Return a statement: 1 or 0 for the study, series or instance ``key``; no row if it is not there."""
    query = select(_seen(mo, login).label("seen")).limit(1)
    if level == "studies":
        return query.where(study.c.study_id == bindparam("key"))
    query = query.join_from(received_instance, study, received_instance.c.study_id == study.c.study_id)
    if level == "instances":
        return query.where(received_instance.c.instance_id == bindparam("key"))
    query = query.join(stored_content, stored_content.c.instance_id == received_instance.c.instance_id)
    return query.where(stored_content.c.series_id == bindparam("key"))


@functools.cache
def seen_instance(mo: bool, login: bool) -> Select[Any]:
    """Return a statement: Orthanc id and ``seen`` of the image with the UIDs ``study``, ``series`` and ``sop``."""
    seen = _seen(mo, login).label("seen")
    query = select(received_instance.c.instance_id, seen)
    query = query.join_from(received_instance, study, received_instance.c.study_id == study.c.study_id)
    query = query.join(stored_content, stored_content.c.instance_id == received_instance.c.instance_id)
    query = query.join(indexed_series, indexed_series.c.series_id == stored_content.c.series_id)
    query = query.where(
        received_instance.c.sop_uid == bindparam("sop"),
        received_instance.c.stored_at.is_not(None),
        study.c.study_uid == bindparam("study"),
        indexed_series.c.series_uid == bindparam("series"),
    )
    return query.order_by(seen.desc()).limit(1)


@functools.cache
def subject_of(level: Resolved) -> Select[Any]:
    """Return a statement: UID, owner and patient of the study that holds ``key``; no row if none does."""
    query = select(study.c.study_uid, study.c.owner, indexed_study.c.patient_key).limit(1)
    indexed = indexed_study.c.study_id == study.c.study_id
    if level == "studies":
        return query.join_from(study, indexed_study, indexed, isouter=True).where(study.c.study_id == bindparam("key"))
    query = query.join_from(received_instance, study, received_instance.c.study_id == study.c.study_id)
    query = query.join(indexed_study, indexed, isouter=True)
    if level == "instances":
        return query.where(received_instance.c.instance_id == bindparam("key"))
    query = query.join(stored_content, stored_content.c.instance_id == received_instance.c.instance_id)
    return query.where(stored_content.c.series_id == bindparam("key"))


@functools.cache
def subject_named(mo: bool, login: bool) -> Select[Any]:
    """Return a statement: owner, patient and ``seen`` of the study with the UID ``key``; one that is seen first."""
    seen = _seen(mo, login).label("seen")
    query = select(study.c.owner, indexed_study.c.patient_key, seen)
    query = query.join_from(study, indexed_study, indexed_study.c.study_id == study.c.study_id, isouter=True)
    return query.where(study.c.study_uid == bindparam("key")).order_by(seen.desc()).limit(1)


def _seen(mo: bool, login: bool) -> ColumnElement[Any]:
    return case((study.c.owner == bindparam("own"), literal(1)), (_granted(mo, login), literal(1)), else_=literal(0))


def _granted(mo: bool, login: bool) -> ColumnElement[bool]:
    """Return the condition that `cami.access.granted` writes, with parameters for its values."""
    anybody = and_(study_grant.c.mo == bindparam("mo"), study_grant.c.login == literal("")) if mo else false()
    person = and_(
        study_grant.c.login == bindparam("login"),
        or_(study_grant.c.mo == literal(""), study_grant.c.mo == bindparam("mo")),
    )
    return exists(
        select(literal(1))
        .select_from(study_grant)
        .where(
            study_grant.c.study_uid == study.c.study_uid,
            study_grant.c.owner == study.c.owner,
            or_(anybody, person) if login else anybody,
            study_grant.c.ended_at.is_(None),
            or_(study_grant.c.until.is_(None), study_grant.c.until > bindparam("at")),
        )
        .correlate_except(study_grant)
    )
