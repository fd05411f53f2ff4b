"""URLs of stores are taken apart and put together again without loss."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from auditor.store_url import StoreUrl, parse_store_url

HERE = Path("/srv/audit")


def parse(text: str) -> StoreUrl:
    return parse_store_url(text, directory=HERE)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///x.db", "/srv/audit/x.db"),
        ("sqlite:////abs/x.db", "/abs/x.db"),
        ("sqlite:///../x.db", "/srv/x.db"),
        ("sqlite:x.db", "/srv/audit/x.db"),
        ("sqlite:///a%20b%23.db", "/srv/audit/a b#.db"),
        ("file:./export", "/srv/audit/export"),
        ("file:export", "/srv/audit/export"),
        ("file:/abs/export", "/abs/export"),
        ("file:///abs/export", "/abs/export"),
        ("duckdb:x.duckdb", "/srv/audit/x.duckdb"),
        ("duckdb:///x.duckdb", "/srv/audit/x.duckdb"),
    ],
)
def test_paths_are_absolute(text: str, path: str) -> None:
    assert parse(text).path == Path(path)
    assert parse(parse(text).with_password()).path == Path(path)


@pytest.mark.parametrize(
    "text", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/x.db", "file:", "file://x"]
)
def test_a_path_is_needed(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected (a|the) path"):
        parse(text)


def test_the_parts_of_a_server_url() -> None:
    url = parse("postgresql+psycopg://us%40er:p%3Aw%2F@[::1]:5433/my%20db?application_name=a%26b&password=hidden")
    assert (url.scheme, url.dialect) == ("postgresql+psycopg", "postgresql")
    assert (url.user, url.host, url.port, url.database) == ("us@er", "::1", 5433, "my db")
    assert url.secrets() == ("p:w/", "hidden")
    assert dict(url.query) == {"application_name": "a&b", "password": "hidden"}
    assert str(url) == "postgresql+psycopg://us%40er@[::1]:5433/my%20db?application_name=a%26b&password=***"


def test_several_hosts_no_host_and_no_user() -> None:
    assert parse("mongodb://a:27017,b/shop").hosts == (("a", 27017), ("b", None))
    assert str(parse("mongodb://a:27017,b/shop")) == "mongodb://a:27017,b/shop"
    assert parse("postgresql:///orders").host == ""
    cache = parse("redis://:secret@h/0")
    assert cache.user is None
    assert str(cache) == "redis://h/0"
    assert cache.with_password() == "redis://:secret@h/0"


@pytest.mark.parametrize(
    "scheme",
    [
        *("postgresql", "mysql", "mariadb", "mssql", "oracle", "postgresql+psycopg", "mysql+pymysql", "mongodb"),
        *("mongodb+srv", "redis", "rediss", "redis+cluster", "elasticsearch+http", "elasticsearch+https"),
        *("opensearch+http", "opensearch+https", "influxdb+http", "influxdb+https", "cassandra", "dynamodb"),
        *("couchdb+http", "couchdb+https", "solr+http", "solr+https", "clickhouse+http", "clickhouse+https"),
    ],
)
def test_every_scheme_of_the_interface_is_known(scheme: str) -> None:
    assert parse(f"{scheme}://u@h:1/d").scheme == scheme


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgres://h/d", "unknown URL scheme `postgres`; did you mean `postgresql`?"),
        ("nosuch://h/d", r"unknown URL scheme `nosuch` \(known are postgresql, mysql"),
        ("h/d", "expected a URL that begins with a scheme"),
        ("", "expected a URL that begins with a scheme"),
        ("mysql:h/d", "expected mysql://…, with two slashes"),
        ("mysql://h:0/d", "no host and port"),
        ("mysql://h:65536/d", "no host and port"),
        ("mysql://[::1/d", "no host and port"),
        ("mysql://u:p/w@h/d", "percent-encode it"),
        ("mysql://u:p?w@h/d", "percent-encode it"),
        ("mysql://u:p#w@h/d", "percent-encode it"),
    ],
)
def test_what_is_no_url_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(text)


_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(user=_TEXT, password=_TEXT, database=_TEXT, port=st.integers(1, 65535), options=st.dictionaries(_TEXT, _TEXT))
def test_what_is_put_together_comes_apart_the_same(
    user: str, password: str, database: str, port: int, options: dict[str, str]
) -> None:
    url = StoreUrl("mysql", user, SecretStr(password), (("h", port),), database, query=options)
    assert parse(url.with_password()) == url
