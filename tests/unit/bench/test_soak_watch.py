from prometheus_client import generate_latest

from bench.soak_watch import server_errors
from immich_aio.services.http.metrics import Metrics


def test_5xx_are_counted_as_our_own_services_tell_them() -> None:
    metrics = Metrics("gateway")
    for status in (200, 400, 413, 429, 500, 503, 503):
        metrics.count_request("/predict", "POST", status, 0.5)
    metrics.count_request("immich", "GET", 502, 0.5)
    assert server_errors(generate_latest(metrics.registry).decode()) == 4
