"""Carry one trace through calls and events, as W3C Trace Context has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tonearm_chassis.logs import get_log
from tonearm_chassis.settings import TracingSettings

log = get_log(__name__)

PROPAGATOR = TraceContextTextMapPropagator()
TRACER = "tonearm"
EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
EXPORT_SECONDS = 2.0  # also what a collector that is away may add to the end of the process


def configure_tracing(service: str) -> None:
    """Make spans for `service`, and export them if there is somewhere to send them.

    That takes OTEL_EXPORTER_OTLP_ENDPOINT and the extra `otlp`; without either, spans only carry
    their trace from hop to hop.
    """
    provider = TracerProvider(resource=Resource.create({"service.name": f"tonearm-{service}"}))
    if endpoint := TracingSettings().otel_exporter_otlp_endpoint:
        _export(provider, f"{endpoint.rstrip('/')}/v1/traces")
    trace.set_tracer_provider(provider)


def _export(provider: TracerProvider, url: str) -> None:
    try:
        # Optional, and slow to import: only who exports pays for it.
        module = import_module(EXPORTER)
    except ImportError:
        log.warning("spans_not_exported", cause="tonearm-chassis[otlp] is not installed")
        return
    exporter = module.OTLPSpanExporter(url, timeout=EXPORT_SECONDS)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, export_timeout_millis=EXPORT_SECONDS * 1000)
    )


@contextmanager
def span(name: str, carrier: Mapping[str, str]) -> Iterator[str]:
    """Continue the trace that `carrier["traceparent"]` names, or begin one; yield its trace id."""
    parent = PROPAGATOR.extract(carrier)
    with trace.get_tracer(TRACER).start_as_current_span(name, context=parent) as current:
        yield format(current.get_span_context().trace_id, "032x")


def traceparent() -> str:
    """Name the current span for the next hop; empty outside any."""
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")
