"""Consultations between МО on images: a question travels with its studies and comes back as a signed answer, in time.

`states` is the table of what can happen, `workflow` the one place where it does, in one transaction with the rights to
see the studies, the history, timers and notices. Public names:

* `Consultations`, `Drafts`, `Talk`, `Council`: what people do; `Answers`, `Verifiers`, `PdfPaper`: the signed answer;
* `Desk`, `Notices`, `Statistics`: what they see of many; `consultation_endpoints`: the JSON face;
* `RouteTable`, `Consultants`, `StudyCatalogue`, `Diagnoses`: who may ask whom about what;
* `Workflow`, and what runs by itself: `Deadlines`, `Images`, `Filing`.
"""

from cami.consultations.answers import Answers
from cami.consultations.beats import Beats
from cami.consultations.catalogue import StudyCatalogue
from cami.consultations.council import Council
from cami.consultations.deadlines import Deadlines
from cami.consultations.desk import Desk
from cami.consultations.diagnoses import Diagnoses
from cami.consultations.drafts import Drafts
from cami.consultations.endpoints import consultation_endpoints
from cami.consultations.filing import Filing
from cami.consultations.images import Images
from cami.consultations.notices import Notices
from cami.consultations.outside import Outside, asker, refused_codes
from cami.consultations.paper import PdfPaper
from cami.consultations.people import Consultants
from cami.consultations.routes import RouteTable
from cami.consultations.service import Consultations
from cami.consultations.signatures import Verifiers
from cami.consultations.statistics import Statistics
from cami.consultations.talk import Talk
from cami.consultations.workflow import Workflow

__all__ = [
    "Answers",
    "Beats",
    "Consultants",
    "Consultations",
    "Council",
    "Deadlines",
    "Desk",
    "Diagnoses",
    "Drafts",
    "Filing",
    "Images",
    "Notices",
    "Outside",
    "PdfPaper",
    "RouteTable",
    "Statistics",
    "StudyCatalogue",
    "Talk",
    "Verifiers",
    "Workflow",
    "asker",
    "consultation_endpoints",
    "refused_codes",
]
