"""«Консультации»: what each side sees and presses, over real requests; in Russian, and whole in English."""

import base64
import csv
import io
import re
import zipfile
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.serialization import pkcs7

from cami.consultations import Beats, Desk, Diagnoses, Statistics
from cami.consultations.request import ChosenStudy
from cami.errors import Conflict, NotFound
from cami.portal.consultation_page import ConsultationPage
from cami.portal.consultation_rows import Rows
from cami.portal.consultation_statistics_page import ConsultationStatisticsPage
from cami.portal.consultations_page import ConsultationsPage
from cami.portal.entry import Entry
from cami.portal.pages import Pages
from cami.portal.provider_signing import ProviderSigning
from cami.retrieval import Whereabouts
from cami.web import Request
from tests.unit.consultations.conftest import (
    CONSULTANT,
    DISPATCHER,
    DOCTOR,
    EARLIER,
    NEIGHBOUR,
    OPERATOR,
    SECOND,
    STUDY,
    build,
    engine,
    open_grants,
    sent,
    template,
)  # fmt: skip
from tests.unit.consultations.test_documents import RSA, cms

from .conftest import settings

__all__ = ["engine", "template"]  # fixtures
BASE = "/cami/consultations"
CYRILLIC = re.compile("[А-Яа-яЁё]+")


class Shelf:
    """The catalogue of studies, as far as the pages ask it."""

    def __init__(self, shelf):
        self.find = shelf.find

    def of_patient(self, mo, columns):
        return [ChosenStudy(uid, f"id-{uid}", mo, modalities="CT", description="КТ") for uid in (STUDY, EARLIER)]

    def whereabouts(self, study):
        return Whereabouts(study.study_id, study.study_uid, study.owner, 180, 600, whole=False)


class Portal:
    """The pages of one centre; `person` is who is signed in."""

    def __init__(self, centre):
        self.centre = centre
        self.person = None
        consulting = SimpleNamespace(
            consultations=centre.consultations, answers=centre.answers, desk=Desk(centre.engine, centre.clock),
            notices=centre.notices, beats=Beats(centre.engine, hold=0),
            diagnoses=Diagnoses(centre.engine), catalogue=Shelf(centre.shelf),
            statistics=Statistics(centre.engine, centre.routes),
            council=centre.council, provider_for=lambda login: self.providers.get(login, ""),
        )  # fmt: skip
        self.providers = {}
        self.signing = ProviderSigning(consulting, self)
        consulting.diagnoses.ensure()
        pages = Pages(settings(), centre.region)
        rows = Rows(pages, centre.routes)
        entry = Entry(pages, self, "central")
        self.endpoints = [
            *ConsultationsPage(pages, consulting, rows, centre.clock).endpoints(entry),
            *ConsultationStatisticsPage(pages, consulting, centre.clock).endpoints(entry),
            *ConsultationPage(pages, consulting, rows, centre.clock).endpoints(entry),
        ]

    def identify(self, headers):
        return self.person

    def _ask(self, request):
        for endpoint in self.endpoints:
            found = re.fullmatch(endpoint.pattern, request.path)
            if found:
                groups = {"method": request.method, "headers": request.headers, "query": request.query}
                return endpoint.handler(Request(path=request.path, body=request.body, groups=found.groups(), **groups))
        raise AssertionError(request.path)

    def get(self, person, path, language="ru", **query):
        self.person = person
        cookie = {"cookie": f"i18next={'en-US' if language == 'en' else 'ru'}"}
        return self._ask(Request("GET", path, cookie, query)).body.decode()

    def post(self, person, path, **form):
        self.person = person
        headers = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
        answer = self._ask(Request("POST", path, headers, body=urlencode(form, doseq=True).encode()))
        headers = dict(answer.headers)
        return headers.get("Location") or answer.body.decode()


@pytest.fixture
def portal(engine):
    centre = build(engine)
    yield Portal(centre)
    centre.trail.close()


