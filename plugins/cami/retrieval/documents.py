"""Single objects that the centre has made for a study of ours, brought into the local archive: signed answers (F-45).

They are entered as what the centre has, like a study that was let go of, so nothing of them is sent back. Of a study
that has left this proxy they are noted only: they come with it when it is fetched.
"""

import logging
import re
from dataclasses import replace

from cami.archive import Archive
from cami.delivery.adoption import Adoption, RemoteInstance
from cami.errands import DONE, Asking, Errand, Handler, Kind, Outcome, Report
from cami.errors import Denied, Invalid, Permanent, Transient
from cami.retrieval.download import Downloads
from cami.retrieval.manifests import parse_manifest

log = logging.getLogger(__name__)

#: Objects of one errand.
MOST = 20
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{8}){4}")
#: Nothing to bring yet: the study is not here.
NOT_HERE = Report(Outcome.DONE, "study-not-here")


class Documents:
    """The errand `Kind.BRING` at a proxy. Runs again from the start after a break: what is here is passed over."""

    def __init__(self, *, archive: Archive, adoption: Adoption, downloads: Downloads, link: Asking) -> None:
        self._archive = archive
        self._adoption = adoption
        self._downloads = downloads
        self._link = link

    def by_kind(self) -> dict[Kind, Handler]:
        """Return the handler for `cami.errands.Runner`."""
        return {Kind.BRING: self.bring}

    def bring(self, errand: Errand) -> Report:
        """Bring the objects that an errand names.

        Raises
        ------
        cami.errors.Transient
            The line is down or the archive cannot store; it goes on later.
        cami.errors.NotFound
            The centre has no such study of ours.
        """
        wanted = _named(errand)
        try:
            manifest = parse_manifest(self._link.ask("GET", f"/studies/{errand.study.study_id}/instances"))
        except Denied as error:
            raise Transient(str(error)) from error
        listed = [instance for instance in manifest.study.instances if instance.instance_id in wanted]
        if not listed:
            return Report(Outcome.UNKNOWN)
        here = set(self._archive.instances_of(errand.study.study_id))
        self._adoption.adopt(replace(manifest.study, instances=tuple(listed)))
        if not here:
            return NOT_HERE
        for instance in listed:
            if instance.instance_id not in here:
                report = self._store(instance)
                if report is not DONE:
                    return report
        return DONE

    def _store(self, instance: RemoteInstance) -> Report:
        try:
            self._archive.store(self._downloads.fetch(instance.instance_id, instance.sha256, urgent=True))
        except Denied as error:
            raise Transient(str(error)) from error
        except Permanent:
            log.error("an answer of the centre is refused by the archive here")  # noqa: TRY400 - says what is known
            return Report(Outcome.REFUSED, "refused-here")
        self._downloads.forget(instance.sha256)
        return DONE


def _named(errand: Errand) -> frozenset[str]:
    names = errand.details.get("instances")
    if not isinstance(names, list) or not 0 < len(names) <= MOST:
        raise Invalid("an errand of this kind names instances")
    if not all(isinstance(name, str) and _ID.fullmatch(name) for name in names):
        raise Invalid("an errand of this kind names instances")
    return frozenset(names)
