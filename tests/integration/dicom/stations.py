"""Workstations for tests: they ask from the address that the registry gives them, and take what they are sent."""

import socket
import threading

from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pynetdicom import AE, AllStoragePresentationContexts, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

FIND = {"study": StudyRootQueryRetrieveInformationModelFind, "patient": PatientRootQueryRetrieveInformationModelFind}
MOVE = {"study": StudyRootQueryRetrieveInformationModelMove, "patient": PatientRootQueryRetrieveInformationModelMove}
GET = {"study": StudyRootQueryRetrieveInformationModelGet, "patient": PatientRootQueryRetrieveInformationModelGet}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def identifier(level, **keys):
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    if any(isinstance(value, str) and not value.isascii() for value in keys.values()):
        dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in keys.items():
        tag = tag_for_keyword(keyword)
        dataset.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE))
    return dataset


class Refused(Exception):
    """No association."""


class Station:
    """A caller with an AE title and a source address; `called` is where it calls: host, port, AE title."""

    def __init__(self, aet, called, address="127.0.0.1", tls=None):
        self.aet, self.called, self.address, self.tls = aet, called, address, tls

    def associate(self, *classes, roles=()):
        entity = AE(ae_title=self.aet)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
        for each in classes:
            entity.add_requested_context(each)
        association = entity.associate(
            self.called["host"], self.called["port"], ae_title=self.called["aet"], ext_neg=list(roles),
            bind_address=(self.address, 0), tls_args=(self.tls, None) if self.tls else None,
        )  # fmt: skip
        if not association.is_established:
            raise Refused
        return association

    def find(self, level, model="study", *, cancel_after=None, **keys):
        """Return the final status and the answers; with `cancel_after` a C-CANCEL is sent after so many."""
        association = self.associate(FIND[model])
        answers, last = [], None
        try:
            for status, answer in association.send_c_find(identifier(level, **keys), FIND[model]):
                if "Status" not in status:
                    raise Refused
                last = status.Status
                if last in (0xFF00, 0xFF01):
                    answers.append(answer)
                    if len(answers) == cancel_after:
                        association.send_c_cancel(1, query_model=FIND[model])
        finally:
            association.release()
        return last, answers

    def move(self, target, level, model="study", *, cancel_after=None, **keys):
        """Return the last response to a C-MOVE and how many there were."""
        association = self.associate(MOVE[model])
        last, count = None, 0
        try:
            for status, _ in association.send_c_move(identifier(level, **keys), target, MOVE[model]):
                if "Status" not in status:
                    raise Refused
                last, count = status, count + 1
                if count == cancel_after:
                    association.send_c_cancel(1, query_model=MOVE[model])
        finally:
            association.release()
        return last, count

    def get(self, level, model="study", **keys):
        """Try a C-GET; return the status and the images that came."""
        got = []
        entity_roles = [build_role(CTImageStorage, scp_role=True)]
        association = self.associate(GET[model], CTImageStorage, roles=entity_roles)
        association.bind(evt.EVT_C_STORE, lambda event: got.append(event.dataset.SOPInstanceUID) or 0x0000)
        last = None
        try:
            for status, _ in association.send_c_get(identifier(level, **keys), GET[model]):
                last = status.Status if "Status" in status else None
        finally:
            association.release()
        return last, got

    def store(self, dataset):
        association = self.associate(dataset.SOPClassUID)
        try:
            return association.send_c_store(dataset).Status
        finally:
            association.release()


class Screen:
    """Where a workstation takes images (storage SCP)."""

    def __init__(self, port, aet, contexts=None, address="127.0.0.1", tls=None):
        self.port, self.aet = port, aet
        self.got, self.originators, self.syntaxes = [], [], []
        self.refuses = set()
        self._lock = threading.Lock()
        entity = AE(aet)
        entity.supported_contexts = contexts or AllStoragePresentationContexts
        self._server = entity.start_server(
            (address, port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)], ssl_context=tls
        )

    def _store(self, event):
        uid = str(event.request.AffectedSOPInstanceUID)
        with self._lock:
            if uid in self.refuses:
                return 0xA900
            self.got.append(uid)
            self.originators.append(
                (event.request.MoveOriginatorApplicationEntityTitle, event.request.MoveOriginatorMessageID)
            )
            self.syntaxes.append(str(event.context.transfer_syntax))
        return 0x0000

    def taken(self):
        """Return what has come since the last time."""
        with self._lock:
            got, self.got = sorted(self.got), []
        return got

    def stop(self):
        self._server.shutdown()
