from collections.abc import Mapping
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from chesscoach.emails.webhook.signatures import SIGNATURE, TIMESTAMP, EventSignatures
from chesscoach.errors import ConfigError, InvalidSignature
from tests.conftest import NOON, Clock
from tests.support.emails.webhook_signing import SigningKey, public_key_text, request_body

KEY = SigningKey()
BODY = request_body({"event": "processed", "name": "Jürgen ♞"}) + "♞\r\n".encode()
SIGNATURES = EventSignatures(KEY.public, Clock(NOON))


def is_rejected(body: bytes, headers: Mapping[str, str | None]) -> bool:
    try:
        SIGNATURES.check(body, headers[SIGNATURE], headers[TIMESTAMP])
    except InvalidSignature:
        return True
    return False


def test_a_body_that_sendgrid_signed_is_accepted() -> None:
    for body in (BODY, b"", b"[]"):
        assert not is_rejected(body, KEY.sign(body, NOON))


PEM = (
    f"-----BEGIN PUBLIC KEY-----\n{KEY.public[:64]}\n{KEY.public[64:]}\n-----END PUBLIC KEY-----\n"
)


@pytest.mark.parametrize(
    "text",
    [
        f" {KEY.public[:64]}\n{KEY.public[64:]}\n",
        f"{KEY.public}\r\n",
        PEM,
        PEM.replace("\n", "\r\n"),
        PEM.replace("\n", "\\n"),
        PEM.replace("\n", "\\r\\n"),
        PEM.replace("\n", ""),
        PEM.replace("\n", " "),
        f"\n\n{PEM}\n",
    ],
)
def test_a_key_may_be_pem_and_have_line_breaks(text: str) -> None:
    headers = KEY.sign(BODY, NOON)

    EventSignatures(text, Clock(NOON)).check(BODY, headers[SIGNATURE], headers[TIMESTAMP])


def test_a_flipped_bit_anywhere_in_the_body_is_refused() -> None:
    headers = KEY.sign(BODY, NOON)
    for place in range(len(BODY)):
        flipped = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
        assert is_rejected(flipped, headers), place
    assert is_rejected(BODY + b" ", headers)
    assert is_rejected(BODY.strip(), headers)


def test_another_key_is_refused() -> None:
    assert is_rejected(BODY, SigningKey().sign(BODY, NOON))


def test_the_timestamp_is_part_of_what_is_signed() -> None:
    headers = {**KEY.sign(BODY, NOON), TIMESTAMP: str(int(NOON.timestamp()) + 1)}
    assert is_rejected(BODY, headers)
    assert is_rejected(b"1" + BODY, KEY.sign(BODY, NOON))


@pytest.mark.parametrize(
    ("age", "wrong"),
    [
        (timedelta(hours=24), False),
        (timedelta(hours=24, seconds=1), True),
        (timedelta(days=3650), True),
        (-timedelta(minutes=5), False),
        (-timedelta(minutes=5, seconds=1), True),
    ],
)
def test_it_is_good_for_a_day(age: timedelta, wrong: bool) -> None:
    assert is_rejected(BODY, KEY.sign(BODY, NOON - age)) == wrong


@pytest.mark.parametrize(
    "timestamp", ["", "now", "1.5", "-1", "+1", " 1", "1 ", "1_0", "٣", "1" * 12, "9" * 400, "0x1"]
)
def test_a_timestamp_that_is_not_a_number_is_refused_even_if_signed(timestamp: str) -> None:
    assert is_rejected(BODY, KEY.sign(BODY, timestamp))


@pytest.mark.parametrize(
    "signature", [None, "", "abc", "a", "====", "!!!!", "Zm9v\n", "ü", "\udce4", "AAAA", "x" * 5000]
)
def test_a_malformed_signature_is_refused(signature: str | None) -> None:
    assert is_rejected(BODY, {**KEY.sign(BODY, NOON), SIGNATURE: signature})


def test_characters_that_base64_would_ignore_are_refused() -> None:
    good = KEY.sign(BODY, NOON)
    for extra in ("\n", " ", "!", "\x00"):
        spoilt = good[SIGNATURE][:8] + extra + good[SIGNATURE][8:]
        assert is_rejected(BODY, {**good, SIGNATURE: spoilt})


def test_without_its_headers_it_is_refused() -> None:
    good = KEY.sign(BODY, NOON)
    for name in (SIGNATURE, TIMESTAMP):
        assert is_rejected(BODY, {**good, name: None})


@pytest.mark.parametrize("body", [b'[{"event": "\xff"}]', b"\xef\xbb\xbf[]", bytes(range(256))])
def test_the_signature_is_over_the_bytes_whatever_they_are(body: bytes) -> None:
    headers = KEY.sign(body, NOON)
    assert not is_rejected(body, headers)
    assert is_rejected(body.decode("utf-8", "replace").encode() + b"?", headers)


def test_a_malformed_key_is_named_and_not_quoted() -> None:
    others = [
        public_key_text(ed25519.Ed25519PrivateKey.generate().public_key()),
        public_key_text(rsa.generate_private_key(65537, 2048).public_key()),
    ]
    for key in ("planted", "", "Zm9v", KEY.public[:-8], f"{KEY.public}x", "ü", *others):
        with pytest.raises(ConfigError, match=r"^emails\.sendgrid\.events_key: ") as caught:
            EventSignatures(key, Clock(NOON))
        assert not key or key not in str(caught.value)
