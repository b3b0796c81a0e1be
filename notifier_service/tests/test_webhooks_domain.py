"""What may be done with the webhooks of an account."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from notifier_service.domain import (
    AccountWebhooks,
    InvalidRequestId,
    InvalidURL,
    RequestIdReused,
    Secret,
    TooManyWebhooks,
    UnknownWebhook,
    Webhook,
    WebhookDeleted,
    WebhookState,
    checked_request_id,
    checked_url,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOBODY: frozenset[str] = frozenset()
LOOPBACK = frozenset({"127.0.0.1"})


def a_webhook(number: int = 1, request_id: str = "") -> Webhook:
    return Webhook(
        id=f"w{number}",
        url="https://hooks.example/in",
        state=WebhookState.ENABLED,
        create_time=NOW,
        secrets=(Secret("whsec_first"),),
        request_id=request_id,
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/in?key=1",
        "https://hooks.example:8443",
        "https://xn--bcher-kva.example/",
        "https://8.8.8.8/",
        "https://[2606:4700::1]:443/in",
        "HTTPS://hooks.example/in",
    ],
)
def test_an_endpoint_may_be_anywhere_in_public(url: str) -> None:
    assert checked_url(url, NOBODY) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example/in",
        "http://hooks.example/in",
        "ftp://hooks.example/in",
        "file:///etc/passwd",
        "https://",
        "https:///in",
        "https://user:secret@hooks.example/",
        "https://user@hooks.example/",
        "https://hooks.example/#in",
        "https://hooks.example:0/",
        "https://hooks.example:65536/",
        "https://hooks.example:x/",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nx: y",
        "https://hooks.example\\@127.0.0.1/",
        "https://b\u00fccher.example/",
        "https://hooks%2eexample/",
        "https://[::1",
        "https://" + "a" * 2000,
        "https://localhost/",
        "https://localhost./",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "http://127.0.0.1/",
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(InvalidURL):
        checked_url(url, NOBODY)


def test_only_hosts_that_the_operator_named_need_no_tls() -> None:
    assert checked_url("http://127.0.0.1:8080/in", LOOPBACK) == "http://127.0.0.1:8080/in"
    with pytest.raises(InvalidURL):
        checked_url("http://127.0.0.2:8080/in", LOOPBACK)


def test_a_request_id_is_a_uuid_or_nothing() -> None:
    written = checked_request_id("0E3C3A5C0B6F4B2D9B8E8C6D2A7F1E00")

    assert written == "0e3c3a5c-0b6f-4b2d-9b8e-8c6d2a7f1e00"
    assert checked_request_id("") == ""
    with pytest.raises(InvalidRequestId):
        checked_request_id("mine")


def test_an_account_has_no_more_webhooks_than_it_may() -> None:
    full = AccountWebhooks("a", webhooks=(a_webhook(1), a_webhook(2)))

    with pytest.raises(TooManyWebhooks):
        full.plus(a_webhook(3), at_most=2)


def test_a_request_finds_what_it_made_and_nothing_else() -> None:
    one = AccountWebhooks("a", webhooks=(a_webhook(1, "r1"), a_webhook(2)))

    assert one.made_by("r1", a_webhook().url) == a_webhook(1, "r1")
    assert one.made_by("r2", a_webhook().url) is None
    assert one.made_by("", a_webhook().url) is None
    with pytest.raises(RequestIdReused):
        one.made_by("r1", "https://elsewhere.example/")


def test_a_request_does_not_bring_back_what_was_deleted() -> None:
    left = AccountWebhooks("a", webhooks=(a_webhook(1, "r1"), a_webhook(2))).minus("w1").minus("w2")

    assert left.webhooks == ()
    assert left.deleted_requests == ("r1",)
    with pytest.raises(WebhookDeleted):
        left.made_by("r1", a_webhook().url)


def test_only_so_many_deleted_requests_are_remembered() -> None:
    many = tuple(a_webhook(number, f"r{number}") for number in range(101))
    left = AccountWebhooks("a", webhooks=many)
    for each in many:
        left = left.minus(each.id)

    assert len(left.deleted_requests) == 100
    assert left.deleted_requests[0] == "r1"


def test_what_is_not_there_can_be_neither_found_nor_changed_nor_deleted() -> None:
    empty = AccountWebhooks("a")

    with pytest.raises(UnknownWebhook):
        empty.get("w1")
    with pytest.raises(UnknownWebhook):
        empty.changed("w1", Webhook.enabled)
    with pytest.raises(UnknownWebhook):
        empty.minus("w1")


def test_a_disabled_webhook_is_told_nothing_until_it_is_enabled() -> None:
    disabled = AccountWebhooks("a", webhooks=(a_webhook(1), a_webhook(2))).changed(
        "w1", lambda each: each.disabled("gone")
    )

    enabled = disabled.changed("w1", Webhook.enabled)

    assert disabled.enabled_ids == ("w2",)
    assert disabled.get("w1").disable_reason == "gone"
    assert enabled.enabled_ids == ("w1", "w2")
    assert enabled.get("w1").disable_reason == ""


def test_an_earlier_secret_signs_for_a_day_beside_the_new_one() -> None:
    rotated = a_webhook().rotated("whsec_second", NOW)

    assert rotated.signing(NOW + timedelta(hours=23)) == ("whsec_second", "whsec_first")
    assert rotated.signing(NOW + timedelta(hours=24)) == ("whsec_second",)


def test_secrets_that_sign_are_never_too_many_nor_live_longer_by_another_rotation() -> None:
    rotated = a_webhook()
    for number in range(5):
        rotated = rotated.rotated(f"whsec_{number}", NOW + timedelta(hours=number))

    assert rotated.signing(NOW + timedelta(hours=5)) == ("whsec_4", "whsec_3", "whsec_2")
    assert rotated.signing(NOW + timedelta(hours=27, minutes=30)) == ("whsec_4", "whsec_3")
    assert replace(rotated, secrets=()).signing(NOW) == ()
