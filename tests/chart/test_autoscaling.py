"""The HorizontalPodAutoscaler of serving: by processor, and by requests in flight where somebody offers them."""

from pathlib import Path

import kubernetes_validate
import pytest

from chart.render import ROOT, HelmError, lock_for_golden, only, template

APP = ROOT / "serving" / "gopherwood_serving" / "app.py"


def test_requests_in_flight_count_where_asked_to(tmp_path: Path) -> None:
    """The metric of pods is a gauge that a scrape has; the bounds of time are those of the values."""
    names = ("enabled=true", "inFlight=20", "scaleDownSeconds=30", "scaleDownPeriod=15")
    more = ",".join(f"autoscaling.{name}" for name in names)
    scaler = only(template("serving", lock_for_golden(tmp_path), more=("--set", more)), "HorizontalPodAutoscaler")
    for version in ("1.30", "1.34"):
        kubernetes_validate.validate(scaler, version, strict=True)
    processor, flying = scaler["spec"]["metrics"]
    assert processor["resource"]["target"]["averageUtilization"] == 70
    assert flying["pods"]["target"] == {"type": "AverageValue", "averageValue": "20"}
    name = flying["pods"]["metric"]["name"].removeprefix("gopherwood_serving_")
    assert f'declare("{name}", "gauge"' in APP.read_text()
    down = scaler["spec"]["behavior"]["scaleDown"]
    assert down == {"stabilizationWindowSeconds": 30, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}


@pytest.mark.parametrize("wrong", ["scaleDownSeconds=3601", "inFlight=-1", "scaleDownPeriod=0", "cpuPercents=1"])
def test_numbers_that_cannot_be_are_refused(wrong: str, tmp_path: Path) -> None:
    """What the API would refuse is refused before anything is installed."""
    with pytest.raises(HelmError, match="autoscaling"):
        template("serving", lock_for_golden(tmp_path), more=("--set", f"autoscaling.{wrong}"))