def test_the_way_through_the_pages(portal):
    address = portal.post(DOCTOR, f"{BASE}/new", study=STUDY)
    assert address == f"{BASE}/1"
    draft = portal.get(DOCTOR, address)
    assert "Иванов Пётр" in draft
    told = portal.post(DOCTOR, address, step="send", version=1, study=[STUDY], urgency="urgent", question="Что это?")
    assert "Выберите профиль." in told
    assert "Отметьте согласие пациента" in told
    assert "Что это?" in told
    version = re.search(r'name="version" value="(\d+)"', told)[1]
    given = {"urgency": "urgent", "profile": "radiology", "route": "radiology-centre", "question": "Что это?"}
    sent_to = portal.post(DOCTOR, address, step="send", version=version, study=[STUDY, EARLIER], consent="on", **given)
    assert sent_to == f"{address}?done=send"
    assert "Заявка отправлена." in portal.get(DOCTOR, address, done="send")

    queue = portal.get(CONSULTANT, BASE, view="queue")
    assert "Взять в работу" in queue
    assert "Иванов Пётр" in queue
    assert portal.post(CONSULTANT, address, step="take") == address
    late = portal.post(SECOND, address, step="take")
    assert "Заявку уже взяли" in late
    assert "Мнениев" in late
    page = portal.get(CONSULTANT, address)
    assert "получено 180 из 600" in page
    assert "Ваше заключение" in page
    assert "/ohif/viewer?StudyInstanceUIDs=1.2.3%2C1.2.4" in page
    refused = portal.post(CONSULTANT, address, step="sign", revision=0, conclusion="Норма", password="не тот")
    assert "Неверный пароль" in refused
    done = portal.post(CONSULTANT, address, step="sign", revision=1, conclusion="Норма", password="ключ")
    assert done == f"{address}?done=sign"
    answer = portal.get(DOCTOR, address)
    assert "Норма" in answer
    assert "подписано простой электронной подписью" in answer
    assert open_grants(portal.centre) == set()


def test_the_dispatcher_is_shown_no_patient(portal):
    number = sent(portal.centre, history="Живёт по адресу")
    for page in (portal.get(DISPATCHER, BASE), portal.get(DISPATCHER, f"{BASE}/{number}")):
        assert "Есть ли кровоизлияние?" in page
        assert "Иванов" not in page
        assert "К-17" not in page
        assert "по адресу" not in page


def test_strangers_find_no_page(portal):
    number = sent(portal.centre)
    assert "Иванов" not in portal.get(NEIGHBOUR, f"{BASE}/{number}")
    assert "Есть ли" not in portal.get(OPERATOR, f"{BASE}/{number}")


def test_a_forged_form_does_nothing(portal):
    number = sent(portal.centre)
    portal.person = CONSULTANT
    headers = {"sec-fetch-site": "cross-site"}
    portal._ask(Request("POST", f"{BASE}/{number}", headers, body=b"step=take"))
    assert portal.centre.consultations.find(DOCTOR, number).request.consultant == ""


def test_what_was_typed_is_not_lost_when_another_window_was_quicker(portal):
    number = sent(portal.centre)
    portal.post(CONSULTANT, f"{BASE}/{number}", step="take")
    portal.post(CONSULTANT, f"{BASE}/{number}", step="answer", revision=0, conclusion="Первое")
    told = portal.post(CONSULTANT, f"{BASE}/{number}", step="answer", revision=0, conclusion="Второе")
    assert "Более новый текст" in told
    assert "Второе" in told


