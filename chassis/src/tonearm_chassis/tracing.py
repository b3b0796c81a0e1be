"""Carry one trace through calls and events, as W3C Trace Context has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

PROPAGATOR = TraceContextTextMapPropagator()
TRACER = "tonearm"


def configure_tracing(service: str) -> None:
    """Make spans for `service`; nothing is exported unless an exporter is added to the provider."""
    trace.set_tracer_provider(
        TracerProvider(resource=Resource.create({"service.name": f"tonearm-{service}"}))
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
