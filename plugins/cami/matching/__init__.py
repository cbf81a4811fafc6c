"""Matching: which study belongs to which order (design §5), at the centre.

`judge` is a pure function: by the number or the UID that the worklist gave, then by the patient's number with modality,
device and time; never by a name alone. `Matcher` judges what comes in, tells orders when their images begin and end,
and judges again what was left open when an order comes later. `Decisions` keeps what was decided, by whom and why, with
its effect on the order in one transaction; every match can be undone. `MatchingDesk` is what the technologist's page
works with.

Public names: `Matcher`, `Decisions`, `OrdersNear`, `MatchingDesk`, and the values of `states` and `judgement`.
"""

from cami.matching.decisions import Decision, Decisions, Match
from cami.matching.desk import Line, MatchingDesk, Meant, Pair, Shown
from cami.matching.judgement import Candidate, Scored, Study, Verdict, judge
from cami.matching.matcher import Matcher
from cami.matching.ordered import OrderedStudies, OrderNote
from cami.matching.orders_near import OrdersNear
from cami.matching.states import TO_DECIDE, Action, Cause, Finding, State

__all__ = [
    "TO_DECIDE",
    "Action",
    "Candidate",
    "Cause",
    "Decision",
    "Decisions",
    "Finding",
    "Line",
    "Match",
    "Matcher",
    "MatchingDesk",
    "Meant",
    "OrderNote",
    "OrderedStudies",
    "OrdersNear",
    "Pair",
    "Scored",
    "Shown",
    "State",
    "Study",
    "Verdict",
    "judge",
]