def test_every_page_is_whole_in_english(portal):
    number = sent(portal.centre)
    pages = [
        portal.get(DISPATCHER, BASE, "en"),
        portal.get(CONSULTANT, BASE, "en", view="queue"),
        portal.get(OPERATOR, f"{BASE}/statistics", "en"),
    ]
    portal.post(CONSULTANT, f"{BASE}/{number}", step="take")
    pages += [portal.get(CONSULTANT, f"{BASE}/{number}", "en"), portal.get(DOCTOR, f"{BASE}/{number}", "en")]
    portal.post(DOCTOR, f"{BASE}/new", study=STUDY)
    pages.append(portal.get(DOCTOR, f"{BASE}/{number + 1}", "en"))
    data = {
        "Иванов", "Пётр", "Терапевтов", "Мнениев", "Советова", "Диспетчер", "Оператор", "ГБ", "Районная", "больница",
        "Консультативный", "центр", "Рентгенология", "Нейрохирургия", "Онкология", "Русский", "рентгенология",
        "узкие", "специалисты", "Через", "диспетчера", "Соседи", "КТ", "Есть", "ли", "кровоизлияние", "головного",
        "мозга", "МРТ", "позвоночника", "Рентгенография", "органов", "грудной", "клетки", "Маммография", "УЗИ",
        "брюшной", "полости", "ЦАМИ", "Кузбасса",
    }  # fmt: skip
    for page in pages:
        words = {word for word in CYRILLIC.findall(re.sub(r"<[^>]+>", " ", page)) if len(word) > 1}
        assert words <= data, words - data


def test_the_tables_of_statistics_say_the_same(portal):
    sent(portal.centre)
    number = sent(portal.centre, urgency="stat")
    portal.post(CONSULTANT, f"{BASE}/{number}", step="reject", reason="poor-images")
    page = portal.get(OPERATOR, f"{BASE}/statistics", by="urgency")
    assert "Почему отклонены: Качество снимков не позволяет ответить 1" in page
    assert page.count("<svg") == 2  # by day, and why refused: nothing was answered yet
    assert "Иванов" not in page
    portal.person = OPERATOR
    text = portal._ask(Request("GET", f"{BASE}/statistics.csv", {}, {"by": "urgency"})).body.decode("utf-8-sig")
    head, stat, urgent, total = csv.reader(io.StringIO(text), delimiter=";")
    assert (head[0], stat[0], urgent[0], total[0]) == ("Срочность", "Экстренная", "Неотложная", "Всего")
    assert total[1] == "2"
    book = portal._ask(Request("GET", f"{BASE}/statistics.xlsx", {}, {"by": "mo"})).body
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        assert "ГБ № 1" in parts.read("xl/sharedStrings.xml").decode()
    paper = portal._ask(Request("GET", f"{BASE}/statistics.pdf", {}, {"by": "mo", "urgency": "stat"}))
    assert paper.content_type == "application/pdf"
    assert paper.body.startswith(b"%PDF-1.4")
    assert b"pdfaid" in paper.body
    assert "Иванов".encode("utf-16-be") not in paper.body


def test_load_is_counted_in_units_of_the_region(portal):
    portal.centre.routes._units = {"CT": 3.0}
    number = sent(portal.centre)
    portal.post(CONSULTANT, f"{BASE}/{number}", step="take")
    portal.post(CONSULTANT, f"{BASE}/{number}", step="answer", conclusion="Нет.", revision="0")
    portal.post(CONSULTANT, f"{BASE}/{number}", step="sign", conclusion="Нет.", password="ключ", revision="1")
    portal.person = OPERATOR
    text = portal._ask(Request("GET", f"{BASE}/statistics.csv", {}, {"by": "consultant"})).body.decode("utf-8-sig")
    head, mine, total = csv.reader(io.StringIO(text), delimiter=";")
    assert dict(zip(head, mine, strict=True))["Усл. ед."] == dict(zip(head, total, strict=True))["Усл. ед."] == "3.0"


def read(portal, who, address, conclusion, **more):
    """Take a request, type and sign."""
    portal.post(who, address, step="take")
    given = {"conclusion": conclusion, "pathology": "yes", "password": "ключ"} | more
    return portal.post(who, address, step="sign", **given)


