"""Random МО, studies and questions: the index answers as a naive model that looks at every study."""

import re
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cami.archive import orthanc_id
from cami.db.tables import metadata
from cami.index import Asked, Beyond, Page, Scope, StudyIndex, search
from cami.index.folding import Pattern, fold, fold_name, is_cyrillic, latin
from cami.index.search import place
from cami.index.source import Kept, study_row
from tests.unit.index.archive import PATIENT, SERIES, STUDY

OWNERS = ["42001", "42002", ""]
KEPT = Kept(frozenset(STUDY), frozenset(PATIENT), frozenset(SERIES))
DATES = ["20260101", "20260102", "20260131", "20250630", "", "2026"]
WORDS = [
    "Иванов",
    "иваненко",
    "СЁМИН",
    "Семина",
    "Юрий",
    "Yuriy",
    "IVANOV",
    "O'Neil",
    "Ли",
    "Li",
    "Щукин",
    "100%",
    "a_b!",
]
IDS = ["P1", "p1", "P2", "P-10", "", "7%", "7_"]
CODES = ["CT", "MR", "SR", "us"]
TEXTS = ["Грудь", "грудь прямая", "CHEST", ""]

words = st.sampled_from(WORDS)
names = st.one_of(
    st.just(""), st.lists(words, min_size=1, max_size=3).map("^".join), words.map(lambda word: word + "^^")
)
series = st.tuples(st.sampled_from(CODES), st.sampled_from(TEXTS), st.sampled_from(["1", "2", "10"]))
studies = st.lists(
    st.fixed_dictionaries(
        {
            "owner": st.sampled_from(OWNERS),
            "PatientName": names,
            "PatientID": st.sampled_from(IDS),
            "StudyDate": st.sampled_from(DATES),
            "StudyTime": st.sampled_from(["", "080000", "230000"]),
            "AccessionNumber": st.sampled_from(IDS),
            "StudyDescription": st.sampled_from(TEXTS),
            "series": st.lists(series, max_size=3),
        }
    ),
    max_size=12,
)


def with_wildcards(texts):
    """Cut a text, and put wildcards where it was cut."""
    return st.tuples(
        texts, st.integers(0, 4), st.integers(0, 4), st.sampled_from(["{}*", "*{}*", "*{}", "{}", "?{}", "{}?*"])
    ).map(lambda made: made[3].format(made[0][made[1] : len(made[0]) - made[2]]))


questions = st.fixed_dictionaries(
    {},
    optional={
        "PatientName": with_wildcards(names),
        "PatientID": st.one_of(with_wildcards(st.sampled_from(IDS)), st.just("P1\\P2")),
        "StudyDate": st.sampled_from(["20260101", "20260101-", "-20260101", "20251231-20260102", ""]),
        "AccessionNumber": with_wildcards(st.sampled_from(IDS)),
        "ModalitiesInStudy": st.sampled_from(["CT", "ct", "MR\\SR", "XA"]),
        "StudyDescription": with_wildcards(st.sampled_from(TEXTS)),
    },
)
of_series = st.fixed_dictionaries(
    {}, optional={"Modality": st.sampled_from(["CT", "ct\\sr", "S*"]), "SeriesNumber": st.sampled_from(["1", "2"])}
)


def regex(pattern):
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(letter) or re.escape(letter) for letter in pattern), re.DOTALL)


def matches_text(asked, value):
    if "\\" in asked:
        return fold(value) in [fold(one) for one in asked.split("\\")]
    return regex(fold(asked)).fullmatch(fold(value)) is not None


def matches_name(asked, value):
    plain = re.sub(r"[\s^=]+", " ", asked.lower().replace("ё", "е")).lstrip()
    plain = plain if plain.endswith(("*", " ")) else plain + " "
    folded = fold_name(value)
    across = regex(latin(plain)).fullmatch(latin(folded)) is not None
    if is_cyrillic(plain) and is_cyrillic(folded):
        across = False
    return regex(plain).fullmatch(folded) is not None or across


def matches_date(asked, value):
    first, dash, last = asked.partition("-")
    if not dash:
        return value == asked
    return (value >= first if first else True) and (value <= last if last else True)


def matches(study, query):
    for key, asked in query.items():
        if asked.strip("*") == "":
            continue
        if key == "PatientName":
            hit = matches_name(asked, study[key])
        elif key == "StudyDate":
            hit = matches_date(asked, study[key])
        elif key == "ModalitiesInStudy":
            hit = bool({code.lower() for code in asked.split("\\")} & {one[0].lower() for one in study["series"]})
        else:
            hit = matches_text(asked, study[key])
        if not hit:
            return False
    return True


