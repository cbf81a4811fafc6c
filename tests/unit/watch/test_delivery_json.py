"""The list of studies in pages, and what the answer says of each."""

import json

import pytest

from cami.access import Identity, Role
from cami.delivery.order import Priority
from cami.errors import Invalid
from cami.watch.delivery_json import delivery_answer, key_text, selection_of
from cami.watch.progress import Selection, delivery_page
from cami.web import Request

from .conftest import transfer_of
from .test_waiting import fill

SOMEBODY = Identity("lab", "Л", Role.TECHNOLOGIST, "42001")


def ask(side, **query):
    answer = delivery_answer(side.engine, transfer_of(side))(SOMEBODY, Request("GET", "/x", query=query))
    assert answer.status == 200
    return json.loads(answer.body)


def uids(content):
    return [study["study_uid"] for study in content["studies"]]


def test_pages_go_on_where_the_last_one_ended(proxy):
    fill(proxy, 5)
    first = ask(proxy, limit="2")
    assert uids(first) == ["1.5", "1.4"]
    fill(proxy, 6)  # one more study comes in meanwhile: the second page is the same
    second = ask(proxy, limit="2", after=first["next"])
    assert uids(second) == ["1.3", "1.2"]
    third = ask(proxy, limit="2", after=second["next"])
    assert (uids(third), third["next"]) == (["1.1"], None)


def test_studies_of_one_moment_are_all_listed(proxy):
    fill(proxy, 1)
    for number in range(2, 6):
        proxy.archive.store(json.dumps(["P", f"1.{number}", f"1.{number}.1", f"1.{number}.1.1", ""]).encode())
    proxy.feed.advance()
    seen, after = [], ""
    while after is not None:
        page = ask(proxy, limit="2", after=after)
        seen += uids(page)
        after = page["next"]
    assert sorted(seen) == [f"1.{number}" for number in range(1, 6)]


def test_views_show_what_they_say(proxy, region):
    other = region.proxy("42002")
    fill(other, 1, images=1)
    other.work(3)  # so 1.1 is theirs
    fill(proxy, 2)
    proxy.work(3)
    fill(proxy, 3)
    assert uids(ask(proxy, view="failed")) == ["1.1"]
    assert uids(ask(proxy, view="waiting")) == ["1.3"]
    assert uids(ask(proxy, view="done")) == ["1.2"]
    assert uids(ask(proxy)) == ["1.3", "1.2", "1.1"]
    (failed,) = ask(proxy, view="failed")["studies"]
    assert (failed["quarantined"], failed["reason"]) == (2, "other-mo-study")


def test_a_class_and_a_day_can_be_asked_for(proxy):
    fill(proxy, 2)
    page = delivery_page(proxy.engine, Selection())
    proxy.queue.set_priority(page.studies[0].study_id, Priority.EMERGENCY)
    assert uids(ask(proxy, priority="0")) == ["1.2"]
    assert uids(ask(proxy, priority="2")) == ["1.1"]
    began = proxy.region.clock.now()
    assert delivery_page(proxy.engine, Selection(since=began)).studies == []
    assert len(delivery_page(proxy.engine, Selection(until=began)).studies) == 2


@pytest.mark.parametrize(
    "query", [{"view": "x"}, {"priority": "9"}, {"priority": "x"}, {"after": "x"}, {"after": "x_y"}, {"limit": "x"}]
)
def test_a_question_that_makes_no_sense_is_told_so(proxy, query):
    with pytest.raises(Invalid):
        selection_of(query)
    assert delivery_answer(proxy.engine, transfer_of(proxy))(SOMEBODY, Request("GET", "/x", query=query)).status == 400


def test_a_key_survives_being_written(proxy):
    fill(proxy, 2)
    key = delivery_page(proxy.engine, Selection(limit=1)).last
    assert selection_of({"after": key_text(key)}).after == key


def test_a_study_under_way_tells_how_far_and_how_fast(proxy):
    fill(proxy, 1, images=4)
    item = proxy.queue.take()
    with proxy.meter.carrying(item.study_id, item.size, 10) as load:
        proxy.meter.sent(5, load)
        content = ask(proxy)
    (study,) = content["studies"]
    assert (study["queued"], study["sending"], study["size"], study["arrived_size"]) == (3, 1, 40, 5)
    assert study["rate"] == 5
    assert study["seconds_left"] == 7
    assert content["line"]["state"] == "works"
    assert content["line"]["seconds_left"] == 7
    assert content["waiting"]["p2"] == {"instances": 4, "bytes": 40, "oldest": "2026-01-01T00:00:00.000Z"}
    assert content["waiting"]["p0"] == {"instances": 0, "bytes": 0, "oldest": None}
    assert content["disk"]["state"] == "well"


def test_a_line_that_is_down_is_told_with_its_cause(proxy):
    fill(proxy, 1)
    proxy.line.faults = ["cut"]
    proxy.work(1)
    line = ask(proxy)["line"]
    assert (line["state"], line["reason"], line["retries"]) == ("down", "centre", 1)
    assert line["since"] == "2026-01-01T00:01:00.000Z"


def test_what_waits_for_the_night_says_so_and_is_in_nobody_s_way(proxy):
    fill(proxy, 2)  # at seven in the morning, there
    (today, old) = (study.study_id for study in delivery_page(proxy.engine, Selection()).studies)
    proxy.queue.set_priority(old, Priority.BACKFILL)

    def reasons():
        return {study["study_id"]: study["reason"] for study in ask(proxy)["studies"]}

    assert reasons() == {today: "", old: "night"}
    queue = transfer_of(proxy).queue()
    assert queue.ahead(today, {Priority.BACKFILL}) == queue.studies[today].size
    assert transfer_of(proxy).study(old).seconds_left is None
    proxy.region.clock.pass_(hours=14)
    assert reasons() == {today: "", old: ""}
    proxy.region.clock.pass_(hours=12)
    proxy.queue.set_priority(old, Priority.PLANNED)
    assert reasons() == {today: "", old: ""}
