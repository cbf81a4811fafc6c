"""What an operator reads in a terminal."""

from cami_cli.delivery_status import describe

STUDY = {
    "study_id": "id-1", "modality": "CT", "priority": 2, "instances": 600, "queued": 419, "sending": 1, "stored": 180,
    "confirmed": 0, "evicted": 0, "rate": 200_000, "seconds_left": 4000, "reason": "",
}  # fmt: skip
WORKS = {"state": "works", "reason": "", "since": None, "rate": 240_000, "seconds_left": 4000,
         "limit": 250_000, "limit_until": "2026-11-22T13:00:00.000Z"}  # fmt: skip
NOTHING = {"instances": 0, "bytes": 0, "oldest": None}
ANSWER = {
    "name": "ГБ № 1",
    "line": WORKS,
    "disk": {"free": 76_000_000_000, "total": 270_000_000_000, "state": "well"},
    "waiting": {
        "p0": NOTHING, "p1": NOTHING, "p3": NOTHING, "p4": NOTHING,
        "p2": {"instances": 420, "bytes": 84_000_000, "oldest": "2026-11-22T12:00:00.000Z"},
    },
    "studies": [STUDY, {**STUDY, "study_id": "id-2", "queued": 0, "sending": 0, "stored": 600}],
    "failed": [{**STUDY, "study_id": "id-3", "reason": "other-content"}],
    "next": None,
}  # fmt: skip


def lines(**changed):
    return list(describe("42001", {**ANSWER, **changed}))


def test_everything_is_told():
    text = "\n".join(lines())
    for words in (
        "МО 42001 ГБ № 1", "works, 1.92 Mbit/s, limited to 2.00 Mbit/s until 22.11.2026", "has room, 76",
        "about 1 h 7 min left", "P2 usual          420 images",
        "id-1  CT P2 180/600, 1.60 Mbit/s, about 1 h 7 min left",
        "id-2  CT P2 600/600, 1.60 Mbit/s, waits to be confirmed", "failed    id-3  CT other-content",
    ):  # fmt: skip
        assert words in text


def test_a_line_that_is_down_makes_no_promise():
    down = {**WORKS, "state": "down", "reason": "line", "since": "2026-11-22T12:00:00.000Z", "seconds_left": None}
    text = "\n".join(lines(line=down, studies=[{**STUDY, "rate": 0, "seconds_left": None}]))
    assert "DOWN since 22.11.2026" in text
    assert text.count("time left unknown") == 2


def test_an_empty_queue_is_said_in_a_word():
    told = lines(waiting={f"p{number}": NOTHING for number in range(5)}, studies=[], failed=[])
    assert told[-1] == "  queue   empty"
    assert len(told) == 4