def series_match(one, query):
    code, _, number = one
    modality = query.get("Modality")
    return (modality is None or matches_text(modality, code)) and query.get("SeriesNumber", number) == number


class Fresh:
    kept = KEPT
    state = "fresh"


@pytest.fixture
def fill(engine, store, own):
    def put(drawn):
        """Put the drawn studies into the index; return them with what they are called there."""
        with engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        known = []
        for number, study in zip(count(), drawn, strict=False):
            uid = f"1.2.{number}"
            study_id = orthanc_id(study["PatientID"], uid)
            if study["owner"]:
                own(study["owner"], study_id, uid)
            tags = {"0020,000d": {"Name": "StudyInstanceUID", "Type": "String", "Value": uid}}
            for tag, name in (STUDY | PATIENT).items():
                if name in study:
                    tags[tag] = {"Name": name, "Type": "String", "Value": study[name]}
            children = [
                {
                    "ID": orthanc_id(uid, str(place)),
                    "RequestedTags": {
                        "0008,0060": {"Name": "Modality", "Value": code},
                        "0008,103e": {"Name": "SeriesDescription", "Value": description},
                        "0020,0011": {"Name": "SeriesNumber", "Value": number},
                        "0020,000e": {"Name": "SeriesInstanceUID", "Value": f"{uid}.{place}"},
                    },
                    "Instances": ["x"] * place,
                }
                for place, (code, description, number) in enumerate(study["series"])
            ]
            resource = {"ID": study_id, "ParentPatient": orthanc_id(study["PatientID"]), "RequestedTags": tags}
            store.write({study_id: study_row(resource, children)})
            known.append(study | {"id": study_id, "uid": uid, "children": [child["ID"] for child in children]})
        return known

    return put


def newest_first(study):
    return study["StudyDate"] or " ", study["StudyTime"], study["id"]


@pytest.mark.parametrize("few", [search.FEW, 0], ids=["few names", "many names"])
def test_the_index_answers_as_the_model(engine, fill, grant, monkeypatch, few):
    # With 0, names and grants are always compared while studies are gone through.
    monkeypatch.setattr(search, "FEW", few)
    index = StudyIndex(engine, Fresh())

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(
        studies,
        st.lists(st.tuples(questions, of_series), min_size=1, max_size=6),
        st.sampled_from(OWNERS[:2]),
        st.booleans(),
        st.builds(Page, st.integers(0, 3), st.integers(0, 4)),
    )
    def check(drawn, asked, mo, shared, part):
        known = sorted(fill(drawn), key=newest_first, reverse=True)
        shares = [study for study in known[::3] if shared and study["owner"]]
        visible = [study for study in known if study["owner"] == mo or study in shares]
        scope = Scope(mo, grant(mo, [(study["owner"], study["uid"]) for study in shares]))
        for query, more in asked:
            expected = [study for study in visible if matches(study, query)]
            wanted = Asked("studies", query)
            if (
                "PatientName" in query
                and Pattern.of_name(query["PatientName"]) is None
                and query["PatientName"].strip("*")
            ):
                with pytest.raises(Beyond):
                    index.find(scope, wanted, Page())
                continue
            assert ids(index.find(scope, wanted, Page())) == [study["id"] for study in expected]
            assert index.count(scope, wanted) == len(expected)
            assert ids(index.find(scope, wanted, part)) == cut([study["id"] for study in expected], part)
            below = [
                key
                for study in expected
                for key, one in sorted(zip(study["children"], study["series"], strict=True), reverse=True)
                if series_match(one, more)
            ]
            wanted = Asked("series", query | more)
            assert ids(index.find(scope, wanted, Page())) == below
            assert ids(index.find(scope, wanted, part)) == cut(below, part)
            assert index.count(scope, wanted) == len(below)

    check()


def ids(hits):
    return [hit.resource for hit in hits]


def cut(found, page):
    return found[page.since :][: page.limit or None]


def test_pages_by_place_join_to_the_whole(engine, fill):
    drawn = [
        {"owner": "42001", "PatientID": f"P{number}", "PatientName": "A", "StudyDate": DATES[number % 3],
         "StudyTime": "", "AccessionNumber": "", "StudyDescription": "", "series": [("CT", "", "1")] * 2}
        for number in range(10)
    ]  # fmt: skip
    fill(drawn)
    rows = search.IndexSearch(engine)
    for level in ("studies", "series"):
        criteria = search.Criteria.read(level, {}, {})
        whole = [place(row) for row in rows.rows(Scope("42001"), criteria, Page(), whole=False)]
        joined, after = [], None
        while page := rows.rows(Scope("42001"), criteria, Page(limit=3, after=after), whole=False):
            joined += map(place, page)
            after = joined[-1]
        assert joined == whole
        assert len(whole) == (10 if level == "studies" else 20)
