"""The volume of a server as Orthanc sees it: figures, and the refusal of a C-STORE while there is no room."""

from cami.delivery.disk import DiskState, DiskWatch
from cami.edge import sdk
from cami.edge.guard import guarded

#: DIMSE status "refused: out of resources" of C-STORE (PS3.4 table B.2-1). Devices keep the image and try again.
OUT_OF_RESOURCES = 0xA700
ACCEPTED = 0

#: Seconds between two looks. At 100 MB/s a volume loses a fifth of a gigabyte meanwhile.
LOOK_INTERVAL = 2.0

_LEVELS = {DiskState.WELL: 0, DiskState.LOW: 1, DiskState.FULL: 2}


def refuse_when_full(disk: DiskWatch) -> None:
    """Register the C-STORE filter of a proxy.

    It runs under a lock that holds up every reception, so it reads a flag and touches nothing. What Orthanc has
    already never comes here: version 1.13 answers "success" to it first, rightly, since it is stored.
    """

    # Should the filter itself ever fail, Orthanc still refuses what it cannot write.
    @guarded("cstore", verdict=ACCEPTED)
    def filter_cstore(_instance: sdk.DicomInstance) -> int:
        return OUT_OF_RESOURCES if disk.full else ACCEPTED

    sdk.on_cstore(filter_cstore)


def look(disk: DiskWatch) -> float:
    """Look at the volume, publish the figures; return how long to wait before the next look."""
    disk.look()
    sdk.set_metric("cami_disk_free_bytes", disk.room.free, sdk.MetricsType.DEFAULT)
    sdk.set_metric("cami_disk_state", _LEVELS[disk.state], sdk.MetricsType.DEFAULT)
    return LOOK_INTERVAL
