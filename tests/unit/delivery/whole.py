"""A centre and a proxy with real DICOM, and what tests of completeness ask of them."""

from zoneinfo import ZoneInfo

from cami.watch.completeness import completeness

from .conftest import Region
from .images import DicomShelf, slice_of

ZONE = ZoneInfo("Asia/Novokuznetsk")
MO = "42001"


def with_real_files(folder):
    """Return a centre whose archive parses real files, and a proxy of it."""
    region = Region(folder)
    region.central = DicomShelf()
    region.restart()
    proxy = region.proxy(MO)
    proxy.archive = DicomShelf()
    proxy.restart()
    return region, proxy


def prepare_as(proxy, syntax):
    """What changing the compression of a link does."""
    proxy.courier._prepare = lambda item, dicom: slice_of(proxy.archive.parse(dicom).sop_uid, syntax=syntax)


def rows(engine, table):
    with engine.connect() as connection:
        return connection.execute(table.select()).all()


def today(region):
    return region.clock.now().astimezone(ZONE).date()


def counts(region, mo=MO):
    (found,) = completeness(region.central_db, [mo], today(region), today(region), ZONE)
    return found.total
