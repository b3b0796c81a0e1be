"""Which REST route is which RPC, and what of the request arrives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import resources

import httpx
import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.duration_pb2 import Duration

from tonearm.gateway.v1 import conversion_pb2, upload_pb2
from tonearm.notifier.v1 import notifier_pb2

from .fakes import Journal


@dataclass(frozen=True, slots=True)
class Route:
    """A request, and the RPC and fields that it must become."""

    method: str
    path: str
    rpc: str
    fields: dict[str, str | int]
    query: dict[str, str] = field(default_factory=dict)
    json: dict[str, str] | None = None
    content: bytes | None = None

    @property
    def pattern(self) -> tuple[str, str]:
        """The method and the path with its ids blanked, as `bindings` has them."""
        path = re.sub(
            r"(?<=/conversions/)\w+|(?<=/deliveries/)\w+|(?<=/webhooks/)\w+|(?<=/assets/).+",
            "{}",
            self.path,
        )
        return self.method, path


ROUTES = (
    Route(
        "POST",
        "/v1/accounts",
        "CreateAccount",
        {"email": "ann@example.org", "password": "long enough"},
        json={"email": "ann@example.org", "password": "long enough"},
    ),
    Route(
        "POST",
        "/v1/login",
        "Login",
        {"email": "ann@example.org"},
        json={"email": "ann@example.org"},
    ),
    Route("GET", "/.well-known/jwks.json", "GetJwks", {}),
    Route("GET", "/", "GetPage", {"asset": ""}),
    Route("GET", "/assets/page.css", "GetPage", {"asset": "page.css"}),
    Route(
        "POST",
        "/v1/conversions",
        "UploadVideo",
        {
            "filename": "holiday's \n\u00fc.mp4",
            "bitrate_kbps": 128,
            "size_bytes": 5,
            "sha256": "ab",
            "request_id": "r1",
        },
        query={
            "filename": "holiday's \n\u00fc.mp4",
            "bitrate_kbps": "128",
            "size_bytes": "5",
            "sha256": "ab",
            "request_id": "r1",
        },
        content=b"video",
    ),
    Route(
        "GET",
        "/v1/conversions",
        "ListConversions",
        {"page_size": 7, "page_token": "t"},
        query={"page_size": "7", "page_token": "t"},
    ),
    Route("GET", "/v1/conversions/c7", "GetConversion", {"conversion_id": "c7"}),
    Route("GET", "/v1/conversions/c7:watch", "WatchConversion", {"conversion_id": "c7"}),
    Route("POST", "/v1/conversions/c7:cancel", "CancelConversion", {"conversion_id": "c7"}),
    Route(
        "POST",
        "/v1/conversions/c7:retry",
        "RetryConversion",
        {"conversion_id": "c7", "request_id": "r1"},
        json={"request_id": "r1"},
    ),
    Route("DELETE", "/v1/conversions/c7", "DeleteConversion", {"conversion_id": "c7"}),
    Route("GET", "/v1/conversions/c7/audio", "DownloadAudio", {"conversion_id": "c7"}),
    Route("HEAD", "/v1/conversions/c7/audio", "DownloadAudio", {"conversion_id": "c7"}),
    Route(
        "GET",
        "/v1/conversions/c7/waveform",
        "GetWaveform",
        {"conversion_id": "c7", "format": "png"},
        query={"format": "png"},
    ),
    Route(
        "GET",
        "/v1/deliveries",
        "ListDeliveries",
        {"conversion_id": "c7", "page_size": 7, "page_token": "t"},
        query={"conversion_id": "c7", "page_size": "7", "page_token": "t"},
    ),
    Route(
        "POST",
        "/v1/deliveries/c7:redeliver",
        "RedeliverNotice",
        {"conversion_id": "c7", "channel": notifier_pb2.Delivery.WEBHOOK, "webhook_id": "w1"},
        json={"channel": "WEBHOOK", "webhook_id": "w1"},
    ),
    Route(
        "POST",
        "/v1/webhooks",
        "CreateWebhook",
        {"url": "https://hooks.example/in?key=1", "request_id": "r1"},
        json={"url": "https://hooks.example/in?key=1", "request_id": "r1"},
    ),
    Route(
        "GET",
        "/v1/webhooks",
        "ListWebhooks",
        {"page_size": 7, "page_token": "t"},
        query={"page_size": "7", "page_token": "t"},
    ),
    Route("GET", "/v1/webhooks/w7", "GetWebhook", {"webhook_id": "w7"}),
    Route("DELETE", "/v1/webhooks/w7", "DeleteWebhook", {"webhook_id": "w7"}),
    Route("POST", "/v1/webhooks/w7:enable", "EnableWebhook", {"webhook_id": "w7"}),
    Route("POST", "/v1/webhooks/w7:rotateSecret", "RotateSecret", {"webhook_id": "w7"}),
)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_a_route_reaches_its_rpc_with_every_field(
    member: httpx.AsyncClient, journal: Journal, route: Route
) -> None:
    journal.change.set()

    answer = await member.request(
        route.method, route.path, params=route.query, json=route.json, content=route.content
    )

    assert answer.is_success, answer.text
    call = journal.only(route.rpc)
    assert {name: getattr(call.request, name) for name in route.fields} == route.fields
    assert len(journal.calls) == 1


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_a_verb_needs_no_body(member: httpx.AsyncClient, journal: Journal, verb: str) -> None:
    answer = await member.post(f"/v1/conversions/c7:{verb}")

    assert answer.is_success, answer.text
    assert journal.reached(f"{verb.capitalize()}Conversion")


async def test_a_retry_answers_201_and_says_where(member: httpx.AsyncClient) -> None:
    answer = await member.post("/v1/conversions/c7:retry")

    assert answer.status_code == httpx.codes.CREATED
    assert answer.headers["location"] == "/v1/conversions/c2"
    assert answer.json()["conversion"]["retry_of"] == "c7"


async def test_a_new_webhook_answers_201_says_where_and_is_not_cached(
    member: httpx.AsyncClient,
) -> None:
    answer = await member.post("/v1/webhooks", json={"url": "https://hooks.example/"})

    assert answer.status_code == httpx.codes.CREATED
    assert answer.headers["location"] == "/v1/webhooks/w1"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["webhook"]["secret"] == "whsec_c2VjcmV0"


def test_the_table_above_has_every_route_of_the_contracts() -> None:
    assert {route.pattern for route in ROUTES} == bindings()


async def test_the_authorization_and_the_trace_travel_on(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await member.get("/v1/deliveries", headers={"traceparent": traceparent})

    metadata = journal.only("ListDeliveries").metadata
    assert metadata["authorization"] == member.headers["authorization"]
    assert metadata["traceparent"] == traceparent


async def test_basic_credentials_reach_the_login(
    client: httpx.AsyncClient, journal: Journal
) -> None:
    answer = await client.post("/v1/login", json={}, auth=("ann@example.org", "secret"))

    assert answer.status_code == httpx.codes.OK
    assert journal.only("Login").metadata["authorization"].startswith("Basic ")


async def test_options_are_query_parameters_with_dots(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    query = {
        "filename": "a.mp4",
        "format": "flac",
        "preset": "Best",
        "options.vbr_quality": "0",
        "options.sample_rate_hz": "48000",
        "options.channels": "1",
        "options.track.index": "0",
        "options.track.language": "deu",
        "options.trim.start": "1.5s",
        "options.trim.end": "3723.000000001s",
        "options.trim.start_sample": "0",
        "options.loudness.target_lufs": "-14.5",
        "options.tags.title": "a+b c & \u00fc",
        "options.tags.origin": "nothing",
        "options.cover": "no_cover",
        "options.chapters": "drop",
        "options.copy": "never",
    }

    answer = await member.post("/v1/conversions", params=query, content=b"video")

    assert answer.is_success, answer.text
    request = journal.only("UploadVideo").request
    assert isinstance(request, upload_pb2.UploadVideoRequest)
    expected = conversion_pb2.AudioOptions(
        vbr_quality=0,
        sample_rate_hz=48_000,
        channels=1,
        track=conversion_pb2.TrackChoice(index=0, language="deu"),
        trim=conversion_pb2.Trim(
            start=Duration(seconds=1, nanos=500_000_000),
            end=Duration(seconds=3723, nanos=1),
            start_sample=0,
        ),
        loudness=conversion_pb2.Loudness(target_lufs=-14.5),
        tags=conversion_pb2.Tags(title="a+b c & \u00fc", origin=conversion_pb2.Tags.NOTHING),
        cover=conversion_pb2.AudioOptions.NO_COVER,
        chapters=conversion_pb2.AudioOptions.DROP,
        copy=conversion_pb2.AudioOptions.NEVER,
    )
    assert request.options == expected
    assert request.format == conversion_pb2.AudioOptions.FLAC
    assert request.preset == conversion_pb2.AudioOptions.BEST


@pytest.mark.parametrize(
    "query", ["preset=finest", "options.trim.start=soon", "options.nothing=1", "preset.best=1"]
)
async def test_what_is_no_option_reaches_nobody(
    member: httpx.AsyncClient, journal: Journal, query: str
) -> None:
    answer = await member.post(f"/v1/conversions?filename=a.mp4&{query}", content=b"video")

    assert answer.status_code == httpx.codes.BAD_REQUEST, answer.text
    assert not journal.reached("UploadVideo")


async def test_json_keeps_the_names_of_the_contracts(member: httpx.AsyncClient) -> None:
    answer = await member.get("/v1/deliveries")

    delivery = answer.json()["deliveries"][0]
    assert delivery["conversion_id"] == "c1"
    assert delivery["last_error"] == ""


async def test_each_request_has_an_id_that_its_sender_cannot_choose(
    member: httpx.AsyncClient, journal: Journal
) -> None:
    answer = await member.get("/v1/deliveries", headers={"x-request-id": "chosen"})

    request_id = journal.only("ListDeliveries").metadata["x-request-id"]
    assert request_id != "chosen"
    assert answer.headers["x-request-id"] == request_id


def bindings() -> set[tuple[str, str]]:
    """Read every method and path, ids blanked, from the descriptors that Envoy reads."""
    encoded = (resources.files("tonearm") / "descriptors.binpb").read_bytes()
    return {
        binding
        for file in descriptor_pb2.FileDescriptorSet.FromString(encoded).file
        for service in file.service
        for method in service.method
        for binding in rules(method.options.Extensions[annotations_pb2.http])
    }


def rules(rule: http_pb2.HttpRule) -> set[tuple[str, str]]:
    """List a rule's own binding and its additional ones."""
    kind = rule.WhichOneof("pattern")
    if kind is None:
        return set()
    own = (
        (rule.custom.kind, rule.custom.path)
        if kind == "custom"
        else (kind.upper(), str(getattr(rule, kind)))
    )
    more = {binding for other in rule.additional_bindings for binding in rules(other)}
    return {(own[0], re.sub(r"\{\w+\}", "{}", own[1]))} | more
