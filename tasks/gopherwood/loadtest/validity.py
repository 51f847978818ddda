"""Is a run a measurement at all? What a late generator, lost arrivals or somebody else's load make of it: nothing.

A run that is not valid is neither a pass nor a failure: nothing is known of serving. It must never be taken for either
(docs/load.md), so these checks come before any threshold is looked at.
"""

from collections import Counter
from collections.abc import Mapping

from gopherwood.loadtest.measure import LATE_SECONDS, Measured
from gopherwood.loadtest.scrape import Look
from gopherwood.loadtest.slo import Check


def of_generator(measured: Measured, limits: Mapping[str, float]) -> list[Check]:
    """Judge the generator: on time, not itself at its limit, nothing lost."""
    on_time = measured.on_time / measured.intended if measured.intended else 0.0
    cpu = measured.cpu_seconds / measured.seconds if measured.seconds else 1.0
    least, most = limits["on_time"], limits["generator_cpu"]
    return [
        Check(
            "arrivals on time",
            f"at least {least:.1%} within {LATE_SECONDS * 1000:.0f} ms",
            f"{on_time:.2%} of {measured.intended:,}",
            on_time >= least,
        ),
        Check("arrivals with an outcome", "all", f"{measured.lost:,} lost", measured.lost == 0),
        Check("generator's processor", f"at most {most:.0%} of a core", f"{cpu:.0%}", cpu <= most),
    ]


def of_server(answered: int, unanswered: int, before: Look, after: Look, limits: Mapping[str, float]) -> list[Check]:
    """Compare what serving counted with what the generator says it was answered.

    Serving may have answered what a client had given up, so those may be among its own.
    """
    counted = counted_between(before, after).total()
    most = answered + unanswered + limits["foreign"] * answered
    if not before.is_same(after):
        return [Check("serving's own count", f"{answered:,}", "its processes were started anew meanwhile", False)]
    says = f"{answered:,} to {int(most):,}"
    return [Check("serving's own count", says, f"{counted:,}", answered <= counted <= most)]


def counted_between(before: Look, after: Look) -> Counter[str]:
    """Return the requests that serving answered between two looks, by class."""
    counted = after.requests.copy()
    counted.subtract(before.requests)
    return Counter({kind: count for kind, count in counted.items() if count})
