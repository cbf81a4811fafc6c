"""Who is who: by numbers, never by names; merging can be undone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cami.errors import Conflict
from cami.orders import ENP, SNILS, Identifier, Kind, Person, canonical
from cami.orders.identifiers import enp_ok, snils_ok

MIS = "urn:oid:1.2.643.5.1.13.13.12.2.42.9999.100.1.1.10"
OTHER_MIS = "urn:oid:1.2.643.5.1.13.13.12.2.42.9999.100.2.1.10"


def person(number, *, system=MIS, family="Тестова", birth="1961-03-14", sex="F", snils="", enp=""):
    numbers = [Identifier(system, number)] if number else []
    numbers += [canonical(SNILS, snils)] if snils else []
    numbers += [canonical(ENP, enp)] if enp else []
    return Person(family, "Анна", "Петровна", birth, sex, tuple(numbers))


def put(centre, who, **more):
    with centre.engine.begin() as connection:
        return centre.patients.put(connection, who, "mis:kuzdrav", **more)


def merge(centre, source, target):
    with centre.engine.begin() as connection:
        return centre.patients.merge(connection, source.key, target.key, "mis:kuzdrav")


def unmerge(centre, source):
    with centre.engine.begin() as connection:
        return centre.patients.unmerge(connection, source.key, "mis:kuzdrav")


def test_the_number_in_the_mis_is_the_patient(centre):
    first = put(centre, person("1"))
    again = put(centre, person("1", family="Замужняя"))
    assert first.created
    assert not again.created
    assert again.changed
    assert again.patient.key == first.patient.key
    assert (again.patient.person.family, again.patient.version) == ("Замужняя", 2)
    assert not put(centre, person("1", family="Замужняя")).changed


def test_names_and_birth_dates_alone_never_join(centre):
    assert put(centre, person("1")).patient.key != put(centre, person("2")).patient.key
    assert put(centre, person("")).patient.key != put(centre, person("")).patient.key


def test_another_mis_knows_the_same_person_by_snils(centre):
    one = put(centre, person("1", snils="700-123-456 18"))
    other = put(centre, person("77", system=OTHER_MIS, snils="70012345618"))
    assert other.patient.key == one.patient.key
    assert {each.value for each in other.patient.person.identifiers} == {"1", "77", "70012345618"}


def test_a_snils_with_another_birth_date_is_a_contradiction(centre):
    put(centre, person("1", snils="70012345618"))
    other = put(centre, person("77", system=OTHER_MIS, snils="70012345618", birth="1990-01-01"))
    assert other.created
    assert "snils-contradicts" in other.warnings


def test_two_cards_of_one_mis_stay_two(centre):
    one = put(centre, person("1", enp="4200000000000018"))
    assert put(centre, person("2", enp="4200000000000018")).patient.key != one.patient.key


def test_wrong_check_digits_warn_and_join_nothing(centre):
    one = put(centre, person("1", snils="70012345600"))
    assert one.warnings == ("snils-checksum",)
    assert put(centre, person("77", system=OTHER_MIS, snils="70012345600")).created


def test_merging_is_a_pointer_and_can_be_undone(centre):
    one, two, three = (put(centre, person(number)).patient for number in "123")
    merge(centre, one, two)
    merge(centre, two, three)
    assert centre.patients.standing_for(one.key).key == three.key
    assert set(centre.patients.everybody(one.key)) == {one.key, two.key, three.key}
    with pytest.raises(Conflict):
        put(centre, person("1", family="Другая"))
    with pytest.raises(Conflict):
        merge(centre, three, one)  # a circle
    unmerge(centre, two)
    assert centre.patients.everybody(one.key) == [two.key, one.key]
    assert centre.patients.everybody(three.key) == [three.key]
    unmerge(centre, one)
    assert put(centre, person("1", family="Другая")).changed
    kinds = [event.kind for event in centre.events.after(0, (), 100)]
    assert kinds == ["patient.merged", "patient.merged", "patient.unmerged", "patient.unmerged", "patient.changed"]


def test_what_was_merged_long_ago_stays(centre):
    one, two = (put(centre, person(number)).patient for number in "12")
    merge(centre, one, two)
    centre.clock.pass_(days=91)
    with pytest.raises(Conflict):
        unmerge(centre, one)


def test_numbers_of_two_patients_in_one_message_are_a_conflict(centre):
    put(centre, person("1"))
    put(centre, person("7", system=OTHER_MIS))
    with pytest.raises(Conflict):
        put(centre, Person("Х", identifiers=(Identifier(MIS, "1"), Identifier(OTHER_MIS, "7"))))


def test_a_stale_version_is_refused(centre):
    put(centre, person("1"))
    put(centre, person("1", family="Вторая"), version=1)
    with pytest.raises(Conflict):
        put(centre, person("1", family="Третья"), version=1)


@pytest.mark.parametrize("snils", ["700-123-456 18", "70012345719", "700-123-458 20", "001-001-998 00"])
def test_known_snils_are_right(snils):
    assert snils_ok(snils)


@given(st.integers(1001999, 999999999), st.integers(0, 99))
def test_at_most_one_check_number_fits(number, check):
    fitting = [each for each in range(100) if snils_ok(f"{number:09}{each:02}")]
    assert len(fitting) == 1
    assert snils_ok(f"{number:09}{check:02}") == (check in fitting)


@given(st.integers(0, 10**15 - 1))
def test_exactly_one_digit_fits_an_enp(number):
    assert sum(enp_ok(f"{number:015}{digit}") for digit in range(10)) == 1


def test_other_names_of_systems_are_known():
    assert canonical("https://fhir.ru/ig/core/systems/snils", "700-123-456 18") == Identifier(SNILS, "70012345618")
    assert Identifier(MIS, "1").kind is Kind.MIS
    assert Identifier("urn:oid:1.2.3.100.1.1.59", "1").kind is Kind.OTHER
    assert enp_ok("4200000000000018")
