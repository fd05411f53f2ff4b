"""What leaves the process holds no secret, in whatever spelling."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.secrets import SecretRegistry


@given(st.text(st.characters(codec="utf-8"), min_size=4))
def test_every_spelling_of_a_secret_is_replaced(secret: str) -> None:
    registry = SecretRegistry()
    registry.remember(secret)
    for spelling in (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]):
        assert registry.scrub(f"<{spelling}>").strip("<*>") == ""


def test_longer_secrets_are_replaced_before_their_parts() -> None:
    registry = SecretRegistry()
    registry.remember("hunter")
    registry.remember("hunter22")
    assert registry.scrub("hunter22 hunter") == "*** ***"


def test_a_short_secret_blanks_whole_words_only() -> None:
    registry = SecretRegistry()
    registry.remember("a")
    assert registry.scrub("a banana with password a") == "*** banana with password ***"


def test_a_password_that_is_a_public_word_hides_only_where_credentials_stand() -> None:
    """`postgres:postgres@` is everywhere in development; messages must stay readable."""
    registry = SecretRegistry()
    registry.remember("postgres", public=("postgresql", "postgres"))
    said = 'postgresql://postgres:postgres@h/d: password authentication failed for user "postgres"'
    assert registry.scrub(said) == ('postgresql://postgres:***@h/d: password authentication failed for user "postgres"')


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("mysql://u:p@h/d", "mysql://u:***@h/d"),
        ("redis://:p@h/0", "redis://:***@h/0"),
        ("host=h password=p dbname=d", "host=h password=*** dbname=d"),
        ("password='p q' x", "password=*** x"),
        ("PWD=p;SERVER=h", "PWD=***;SERVER=h"),
        ("http://h/p?q=1:2", "http://h/p?q=1:2"),
        ("at 12:30 a@b.c", "at 12:30 a@b.c"),
    ],
)
def test_credentials_are_hidden_even_when_nobody_told_us(said: str, shown: str) -> None:
    assert SecretRegistry().scrub(said) == shown


def test_an_empty_secret_is_none() -> None:
    registry = SecretRegistry()
    registry.remember("")
    assert registry.scrub("as it was") == "as it was"
