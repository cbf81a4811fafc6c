"""Attribute coercion (PS3.4 B.4.1.3): what a proxy puts right in the copy of an object that goes to the centre (F-10).

Text is brought into UTF-8, read by what the registry knows of the device; the МО and the issuer of the Patient ID are
written from the registry; what was there before is kept in Original Attributes Sequence. The local archive keeps what
the device sent. Public names: `coerce`, a pure function from bytes to bytes, and what it is told (`Rules`, `Arrival`).
Where it is called, and why there: docs/adr/0010-coercion-before-sending.md.
"""

from cami.coercion.coerce import Arrival, Coerced, Note, Number, Rules, coerce
from cami.coercion.stamps import Institution, Stamps

__all__ = ["Arrival", "Coerced", "Institution", "Note", "Number", "Rules", "Stamps", "coerce"]
