"""What addresses and passwords are good."""

from __future__ import annotations

import pytest
from auth_fakes import NOW

from auth_service.domain import (
    InvalidEmail,
    KeyId,
    PasswordTooLong,
    PasswordTooShort,
    SigningKey,
    check_password,
    normal_email,
)


def test_an_address_is_kept_in_lower_case_without_spaces_around() -> None:
    assert normal_email("  Ada@Example.ORG ") == "ada@example.org"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "a da@example.org",
        "ada@exam\nple.org",
        "ada@b@example.org",
        "ada@example.org\r\nBcc: eve@example.org",
        "a" * 250 + "@b.org",
    ],
)
def test_what_cannot_receive_mail_is_no_address(text: str) -> None:
    with pytest.raises(InvalidEmail):
        normal_email(text)


def test_a_password_of_nine_characters_is_too_short_and_of_ten_is_not() -> None:
    check_password("x" * 10)

    with pytest.raises(PasswordTooShort):
        check_password("x" * 9)


def test_a_password_of_129_characters_is_too_long_and_of_128_is_not() -> None:
    check_password("x" * 128)

    with pytest.raises(PasswordTooLong):
        check_password("x" * 129)


def test_a_key_in_a_log_does_not_show_its_private_half() -> None:
    key = SigningKey(KeyId("k"), b"public", b"the private half", NOW)

    assert "private half" not in repr(key)
