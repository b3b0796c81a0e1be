"""What every service measures about its calls, and the endpoint Prometheus scrapes."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, start_http_server

# Calls: from a token check (1 ms) to an upload of hours.
RPC_SECONDS = Histogram(
    "tonearm_rpc_seconds",
    "How long calls took, by method and status code.",
    ["method", "code"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600),
)
RPC_RUNNING = Gauge("tonearm_rpc_running", "Calls that are running now, by method.", ["method"])
EVENTS_CONSUMED = Counter(
    "tonearm_events_consumed_total",
    "Events taken from Kafka, by type and result (applied, retried, held, dead_lettered).",
    ["type", "result"],
)
EVENTS_PUBLISHED = Counter(
    "tonearm_events_published_total", "Events that Kafka acknowledged, by type.", ["type"]
)


def serve_metrics(address: str) -> None:
    """Serve /metrics over HTTP at "host:port" from a thread of its own."""
    host, _, port = address.rpartition(":")
    start_http_server(int(port), host.strip("[]"))  # an IPv6 address is written [::1]:9464
