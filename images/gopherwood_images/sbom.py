"""The list of what we put into an image, as CycloneDX: made from the lock, equal for equal content.

It holds the Python distributions. What the base brings is listed by whoever made the base.
"""

import uuid
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL


def render(image: str, version: str, distributions: dict[str, str]) -> str:
    """Return the JSON of the image's bill of materials; `distributions` are name -> version."""
    subject = Component(name=image, version=version, type=ComponentType.CONTAINER, bom_ref=image)
    listed = [_component(name, pinned) for name, pinned in sorted(distributions.items())]
    # Neither chance nor a clock: the same content has the same list, and so the same image digest.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"{image} {version} {sorted(distributions.items())}")
    bom = Bom(serial_number=serial, components=listed)
    bom.metadata.component = subject
    bom.metadata.timestamp = datetime.fromtimestamp(0, UTC)
    bom.register_dependency(subject, listed)
    return JsonV1Dot6(bom).output_as_string(indent=1)


def _component(name: str, version: str) -> Component:
    purl = PackageURL("pypi", name=name, version=version)
    return Component(name=name, version=version, purl=purl, bom_ref=str(purl), licenses=_licenses(name))


def _licenses(name: str) -> list[LicenseExpression]:
    try:
        known = metadata(name)
    except PackageNotFoundError:
        return []
    return [LicenseExpression(known["License-Expression"])] if "License-Expression" in known else []