def test_a_double_reading_on_the_pages(portal):
    address = f"{BASE}/{sent(portal.centre, kind='double-reading')}"
    told = portal.post(CONSULTANT, address, step="take") and portal.post(
        CONSULTANT, address, step="sign", conclusion="Узел слева", password="ключ"
    )
    assert "отметьте, выявлена ли патология" in told
    assert read(portal, CONSULTANT, address, "Узел слева") == f"{address}?done=read"
    assert "Чтение подписано." in portal.get(CONSULTANT, address, done="read")
    assert "Взять в работу" not in portal.get(CONSULTANT, BASE, view="queue")
    for page in (portal.get(SECOND, BASE, view="queue"), portal.get(SECOND, address), portal.get(DOCTOR, address)):
        assert "Узел слева" not in page
    portal.post(SECOND, address, step="take")
    page = portal.get(SECOND, address)
    assert "Двойное чтение, второе чтение" in page
    assert "будет видно, когда подписаны оба" in page
    assert "Узел слева" not in page
    portal.post(SECOND, address, step="sign", conclusion="Образование", pathology="yes", password="ключ")
    page = portal.get(SECOND, address)
    assert "Узел слева" in page
    assert "Сопоставление чтений" in page
    assert "Итоговое заключение" in page
    assert "Насколько совпадают заключения" in page
    assert "Записать мнение" not in page
    told = portal.post(SECOND, address, step="sign", conclusion="Узел", pathology="yes", password="ключ")
    assert "Отметьте, насколько заключения совпадают." in told
    done = portal.post(
        SECOND, address, step="sign", conclusion="Узел", pathology="yes", password="ключ", agreed="remarks"
    )
    assert done == f"{address}?done=sign"
    page = portal.get(DOCTOR, address)
    assert "Узел" in page
    assert "Узел слева" not in page
    assert "Образование" not in page
    assert "Замечания" in page
    statistics = portal.get(OPERATOR, f"{BASE}/statistics")
    assert "Двойное чтение: 1" in statistics
    assert "100 %" in statistics


def test_a_third_reader_decides_on_the_pages(portal):
    address = f"{BASE}/{sent(portal.centre, kind='double-reading')}"
    read(portal, CONSULTANT, address, "Узел слева", critical="on")
    assert "Один из читающих отметил критическую находку" in portal.get(DOCTOR, address)
    assert "критическую" not in portal.get(SECOND, address).lower().replace("критическая находка: лечащий врач", "")
    read(portal, SECOND, address, "Норма", pathology="no")
    assert "третье чтение" in portal.get(DISPATCHER, address)
    portal.post(DISPATCHER, address, step="redirect", mo="42002", text="третий читающий")
    portal.post(NEIGHBOUR, address, step="take")
    page = portal.get(NEIGHBOUR, address)
    assert "Узел слева" in page
    assert "С кем вы согласны" in page
    english = portal.get(NEIGHBOUR, address, "en")
    assert "With whom you agree" in english
    portal.post(
        NEIGHBOUR, address, step="sign", conclusion="Узел", pathology="yes", password="ключ", agreed="first",
        critical="on",
    )  # fmt: skip
    page = portal.get(DOCTOR, address)
    assert "третий читающий согласен с первым" in page
    assert "подтвердить до" in page
    assert "Третий читающий: согласен с первым чтением" in portal.get(OPERATOR, f"{BASE}/statistics")


def test_a_review_shows_what_is_reviewed(portal):
    first = sent(portal.centre)
    read(portal, CONSULTANT, f"{BASE}/{first}", "Патологии нет", pathology="no")
    address = portal.post(DOCTOR, f"{BASE}/new", study=STUDY, based_on=first)
    given = {"urgency": "urgent", "profile": "radiology", "route": "radiology-centre", "question": "Так ли?"}
    portal.post(DOCTOR, address, step="send", study=[STUDY], consent="on", kind="second-opinion", **given)
    portal.post(SECOND, address, step="take")
    page = portal.get(SECOND, address)
    assert "Пересматривается" in page
    assert "Патологии нет" in page
    portal.post(SECOND, address, step="sign", conclusion="Узел", password="ключ", agreed="significant")
    assert "Клинически значимое расхождение" in portal.get(DOCTOR, address)
    assert "ваше заключение пересмотрено" in portal.get(CONSULTANT, BASE)


