"""The files of a module version, as a client of the proxy protocol sees them."""

import json

from fakes.site import Site


def test_files_of_a_version_are_served_byte_for_byte(site: Site) -> None:
    """.info, .mod and .zip are the bytes that were published."""
    made = site.publish("example.com/files", "v1.2.3")
    base = "/example.com/files/@v/v1.2.3"
    assert (made.info, made.mod, made.zip) == tuple(site.get(base + s).body for s in (".info", ".mod", ".zip"))
    assert json.loads(made.info)["Version"] == "v1.2.3"
