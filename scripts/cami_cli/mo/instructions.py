"""The page of instructions in a bundle: what to do on the machine, and what to set on each device."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cami.region import Organization, Region

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, undefined=StrictUndefined
)
DUTIES = {
    "technical": "Техническое сопровождение PACS МО",
    "organization": "Организация работы",
    "consultations": "Дистанционные консультации",
}


def instructions(region: Region, organization: Organization, central_url: str, ports: tuple[int, int]) -> str:
    """Return the page (HTML, nothing from outside)."""
    return _PAGES.get_template("instructions.html").render(
        region=region,
        organization=organization,
        proxy=organization.proxy,
        central_url=central_url,
        http_port=ports[0],
        dicom_port=ports[1],
        duties=DUTIES,
    )