def test_who_has_no_password_here_signs_through_the_provider(portal):
    number = sent(portal.centre)
    address = f"{BASE}/{number}"
    portal.providers[CONSULTANT.login] = "МИАС"
    portal.post(CONSULTANT, address, step="take")
    page = portal.get(CONSULTANT, address)
    assert "Ваш пароль" not in page
    assert "login/provider/sign" not in page
    assert portal.post(CONSULTANT, address, step="prepare", conclusion="Норма") == address
    page = portal.get(CONSULTANT, address)
    assert "ещё раз и подписать" in page
    sha256 = re.search(r"sha256=([0-9a-f]{64})", page)[1]
    with pytest.raises(NotFound):  # no visit is bound to it yet
        portal.signing.sign(CONSULTANT, address, "visit", "МИАС")
    with pytest.raises(NotFound):  # nor can somebody else's document be
        portal.signing.bind(SECOND, number, sha256, "visit")
    portal.signing.bind(CONSULTANT, number, sha256, "visit")
    with pytest.raises(NotFound):
        portal.signing.sign(CONSULTANT, address, "another visit", "МИАС")
    portal.post(CONSULTANT, address, step="answer", conclusion="Другое", revision=1)
    with pytest.raises(Conflict):  # what was typed since is not what was shown
        portal.signing.sign(CONSULTANT, address, "visit", "МИАС")
    portal.post(CONSULTANT, address, step="prepare", conclusion="Норма", revision=2)
    sha256 = re.search(r"sha256=([0-9a-f]{64})", portal.get(CONSULTANT, address))[1]
    portal.signing.bind(CONSULTANT, number, sha256, "third")
    assert portal.signing.sign(CONSULTANT, address, "third", "МИАС") == "sign"
    assert "повторный вход через «МИАС»" in portal.get(DOCTOR, address)
    assert portal.centre.answers.versions(number)[0].sha256 == sha256


def test_a_signature_made_outside_is_attached_on_the_page(portal):
    address = f"{BASE}/{sent(portal.centre)}"
    portal.post(CONSULTANT, address, step="take")
    assert portal.post(CONSULTANT, address, step="prepare-outside", conclusion="Норма") == address
    page = portal.get(CONSULTANT, address)
    assert "Приложить подпись и отправить" in page
    sha256 = re.search(r'name="sha256" value="([0-9a-f]{64})"', page)[1]
    document = portal.centre.answers.prepared(CONSULTANT, int(address.rpartition("/")[2])).document
    for wrong, said in (("это не подпись", "Это не подпись"), ("bm9uc2Vuc2U=", "Это не подпись")):
        told = portal.post(CONSULTANT, address, step="attach-signature", sha256=sha256, signature=wrong)
        assert said in told
    signature = cms(document, RSA, pkcs7.PKCS7Options.Binary)
    pem = "-----BEGIN CMS-----\n" + base64.encodebytes(signature).decode() + "-----END CMS-----"
    other = base64.b64encode(cms(b"%PDF-other", RSA, pkcs7.PKCS7Options.Binary)).decode()
    told = portal.post(CONSULTANT, address, step="attach-signature", sha256=sha256, signature=other)
    assert "Подписан другой документ" in told
    done = portal.post(CONSULTANT, address, step="attach-signature", sha256=sha256, signature=pem)
    assert done == f"{address}?done=sign"
    page = portal.get(DOCTOR, address)
    assert "электронная подпись проверена (ЦАМИ)" in page
    assert "доверие к сертификату не проверено" in page
