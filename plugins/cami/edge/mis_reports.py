"""Signed answers of consultations, as the МИС is sent them: the document and the signature byte for byte."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, select

from cami.db import reading
from cami.db.tables import consultation_report
from cami.mis import Signature, SignedReport


class ConsultationReports:
    """Finds signed answers in the table ``consultation_report``."""

    def __init__(self, engine: Engine) -> None:
        self._reader = reading(engine)

    def report(self, payload: Mapping[str, Any]) -> SignedReport | None:
        """Return the newest signed answer of a consultation; None if there is none."""
        table = consultation_report.c
        newest = select(consultation_report).where(table.number == payload.get("number"))
        with self._reader.connect() as connection:
            row = connection.execute(newest.order_by(table.version.desc()).limit(1)).first()
        if row is None:
            return None
        signed = (Signature(row.signature, "author", row.signed_at),) if row.signature else ()
        return SignedReport(
            number=f"C-{row.number}",
            version=row.version,
            study_uids=tuple(uid for uid in payload.get("studies", ()) if isinstance(uid, str)),
            issued=row.signed_at,
            author=row.person,
            author_snils="",
            author_login=row.login,
            mo=row.mo,
            title="Протокол консультации",
            pdf=row.document,
            xml=row.clinical_document or b"",
            findings=row.findings,
            conclusion=row.conclusion,
            recommendations=row.recommendations,
            signatures=signed,
        )
