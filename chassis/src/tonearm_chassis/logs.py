"""Write log lines as JSON, one object a line, to stdout."""

from __future__ import annotations

import logging
import sys

import structlog

Log = structlog.stdlib.BoundLogger


def configure_logs(service: str, level: str) -> None:
    """Send every log line, the libraries' own and Python's warnings included, to stdout as JSON.

    Each line has `time`, `level`, `event`, `service` and whatever context is bound.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _named(service),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter(shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # kafka-python reports every reconnect as an error with a traceback; its callers already say
    # what an outage means for them.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("pymongo").setLevel(logging.WARNING)


def _formatter(shared: list[structlog.typing.Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _with_logger],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )


def get_log(name: str) -> Log:
    """Make a logger; bind context to it with `.bind(...)`."""
    log: Log = structlog.stdlib.get_logger(name)
    return log


def _named(service: str) -> structlog.typing.Processor:
    def add_service(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    return add_service


def _with_logger(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["logger"] = event["_record"].name
    return event
