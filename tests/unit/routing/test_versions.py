"""Every version of the rules stays, with who made it, when and why."""

import pytest

from cami.errors import Conflict, Invalid, NotFound
from cami.routing import InvalidRules, Versions
from cami.routing.reading import Known
from tests.unit.routing.conftest import rule

ONE = rule("{tag: Modality, equals: CT}", "{send_to: rsc}", "Первое")
TWO = rule("{tag: Modality, equals: MR}", "{send_to: rsc}", "Первое")


def add(versions, content, base, why="почему"):
    return versions.add(content, base=base, why=why, who="adm.42001")


def test_at_first_there_are_none(proxy):
    force = proxy.versions.in_force()
    assert (force.version, force.rules.rules, proxy.versions.latest()) == (0, (), None)


def test_each_change_is_a_version(proxy):
    versions = proxy.versions
    assert add(versions, ONE, 0, "сосудистый центр просит") == 1
    proxy.clock.pass_(days=1)
    assert add(versions, TWO, 1) == 2
    assert [(v.version, v.why, v.made_by) for v in versions.history()] == [
        (2, "почему", "adm.42001"),
        (1, "сосудистый центр просит", "adm.42001"),
    ]
    assert versions.get(1).content == ONE
    assert [line for line in versions.changes(2) if line[0] in "+-"] == [
        "-    when: {tag: Modality, equals: CT}",
        "+    when: {tag: Modality, equals: MR}",
    ]
    assert all(line.startswith(("@@", "+")) for line in versions.changes(1))
    assert versions.in_force().rules.rules[0].when.equals == "MR"


def test_going_back_is_a_version_too(proxy):
    versions = proxy.versions
    add(versions, ONE, 0)
    add(versions, TWO, 1)
    assert versions.restore(1, base=2, why="ошибка", who="adm.42001") == 3
    latest = versions.latest()
    assert (latest.version, latest.content, latest.restored) == (3, ONE, 1)
    assert [v.version for v in versions.history()] == [3, 2, 1]


def test_a_change_of_something_else_than_is_in_force_is_refused(proxy):
    add(proxy.versions, ONE, 0)
    with pytest.raises(Conflict, match="version 1"):
        add(proxy.versions, TWO, 0)
    assert proxy.versions.latest().version == 1


def test_wrong_rules_and_changes_without_a_reason_are_refused(proxy):
    with pytest.raises(InvalidRules):
        add(proxy.versions, rule("{tag: Nope, exists: true}", "{priority: P0}"), 0)
    for why in ("", "  ", "a" * 1001):
        with pytest.raises(Invalid, match="say why"):
            add(proxy.versions, ONE, 0, why)
    with pytest.raises(NotFound):
        proxy.versions.restore(7, base=0, why="x", who="x")
    assert proxy.versions.latest() is None


def test_rules_that_name_a_destination_which_is_gone_do_not_hold(proxy):
    add(proxy.versions, ONE, 0)
    without = Versions(proxy.engine, proxy.clock, Known([], []))
    force = without.in_force()
    assert force.rules.rules == ()
    assert 'there is no destination "rsc"' in force.trouble
