"""The layout of the store."""

import pytest

from gopherwood import store
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion

MV = ModuleVersion("github.com/Azure/go", "v1.0.0-RC1+incompatible")


@pytest.mark.parametrize(
    ("key", "want"),
    [
        (store.key(MV, ".zip"), "github.com/!azure/go/@v/v1.0.0-!r!c1+incompatible.zip"),
        (store.list_key(MV.path), "github.com/!azure/go/@v/list"),
        (
            store.lookup_key("sum.golang.org", MV),
            "sumdb/sum.golang.org/lookup/github.com/!azure/go@v1.0.0-!r!c1+incompatible",
        ),
        (store.tile_key("sum.golang.org", "tile/8/0/x001/234"), "sumdb/sum.golang.org/tile/8/0/x001/234"),
    ],
)
def test_keys(key, want):
    """Keys are Go's own escaped names, so that a local store is a GOPROXY=file:// tree."""
    assert key == want


def test_complete_only_with_all_parts(tmp_path):
    """A version exists when its .zip, .mod and .info do."""
    objects = store.open_store(Settings(home=tmp_path))
    for suffix in store.SUFFIXES:
        assert store.is_complete(objects, MV) is False
        objects.create(store.key(MV, suffix), b"x")
    assert store.is_complete(objects, MV) is True
