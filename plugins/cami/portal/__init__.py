"""What people see: signing in, the archive page, the viewer. Server-rendered pages, no script of ours but in OHIF.

The pages only render what services return: who somebody is and may see comes from `cami.access`, how far a study has
come from `cami.watch`. Texts are Russian in the code and the templates; ``locale/en`` holds the English. Public names:
`portal_endpoints` (all that has to be registered) and the protocols of `cami.portal.ports`.
"""

from cami.portal.bringing import Bringing, BringingToCentre, BringingToProxy, Coming
from cami.portal.consultation_ports import Consulting
from cami.portal.desk import portal_endpoints
from cami.portal.ports import Identifier, ProgressReader, StudyFinder, StudyProgress

__all__ = [
    "Bringing",
    "BringingToCentre",
    "BringingToProxy",
    "Coming",
    "Consulting",
    "Identifier",
    "ProgressReader",
    "StudyFinder",
    "StudyProgress",
    "portal_endpoints",
]
