"""Renders the configuration of the TLS terminator through which МО speak DICOM to the centre (stunnel).

Orthanc knows an AE title and an address, never a certificate (reference/orthanc.md §3.1). So each МО has a port of its
own: who shows a certificate from the МО's list there is let through, and calls Orthanc from the МО's loopback address,
which is the only one from which Orthanc takes the AE titles of that МО. A certificate of one МО with an AE title of
another comes from the wrong address and is refused; without a certificate of the list there is no connection at all.

TLS is that of DICOM's "BCP 195" profile (PS3.15 B.9): 1.2 with forward secrecy and authenticated encryption, or 1.3.
"""

from pathlib import PurePath

from cami.errors import Invalid
from cami.region import Region

#: Of TLS 1.2 (RFC 9325 §4.2); those of 1.3 are all good.
_CIPHERS = ":".join(
    f"ECDHE-{signature}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384")
    for signature in ("ECDSA", "RSA")
)
#: Seconds that a silent association lives; longer than any answer of ours takes.
_IDLE = 3600


def render(region: Region, *, dicom_port: int, folder: PurePath, accept: str = "") -> str:
    """Return the configuration, a service for each МО that speaks DICOM to the centre.

    Parameters
    ----------
    dicom_port
        Where the centre's Orthanc listens.
    folder
        Where the certificates lie: ``centre.pem`` (ours, with its key), ``MO.ca.pem`` (those of the МО's stations).
    accept
        The address on which to listen; empty: all.

    Raises
    ------
    cami.errors.Invalid
        No МО speaks DICOM to the centre, or the centre does not listen.
    """
    access = [(each.code, each.centre_dicom) for each in region.organizations if each.centre_dicom is not None]
    if not access:
        raise Invalid("no МО speaks DICOM to the centre: add organizations[].centre_dicom")
    if not region.centre.dicom_port_open:
        raise Invalid("the centre does not listen for DICOM: set centre.dicom_port_open to true")
    lines = [
        "; Rendered from region.yaml by scripts/cami config dicom-tls; changes belong there.",
        "foreground = yes",
        "pid =",
        "syslog = no",
        "sslVersionMin = TLSv1.2",
        f"ciphers = {_CIPHERS}",
        "options = NO_RENEGOTIATION",
        "socket = l:TCP_NODELAY=1",
        "socket = r:TCP_NODELAY=1",
        f"TIMEOUTidle = {_IDLE}",
        f"cert = {folder / 'centre.pem'}",
    ]
    for code, each in access:
        lines += [
            "",
            f"[{code}]",
            f"accept = {f'{accept}:' if accept else ''}{each.port}",
            f"connect = 127.0.0.1:{dicom_port}",
            f"local = {each.source}",
            f"CAfile = {folder / f'{code}.ca.pem'}",
            "requireCert = yes",
            "verifyPeer = yes",
        ]
    return "\n".join(lines) + "\n"
