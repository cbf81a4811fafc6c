"""Which device has sent an image, as Orthanc has noted it."""

import json

from cami.delivery.journal import Origin
from cami.edge import sdk

_BY_DEVICE = "DicomProtocol"


def origin_of(instance_id: str) -> Origin | None:
    """Return the device that has sent an instance (Orthanc id); None if no device has, or if it is gone."""
    try:
        metadata = json.loads(sdk.rest_get(f"/instances/{instance_id}/metadata?expand"))
    except sdk.OrthancException:
        return None
    if metadata.get("Origin") != _BY_DEVICE:
        return None
    return Origin(str(metadata.get("RemoteAET", "")), str(metadata.get("RemoteIP", "")))
