"""Damage at rest, as a disk or somebody's hand does it: behind the back of the store."""

from collections.abc import Callable

from gopherwood.objects import LocalFolder, Objects
from gopherwood.objects.s3 import Bucket

Change = Callable[[bytes], bytes]


def rewrite(objects: Objects, key: str, change: Change) -> bytes:
    """Change the bytes of a key; return what they are now."""
    data = change(objects.read(key))
    if isinstance(objects, LocalFolder):
        path = objects.local_path(key)
        path.chmod(0o644)
        path.write_bytes(data)
    else:
        assert isinstance(objects, Bucket)
        objects._put(key, data)
    return data


def remove(objects: Objects, key: str) -> None:
    """Lose a key."""
    if isinstance(objects, LocalFolder):
        objects.local_path(key).unlink()
    else:
        assert isinstance(objects, Bucket)
        objects._client.delete_object(Bucket=objects.bucket, Key=objects._name(key))


def flip(where: int) -> Change:
    """Flip one bit of the byte at a place, counted from the end if negative."""

    def change(data: bytes) -> bytes:
        at = where % len(data)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return change
