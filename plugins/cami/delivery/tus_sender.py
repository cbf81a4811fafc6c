"""Large objects to the centre by tus 1.0.0: parts that several senders carry, joined at the end (docs/adr/0009)."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Protocol

import requests

from cami.delivery import answers
from cami.delivery.answers import Receipt
from cami.delivery.order import Rank
from cami.delivery.parts import Part, PartBoard, Shipment
from cami.delivery.right_of_way import Passage
from cami.delivery.transport import LineBroken
from cami.errors import Transient

ROOT = "/uploads"
_TUS = {"Tus-Resumable": "1.0.0"}
_BYTES = {"Content-Type": "application/offset+octet-stream"}


class Ask(Protocol):
    """How a request goes to the centre (`cami.delivery.link.CentralLink`)."""

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, passage: Passage
    ) -> requests.Response:
        """Send a request below the root of the wire; return the answer, whatever its status."""
        ...


class TusSender:
    """Sends objects in parts; every sender of a proxy uses the same one."""

    def __init__(self, ask: Ask, piece: int, root: str) -> None:
        """Make a sender of pieces of so many bytes; `root` is the path of the wire, by which uploads are named."""
        self._ask = ask
        self._piece = piece
        self._root = root
        self._board = PartBoard()

    def send(self, dicom: bytes, sha256: str, passage: Passage, *, begun: bool) -> Receipt:
        """Send an object, with the help of whoever is idle; go on after a break as long as pieces get through.

        Parameters
        ----------
        begun
            The centre may have some of it from an earlier try: it is asked before anything is sent.
        """
        shipment = Shipment(dicom, sha256, passage, self._piece, begun=begun)
        moved = -1
        with self._board.offered(shipment):
            while True:
                try:
                    while (part := shipment.next()) is not None:
                        self._carry(shipment, part)
                    return shipment.receipt or self._join(shipment)
                except LineBroken:
                    if shipment.moved == moved:
                        raise
                    moved = shipment.moved

    @property
    def idle(self) -> bool:
        """Whether there is no object of another sender to help with."""
        return self._board.empty

    def help(self, *, urgent_only: bool, before: Rank) -> bool:
        """Carry a piece of an object of another sender that goes `before` something; return False if there is none."""
        taken = self._board.take(urgent_only=urgent_only, before=before)
        if taken is None:
            return False
        self._carry(*taken, one_piece=True)
        return True

    def _carry(self, shipment: Shipment, part: Part, *, one_piece: bool = False) -> None:
        try:
            carried = not part.offset and self._create(shipment, part)
            while shipment.receipt is None and part.offset != part.length and not (one_piece and carried):
                self._append(shipment, part)
                carried = True
        finally:
            shipment.put_down(part)

    def _create(self, shipment: Shipment, part: Part) -> bool:
        """Announce a part and learn how far it has come; return whether its first piece went along, as of a new one."""
        fresh, part.offset = part.offset == 0, None
        piece = shipment.dicom[part.start : part.start + min(self._piece, part.length)] if fresh else b""
        metadata = {"sha256": shipment.sha256, "start": str(part.start), "size": str(len(shipment.dicom))}
        headers = _TUS | {
            "Upload-Concat": "partial",
            "Upload-Length": str(part.length),
            "Upload-Metadata": ",".join(f"{key} {_base64(value.encode('ascii'))}" for key, value in metadata.items()),
        }
        response = self._ask("POST", ROOT, headers | _announced(piece), piece, shipment.passage)
        if response.status_code == 201:
            there = answers.offset(response, part.length)
            if not fresh and there and shipment.passage.load is not None:
                shipment.passage.load.resume(there)
            shipment.moved_to(part, there)
        else:
            shipment.settle(answers.receipt(response))
        return fresh

    def _append(self, shipment: Shipment, part: Part) -> None:
        offset, part.offset = part.offset or 0, None  # until the centre has answered, nobody knows
        begin = part.start + offset
        piece = shipment.dicom[begin : begin + min(self._piece, part.length - offset)]
        headers = _TUS | {"Upload-Offset": str(offset)} | _announced(piece)
        path = f"{ROOT}/{shipment.sha256}-{part.start}"
        response = self._ask("PUT", path, headers, piece, shipment.passage)
        if response.status_code != 204:
            answers.understood(response)
            raise Transient("the centre took a piece as something else: is something else at its address?")
        there = answers.offset(response, part.length)
        if there != offset + len(piece):
            raise Transient("the centre acknowledged another piece than was sent")
        shipment.moved_to(part, there)

    def _join(self, shipment: Shipment) -> Receipt:
        """Let the centre put the parts together and store the whole."""
        parts = " ".join(f"{self._root}{ROOT}/{shipment.sha256}-{part.start}" for part in shipment.parts)
        headers = _TUS | {"Upload-Concat": f"final;{parts}"} | dict(shipment.passage.headers)
        return answers.receipt(self._ask("POST", ROOT, headers, b"", shipment.passage))


def _announced(piece: bytes) -> dict[str, str]:
    if not piece:
        return {}
    return _BYTES | {"Upload-Checksum": f"sha256 {_base64(hashlib.sha256(piece).digest())}"}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
