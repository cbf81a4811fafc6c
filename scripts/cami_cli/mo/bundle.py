"""The bundle that is carried to an МО: ``cami-proxy-CODE.tar.gz`` and its signature, the same bytes every time.

Inside: configuration (no secret: the proxy makes its key where it stands), ``install.sh``, a compose file, what a
sandbox needs, a page of instructions in Russian, the centre's certificate authorities; with ``--offline`` the image
or the Debian root, packages and the plugin as well. ``SHA256SUMS`` names every file and is signed; the code that the
МО gets on paper says which key has to have signed (`cami.enrolment.codes`).
"""

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from cami.orthanc_config import Suite, render
from cami.region import Organization, Region
from cami_cli.errors import Trouble
from cami_cli.mo.extract import registry_of
from cami_cli.mo.instructions import instructions
from cami_cli.mo.native_script import enter_script
from cami_cli.mo.signing import Signer
from cami_cli.places import HOME
from cami_cli.wording import both

_SCRIPT = Path(__file__).with_name("install.sh")
#: What is inside has this time, so that bundles of the same release are the same.
_EPOCH = 1_700_000_000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Payload:
    """A large file of the bundle: its name, and what opens it."""

    name: str
    open: Callable[[], BufferedReader]
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a bundle is made for."""

    region: Region
    mo: str
    central_url: str
    suite: Suite
    version: str
    central_ca: bytes = b""
    """Whom the centre's TLS certificate must be signed by (PEM); empty: authorities that browsers know."""
    http_port: int | None = None
    dicom_port: int | None = None
    payloads: tuple[Payload, ...] = field(default=())

    @property
    def organization(self) -> Organization:
        """The МО."""
        return self.region.organization(self.mo)

    @property
    def name(self) -> str:
        """The folder inside, and the file's name without its ending."""
        return f"cami-proxy-{self.mo}"


def write_bundle(plan: Plan, signer: Signer, folder: Path) -> Path:
    """Write the bundle and its signature into `folder`; return the bundle.

    Raises
    ------
    cami_cli.errors.Trouble
        The МО has no proxy.
    """
    files = _files(plan)
    sums = _sums(files, plan.payloads)
    files |= {"SHA256SUMS": sums, "SHA256SUMS.sig": signer.sign(sums), "bundle.pub": signer.public}
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{plan.name}.tar.gz"
    part = target.with_suffix(".part")
    digest = hashlib.sha256()
    with part.open("wb") as stream:
        out = _Gzip(stream, digest.update)
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
            for name in sorted(files):
                tar.addfile(_member(plan, name, len(files[name])), io.BytesIO(files[name]))
            for payload in plan.payloads:
                with payload.open() as content:
                    tar.addfile(_member(plan, payload.name, payload.size), content)
        out.finish()
    part.replace(target)
    target.with_name(target.name + ".sig").write_bytes(signer.sign(target.read_bytes()))
    return target


def _files(plan: Plan) -> dict[str, bytes]:
    proxy = plan.organization.proxy
    if proxy is None:
        raise Trouble(
            both(f"у МО {plan.mo} нет PACS Proxy", f"МО {plan.mo} has no proxy"),
            both("добавьте proxy в реестр", "add a proxy to the registry"),
        )
    http, dicom = plan.http_port or proxy.http_port, plan.dicom_port or proxy.dicom_port
    configuration = render(
        plan.region, "proxy", mo=plan.mo, http_port=http, dicom_port=dicom,
        central_url=plan.central_url, suite=plan.suite,
    )  # fmt: skip
    files = {}
    if plan.central_ca:
        configuration["Cami"]["CentralCa"] = "/etc/cami/central-ca.pem"
        files["config/central-ca.pem"] = plan.central_ca
    about = {
        "MO": plan.mo, "NAME": plan.organization.short_name, "AET": proxy.aet, "SUITE": plan.suite,
        "VERSION": plan.version, "CENTRAL_URL": plan.central_url, "HTTP_PORT": str(http), "DICOM_PORT": str(dicom),
        "ADDRESS": proxy.address or "",
    }  # fmt: skip
    return {
        **files,
        "about.conf": "".join(f"{name}={_quoted(value)}\n" for name, value in about.items()).encode(),
        "compose.yaml": (HOME / "docker" / "compose.proxy.yaml").read_bytes(),
        "config/orthanc.json": json.dumps(configuration, ensure_ascii=False, indent=2).encode(),
        "config/region.yaml": registry_of(plan.region, plan.mo).encode(),
        "enter.sh": enter_script(f"proxy-{plan.mo}").encode(),
        "install.sh": _SCRIPT.read_bytes(),
        "ИНСТРУКЦИЯ.html": instructions(plan.region, plan.organization, plan.central_url, (http, dicom)).encode(),
    }


def _quoted(value: str) -> str:
    """Quote a value for a file that a shell reads."""
    return "'" + value.replace("'", "'\\''") + "'"


def _sums(files: Mapping[str, bytes], payloads: tuple[Payload, ...]) -> bytes:
    lines = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    for payload in payloads:
        with payload.open() as content:
            lines[payload.name] = hashlib.file_digest(content, "sha256").hexdigest()
    return "".join(f"{lines[name]}  {name}\n" for name in sorted(lines)).encode()


def _member(plan: Plan, name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"{plan.name}/{name}")
    member.size, member.mtime = size, _EPOCH
    member.mode = 0o755 if name.endswith(".sh") else 0o644
    return member


class _Gzip:
    """gzip (RFC 1952), fast, without a time and a name in its head."""

    def __init__(self, stream: BinaryIO, note: Callable[[bytes], object]) -> None:
        self._stream = stream
        self._note = note
        self._pack = zlib.compressobj(1, zlib.DEFLATED, 31)

    def write(self, data: bytes) -> int:
        self._put(self._pack.compress(data))
        return len(data)

    def finish(self) -> None:
        self._put(self._pack.flush())

    def _put(self, data: bytes) -> None:
        self._note(data)
        self._stream.write(data)


def file_payload(name: str, path: Path) -> Payload:
    """Return a file as a part of a bundle."""
    return Payload(name, lambda: path.open("rb"), path.stat().st_size)


def folder_payload(name: str, folder: Path, scratch: Path) -> Payload:
    """Return a folder as a tar file within a bundle; it is written into `scratch` first, the same bytes every time."""
    packed = scratch / name.replace("/", "-")
    with packed.open("wb") as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in _walk(folder):
            member = tar.gettarinfo(str(path), arcname=str(path.relative_to(folder)) or ".")
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = _EPOCH
            if member.isreg():
                with path.open("rb") as content:
                    tar.addfile(member, content)
            elif member.isdir() or member.issym():
                tar.addfile(member)
    return file_payload(name, packed)


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name == "__pycache__" and "plugins" in folder.parts:
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
