"""The worklist SCP of a proxy: Orthanc takes the C-FIND, and asks here what the device may find.

The answers of the worklist hook are in Orthanc's default encoding, UTF-8, whatever is handed over: it changes them into
it. What a console without Cyrillic needs is Latin letters (`transliterate` of the device).
"""

from cami.edge import sdk
from cami.edge.guard import guarded
from cami.worklist import Answers, Finding, WorklistJournal


def answer_worklists(finding: Finding, journal: WorklistJournal) -> None:
    """Register the hook; what is not in the journal is not answered."""
    nothing: Answers | None = None

    @guarded("worklist", verdict=nothing)
    def find(query: bytes, aet: str) -> Answers | None:
        found = finding.answer(query, aet)
        journal.read(aet, len(found.entries))
        return found

    def answer(answers: sdk.WorklistAnswers, query: sdk.WorklistQuery, issuer_aet: str, _called_aet: str) -> None:
        found = find(query.WorklistGetDicomQuery(), issuer_aet)
        if found is None:
            # An empty answer would say that nobody is expected; so the device hears "unable to process" (C001).
            raise RuntimeError("the worklist cannot be read now")
        for entry in found.entries:
            answers.WorklistAddAnswer(query, entry)
        if not found.complete:
            answers.WorklistMarkIncomplete()

    sdk.on_worklist(answer)
