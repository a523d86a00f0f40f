import string
from collections.abc import Sequence

import pytest
from hypothesis import given
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

from chesscoach.emails.unsubscribe_links import UnsubscribeLinks, UnsubscribeRequest
from chesscoach.errors import ConfigError, InvalidLink
from tests.conftest import NOON, Clock
from tests.support.random_texts import texts

URL = "https://mail.example.org/coach/"
DAYS = 366


def make_links(*keys: str, clock: Clock | None = None) -> UnsubscribeLinks:
    return UnsubscribeLinks(URL, keys or ("a-key",), DAYS, clock or Clock(NOON))


def token_of(made: UnsubscribeLinks, user_id: str = "ann") -> str:
    return made.url(user_id, "weekly_summary").rpartition("/")[2]


def rejection_reason(made: UnsubscribeLinks, token: str) -> str:
    with pytest.raises(InvalidLink) as caught:
        made.parse(token)
    assert token not in str(caught.value) or not token
    return caught.value.reason


def test_a_link_names_the_user_and_the_kind_of_email() -> None:
    made = make_links()
    link = made.url("ann", "weekly_summary")

    assert link.startswith("https://mail.example.org/coach/unsubscribe/")
    assert made.parse(token_of(made)) == UnsubscribeRequest(user_id="ann", kind="weekly_summary")
    assert "ann" not in link
    assert len(token_of(made, "3f6c1f0e-8a55-4d7c-9a45-9d0d4ad0a8b1")) < 160


@given(texts(max_size=200))
def test_any_user_id_comes_back_from_a_token_that_fits_a_path(user_id: str) -> None:
    made = make_links()
    token = token_of(made, user_id)

    assert set(token) <= set(string.ascii_letters + string.digits + "-_.")
    assert made.parse(token).user_id == user_id


def test_with_any_one_character_changed_it_is_refused() -> None:
    made = make_links()
    token = token_of(made)
    for place, was in enumerate(token):
        for other in {"A", "B", "-", "z"} - {was}:
            changed = token[:place] + other + token[place + 1 :]
            assert rejection_reason(made, changed) in ("tampered", "malformed"), place


@pytest.mark.parametrize(
    "token", ["", "x", ".", "..", "a.b", "a.b.c.d.e", "a..c", "ä.b.c", "a b.c.d", "a.b.c\n", "%00"]
)
def test_a_malformed_link_is_distinguished_from_an_altered_one(token: str) -> None:
    assert rejection_reason(make_links(), token) == "malformed"
    assert rejection_reason(make_links(), "a.b." + "c" * 5000) == "malformed"
    assert rejection_reason(make_links(), "a.b.c") == "tampered"


def test_a_link_is_valid_for_its_days_and_not_a_minute_longer() -> None:
    clock = Clock(NOON)
    made = make_links(clock=clock)
    token = token_of(made)

    clock.move(days=DAYS)
    assert made.parse(token).user_id == "ann"
    clock.move(minutes=1)
    assert rejection_reason(made, token) == "aged"


def test_a_signers_clock_may_be_a_little_ahead_but_not_a_day() -> None:
    ahead, made = Clock(NOON), make_links()
    for minutes, refused in ((4, False), (60 * 24, True)):
        ahead.now = NOON
        ahead.move(minutes=minutes)
        token = token_of(make_links(clock=ahead))
        if refused:
            assert rejection_reason(made, token) == "aged"
        else:
            assert made.parse(token).user_id == "ann"


def test_an_older_key_reads_and_only_the_newest_signs() -> None:
    old, both, new = make_links("old"), make_links("new", "older", "old"), make_links("new")

    assert both.parse(token_of(old)).user_id == "ann"
    assert new.parse(token_of(both)).user_id == "ann"
    assert rejection_reason(old, token_of(both)) == "tampered"
    assert rejection_reason(new, token_of(old)) == "tampered"


def test_what_is_signed_for_another_purpose_or_without_a_date_is_refused() -> None:
    payload: Sequence[str] = ["ann", "weekly_summary"]
    for salt in ("unsubscribe.v2", "login", "itsdangerous"):
        other = URLSafeTimedSerializer("a-key", salt=salt)
        assert rejection_reason(make_links(), str(other.dumps(payload))) == "tampered"
    dateless = URLSafeSerializer("a-key", salt="unsubscribe.v1")
    assert rejection_reason(make_links(), str(dateless.dumps(payload))) == "malformed"


@pytest.mark.parametrize(
    "payload", [[], ["ann"], ["ann", "other"], [7, "weekly_summary"], {"user_id": "ann"}, "ann"]
)
def test_what_another_version_signed_and_we_do_not_know_is_refused(payload: object) -> None:
    made = make_links()
    token = made._tokens.make(payload)

    assert rejection_reason(made, str(token)) == "malformed"


def test_without_a_key_there_are_no_links() -> None:
    with pytest.raises(ConfigError, match=r"emails\.signing_key"):
        UnsubscribeLinks(URL, (), DAYS, Clock(NOON))
