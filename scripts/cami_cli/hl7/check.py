"""A conformance run against a listener: each rule of the contract's HL7 part, tried over a real connection."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from cami.hl7v2.framing import framed
from cami.hl7v2.message import Message, read
from cami_cli.hl7.client import MllpClient
from cami_cli.hl7.examples import Sender, order


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule, and whether it holds."""

    rule: str
    held: bool
    said: str = ""


class Conformance:
    """Tries the rules one after the other."""

    def __init__(self, connect: Callable[[], MllpClient], sender: Sender, now: Callable[[], datetime]) -> None:
        self._connect = connect
        self._now = now
        self._sender = replace(sender, patient=f"CHECK-{secrets.token_hex(4)}", number=f"CHECK-{secrets.token_hex(4)}")

    def run(self) -> Iterator[Finding]:
        """Yield what was found."""
        now, who = self._now(), self._sender
        with self._connect() as line:
            first = order(who, _control(), now)
            placed = line.tell(first)
            yield _is("новое направление принимается", placed, "AA")
            orc, ipc = placed.first("ORC"), placed.first("IPC")
            yield Finding("в ответе номер (ORC-3) и UID исследования (IPC-3)", bool(orc and ipc and ipc.text(3)))
            again = line.tell(first)
            repeated = again.first("ORC")
            same = repeated is not None and orc is not None and repeated.text(3) == orc.text(3)
            yield Finding("повтор с тем же MSH-10 даёт тот же ответ", same)
            other = first.replace(b"19610314", b"19610315")
            yield _is("тот же MSH-10 с другим содержанием не принимается", line.tell(other), "AE")
            yield _is("изменение до начала", line.tell(order(who, _control(), now, what="XO")), "AA")
            yield _is("отмена до начала", line.tell(order(who, _control(), now, what="CA")), "AA")
            unknown = replace(who, number="no-such-order")
            yield _is("отмена неизвестного", line.tell(order(unknown, _control(), now, what="CA")), "AE")
            nobody = order(replace(who, application="NOBODY"), _control(), now)
            yield _is("неизвестный отправитель", line.tell(nobody), "AR")
            strange = order(who, _control(), now).replace(b"OMI^O23^OMI_O23", b"MDM^T02")
            yield _is("неизвестный тип сообщения", line.tell(strange), "AR")
            cyrillic = order(replace(who, number=who.number + "-1251"), _control(), now)
            turned = cyrillic.decode().replace("UNICODE UTF-8", "CP1251").encode("cp1251")
            yield _is("CP1251", line.tell(turned), "AA")
            wrong = cyrillic.decode().encode("cp1251")
            yield _is("текст не в той кодировке", line.tell(wrong.replace(b"EX", b"EY")), "AR")
            line.raw(framed(order(replace(who, number=who.number + "-2"), _control(), now)) * 2)
            pair = [read(line.answer()).first("MSA") for _ in range(2)]
            yield Finding("два сообщения подряд, два ответа", all(each and each.text(1) == "AA" for each in pair))
        with self._connect() as line:
            line.raw(framed(first)[:100])
        with self._connect() as line:
            yield _is("после оборванного сообщения принимается следующее", line.tell(first), "AA")


def _is(rule: str, answer: Message, verdict: str) -> Finding:
    msa = answer.first("MSA")
    said = msa.text(1) if msa else "no MSA"
    return Finding(rule, said == verdict, "" if said == verdict else f"{said} {msa.text(3) if msa else ''}".strip())


def _control() -> str:
    return f"EX{secrets.token_hex(8)}"
