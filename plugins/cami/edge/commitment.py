"""The Storage Commitment SCP of a proxy.

Orthanc takes the N-ACTION, asks here image by image, and sends the N-EVENT-REPORT over an association of its own to the
address and port that the device has in the registry.
"""

import logging
from collections import Counter
from collections.abc import Sequence

from cami.delivery.commitment import Commitment, Verdict
from cami.delivery.commitment_reports import CommitmentReports
from cami.edge import sdk
from cami.edge.guard import guarded

log = logging.getLogger(__name__)

_Reason = sdk.StorageCommitmentFailureReason
#: Failure reasons of PS3.3 C.14.1.1. "Not yet" has none of its own: the device keeps the image and asks again.
_REASONS = {
    Verdict.COMMITTED: _Reason.SUCCESS,
    Verdict.UNKNOWN: _Reason.NO_SUCH_OBJECT_INSTANCE,
    Verdict.OTHER_CLASS: _Reason.CLASS_INSTANCE_CONFLICT,
    Verdict.DAMAGED: _Reason.PROCESSING_FAILURE,
    Verdict.NOT_YET: _Reason.PROCESSING_FAILURE,
    Verdict.NOT_KEPT: _Reason.PROCESSING_FAILURE,
}


class _Request:
    """One N-ACTION, while its images are judged."""

    def __init__(self, aet: str, total: int) -> None:
        self.aet = aet
        self.total = total
        self.verdicts: Counter[Verdict] = Counter()

    def note(self, verdict: Verdict) -> None:
        self.verdicts[verdict] += 1
        if self.verdicts.total() == self.total:
            told = ", ".join(f"{count} {verdict.value}" for verdict, count in sorted(self.verdicts.items(), key=_rank))
            level = logging.INFO if set(self.verdicts) == {Verdict.COMMITTED} else logging.WARNING
            log.log(level, "storage commitment for %s: %s", self.aet, told)


def _rank(counted: tuple[Verdict, int]) -> int:
    return list(Verdict).index(counted[0])


def answer_commitments(commitment: Commitment, reports: CommitmentReports) -> None:
    """Register the SCP; `reports` sees to it that the device hears of the answer."""
    nothing: _Request | None = None

    @guarded("commitment_request", verdict=nothing)
    def begin(
        job: str,
        transaction: str,
        classes: Sequence[str],
        instances: Sequence[str],
        remote_aet: str,
        _called_aet: str,
    ) -> _Request | None:
        reports.note(job, transaction, remote_aet, list(zip(classes, instances, strict=True)))
        return _Request(remote_aet, len(instances))

    # Whatever goes wrong, the device keeps its copy.
    @guarded("commitment", verdict=_Reason.PROCESSING_FAILURE)
    def judge(
        sop_class_uid: str, sop_instance_uid: str, request: _Request | None
    ) -> sdk.StorageCommitmentFailureReason:
        verdict = commitment.judge(sop_class_uid, sop_instance_uid)
        if request is not None:
            request.note(verdict)
        return _REASONS[verdict]

    sdk.on_storage_commitment(begin, judge)
