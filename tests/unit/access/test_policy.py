"""The policy, held against the words of the issue and not against its own table."""

import pytest

from cami.access import Action, Role, allowed
from cami.access.policy import TABLE


def test_every_role_has_a_row():
    assert set(TABLE) == set(Role)


@pytest.mark.parametrize("server", ["central", "proxy"])
def test_images_are_for_those_who_treat(server):
    seeing = {role for role in Role if allowed(role, Action.STUDIES_READ, server)}
    treating = {Role.RADIOLOGIST, Role.CLINICIAN, Role.TECHNOLOGIST}
    assert seeing == treating | {Role.REGION_ADMIN} | ({Role.CONSULTANT, Role.GUEST} if server == "central" else set())
    assert {role for role in Role if allowed(role, Action.STUDIES_OWN, server)} >= treating
    assert not allowed(Role.CONSULTANT, Action.STUDIES_OWN, server), "a consultant sees what is granted"
    assert not allowed(Role.GUEST, Action.STUDIES_OWN, server), "whom the МИС sends sees what is granted"


@pytest.mark.parametrize("server", ["central", "proxy"])
def test_delivery_is_followed_by_six_roles(server):
    following = {role for role in Role if allowed(role, Action.DELIVERY_READ, server)}
    assert following == {
        Role.TECHNOLOGIST,
        Role.RADIOLOGIST,
        Role.CLINICIAN,
        Role.MO_ADMIN,
        Role.OPERATOR,
        Role.REGION_ADMIN,
    }


@pytest.mark.parametrize("server", ["central", "proxy"])
def test_studies_are_asked_for_by_who_treats_administers_or_dispatches(server):
    asking = {role for role in Role if allowed(role, Action.RETRIEVAL_REQUEST, server)}
    assert asking == set(Role) - {Role.AUDITOR, Role.GUEST, Role.MIS, Role.MONITOR}


def test_objects_are_stored_by_who_makes_images_or_reads_them():
    for server in ("central", "proxy"):
        storing = {role for role in Role if allowed(role, Action.STUDIES_STORE, server)}
        assert storing == {Role.RADIOLOGIST, Role.TECHNOLOGIST}
    writing = {role for role in Role if allowed(role, Action.DOCUMENTS_STORE, "central")}
    assert writing == {Role.RADIOLOGIST, Role.CONSULTANT}


def test_a_deletion_takes_an_administrator_of_the_owner_and_one_of_the_region():
    """F-56: nobody of an МО deletes; two different people do."""
    confirming = {role for role in Role if allowed(role, Action.REMOVAL_CONFIRM, "central")}
    assert confirming == {Role.MO_ADMIN, Role.REGION_ADMIN}
    marking = {role for role in Role if allowed(role, Action.REMOVAL_MARK, "central")}
    assert marking == {Role.MO_ADMIN, Role.RADIOLOGIST, Role.TECHNOLOGIST}
    for action in (Action.REMOVAL_CONFIRM, Action.REMOVAL_MARK):
        assert not any(allowed(role, action, "proxy") for role in Role)


def test_patients_are_expected_by_the_people_of_a_proxy():
    expecting = {role for role in Role if allowed(role, Action.RETRIEVAL_SCHEDULE, "proxy")}
    assert expecting == {Role.TECHNOLOGIST, Role.MO_ADMIN}
    assert not any(allowed(role, Action.RETRIEVAL_SCHEDULE, "central") for role in Role)


def test_only_the_region_administrator_inspects():
    assert [role for role in Role if allowed(role, Action.ARCHIVE_INSPECT, "central")] == [Role.REGION_ADMIN]


def test_members_stand_in_order_of_the_alphabet():
    assert list(Role) == sorted(Role)
    assert list(Action) == sorted(Action)


@pytest.mark.parametrize(
    ("server", "roles"),
    [
        ("central", {Role.MONITOR, Role.OPERATOR, Role.REGION_ADMIN}),
        ("proxy", {Role.MONITOR, Role.OPERATOR, Role.REGION_ADMIN, Role.MO_ADMIN}),
    ],
)
def test_figures_are_read_by_those_who_watch_over_the_running(server, roles):
    assert {role for role in Role if allowed(role, Action.METRICS_READ, server)} == roles


def test_a_monitoring_system_reads_figures_and_nothing_else():
    assert [action for action in Action if allowed(Role.MONITOR, action, "central")] == [Action.METRICS_READ]


def test_sending_again_is_for_those_who_look_after_a_proxy():
    assert {role for role in Role if allowed(role, Action.DELIVERY_RESEND, "proxy")} == {
        Role.MO_ADMIN,
        Role.TECHNOLOGIST,
    }
    assert not any(allowed(role, Action.DELIVERY_RESEND, "central") for role in Role)
