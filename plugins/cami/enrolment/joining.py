"""A proxy joins the centre: a key is made here, a request for a certificate goes there with the code, an answer comes.

Called again it does no harm: who has joined is told so; an answer that was lost is asked for again with the same key.
"""

from dataclasses import dataclass
from datetime import datetime

import requests

from cami.enrolment.link_file import LinkFile
from cami.errors import Invalid
from cami.settings import Settings

PATH = "/cami/join/v1"
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Failure(Exception):
    """It did not work: what is wrong, and what to do, in the engineer's language."""

    problem: str
    remedy: str


def join(settings: Settings, code: str) -> datetime:
    """Join with a code; return until when the certificate is good.

    Raises
    ------
    Failure
        The proxy has not joined.
    """
    file = LinkFile(settings.link)
    body = {"mo": settings.mo, "code": code, "request": file.request(settings.mo)}
    try:
        answer = requests.post(
            settings.central_url + PATH,
            json=body,
            timeout=_SECONDS,
            verify=str(settings.central_ca) if settings.central_ca else True,
            allow_redirects=False,
        )
    except requests.exceptions.SSLError as error:
        raise Failure(
            f"сертификат центра {settings.central_url} не принят",
            "комплект собран для другого адреса или центра: получите новый комплект у администратора ЦАМИ",
        ) from error
    except requests.RequestException as error:
        raise Failure(
            f"центр {settings.central_url} не отвечает",
            "проверьте защищённую сеть (ViPNet) и межсетевой экран: нужен исходящий TCP до этого адреса",
        ) from error
    if answer.status_code != 200:
        raise _refused(answer.status_code)
    try:
        file.accept(str(answer.json()["certificate"]))
    except (ValueError, KeyError, Invalid) as error:
        raise Failure("ответ центра не понят", "сообщите администратору ЦАМИ: по пути что-то стоит") from error
    certified = file.certified()
    if certified is None:
        raise Failure("сертификат не записан", "проверьте место на диске и запустите ещё раз")
    return certified.until


def _refused(status: int) -> Failure:
    if status == 403:
        return Failure(
            "код не подошёл: он неверен, уже использован, просрочен или выдан другой МО",
            "проверьте, как он введён; новый код выдаёт администратор ЦАМИ (scripts/cami mo code, страница «PACS МО»)",
        )
    if status in (429, 503):  # Orthanc has no 429 to send
        return Failure("слишком много попыток", "подождите минуту и запустите ещё раз")
    if status == 500:
        return Failure("центр не готов подключать МО", "администратору ЦАМИ: scripts/cami ca init")
    return Failure(f"центр ответил {status}", "сообщите администратору ЦАМИ")
