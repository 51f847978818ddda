"""How near an address is to us, in all the forms that addresses have."""

import pytest

from gopherwood import reach
from gopherwood.errors import RefusedError
from gopherwood.reach import Reach


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("8.8.8.8", Reach.PUBLIC),
        ("2606:4700::1111", Reach.PUBLIC),
        ("64:ff9b::808:808", Reach.PUBLIC),
        ("10.1.2.3", Reach.INNER),
        ("100.64.0.1", Reach.INNER),
        ("fd00::1", Reach.INNER),
        ("::ffff:10.0.0.1", Reach.INNER),
        ("64:ff9b::a00:1", Reach.INNER),
        ("64:ff9b:1::a00:1", Reach.INNER),
        ("2002:a00:1::", Reach.INNER),
        ("127.0.0.1", Reach.LOOPBACK),
        ("0.0.0.0", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("169.254.169.254", Reach.LINK),
        ("::ffff:169.254.169.254", Reach.LINK),
        ("fe80::1%eth0", Reach.LINK),
        ("fd00:ec2::254", Reach.LINK),
        ("168.63.129.16", Reach.LINK),
    ],
)
def test_reach(address: str, wanted: Reach) -> None:
    """Metadata services, carrier NAT and IPv6 forms of inner addresses are what they lead to."""
    assert reach.of(address) is wanted


@pytest.mark.parametrize(
    ("met", "nearest"),
    [
        (Reach.PUBLIC, Reach.PUBLIC),
        (Reach.INNER, Reach.INNER),
        (Reach.LOOPBACK, Reach.LOOPBACK),
        (Reach.LINK, Reach.LOOPBACK),
    ],
)
def test_redirects_lead_outwards(met: Reach, nearest: Reach) -> None:
    """Not nearer than where they come from, and never to the link."""
    assert reach.after(met) is nearest
    for target in Reach:
        if target > nearest:
            with pytest.raises(RefusedError, match="inwards"):
                reach.check("h", target, nearest)
        else:
            reach.check("h", target, nearest)


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("upstream.test", Reach.PUBLIC),
        ("10.0.0.1", Reach.INNER),
        ("a.localhost", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
    ],
)
def test_of_a_name_only_the_obvious_is_known(host: str, wanted: Reach) -> None:
    """Behind a proxy a name is public unless it says otherwise itself."""
    assert reach.of_name(host) is wanted


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1"])
def test_a_name_is_judged_by_all_its_addresses(host: str) -> None:
    """What resolves to this machine is this machine, however it is spelled."""
    with pytest.raises(RefusedError, match="this machine"):
        reach.check_name(host, 80, Reach.PUBLIC)
