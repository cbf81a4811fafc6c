"""Query/Retrieve over DICOM: C-FIND and C-MOVE of devices and workstations, each bound to its МО (PS3.4 annex C).

Who calls is known by AE title and address from the registry (`nodes`); what it finds is what the МО's own people find
(`cami.access.Visibility`), and what it may have sent is that, to where the registry says. Orthanc's hooks are thin
(`cami.edge.query_retrieve`); all that is decided is decided here, without Orthanc. Public names:

* `Nodes`, `Caller`, `Target`: who may do what;
* `Findings`, `Answers`: C-FIND; `Moves`, `Move`, `RetrieveRequest`, `StoreSender`: C-MOVE;
* `Elsewhere`, `AwayStudy`, `AwayInstance`: what is not here but can be brought.
"""

from cami.query_retrieve.finding import Answers, Findings
from cami.query_retrieve.moving import Move, Moves, Sender, Unreachable
from cami.query_retrieve.nodes import Caller, Nodes, Target
from cami.query_retrieve.ports import AwayInstance, AwayStudy, Elsewhere, Finder
from cami.query_retrieve.retrieval_request import RetrieveRequest
from cami.query_retrieve.sending import StationCertificates, StoreSender

__all__ = [
    "Answers",
    "AwayInstance",
    "AwayStudy",
    "Caller",
    "Elsewhere",
    "Finder",
    "Findings",
    "Move",
    "Moves",
    "Nodes",
    "RetrieveRequest",
    "Sender",
    "StationCertificates",
    "StoreSender",
    "Target",
    "Unreachable",
]
