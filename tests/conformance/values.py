"""The nasty values, in canonical text: what must come out of every store that can hold them.

Most are bugs that other tools had; the rest are the edges of types.
"""

from __future__ import annotations

LONG_TEXT = "long " * 13_000
NUL_TEXT = "nul\0nul"
NUL_JSON = '{"deep":{"list":[null,true,"ä\\u0000",{}]}}'
WIDE_JSON = '{"n":12345678901234567890.123456789012345678}'

INFINITE = ("infinity", "-infinity")
SPECIAL = ("NaN", *INFINITE)
BEYOND_SIGNED = ("18446744073709551615", "123456789012345678901234567890")
"""Integers beyond 64 bits with a sign."""
BEYOND_UNSIGNED = ("-1", "-9223372036854775808", "123456789012345678901234567890")
AS_REALS = {
    "18446744073709551615": "18446744073709552000",
    "123456789012345678901234567890": "123456789012345680000000000000",
}
"""Integers beyond 64 bits as SQLite keeps them: as doubles."""
ROUNDED_TO_SINGLE = {"0.30000000000000004": "0.3", "16777217.0": "16777216.0"}
OUTSIDE_SINGLE = ("1e+300", "5e-324", "1.7976931348623157e+308")
AS_SINGLE = {**ROUNDED_TO_SINGLE, "1e+300": "infinity", "5e-324": "0.0", "1.7976931348623157e+308": "infinity"}
"""Doubles as stores keep them in 32 bits that cast without a word."""
OUTSIDE_NANOSECONDS = ("0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z")
OUTSIDE_UNIX = ("1969-12-31T23:59:59.999999Z", "1900-01-01T00:00:00.000001Z", *OUTSIDE_NANOSECONDS)

_JSON = (
    '{"aa":1,"aaa":1}',
    '{"a":1.1}',
    WIDE_JSON,
    NUL_JSON,
    "[]",
    '"text"',
    '{"e\u0301":1,"\u00e9":2}',
)

VALUES: dict[str, tuple[str, ...]] = {
    "int": (
        "0",
        "-1",
        "2147483648",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "123456789012345678901234567890",
    ),
    "decimal(10,2)": ("0.00", "1.10", "-0.19", "5.99", "99999999.99", "-99999999.99", "NaN", "infinity", "-infinity"),
    "decimal(38,30)": ("0.366406250000000000000000000000", "12345678.123456789012345678901234567890"),
    "decimal(60,20)": ("1234567890123456789012345678901234567890.12345678901234567890", "-0.00000000000000000001"),
    "float": (
        "0.0",
        "0.1",
        "-0.19",
        "1.234567",
        "0.30000000000000004",
        "123456.78",
        "16777217.0",
        "1e+300",
        "5e-324",
        "1.7976931348623157e+308",
        "NaN",
        "infinity",
        "-infinity",
    ),
    "text": (
        "",
        " ",
        "trailing ",
        "\u00e9",
        "e\u0301",
        "ÁÀá",
        "😀",
        "quote ' \" ` \\ % _ ; -- {}",
        "tab\tline\nreturn\r\nend",
        "NULL",
        "null",
        "1.10",
        "\ufeffmark",
        NUL_TEXT,
        LONG_TEXT,
    ),
    "bool": ("true", "false"),
    "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"),
    "date": ("2026-01-31", "2024-02-29", "0001-01-01", "1582-10-10", "9999-12-31", "infinity", "-infinity"),
    "time": ("00:00:00.000000", "12:34:56.123456", "23:59:59.999500", "23:59:59.999999", "24:00:00.000000"),
    "timestamp": (
        "2026-01-31T12:00:00.000000Z",
        "2026-01-31T11:59:59.999500Z",
        "2026-10-25T00:30:00.000000Z",
        "2026-10-25T01:30:00.000000Z",
        "1969-12-31T23:59:59.999999Z",
        "1900-01-01T00:00:00.000001Z",
        "0001-01-01T00:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z",
        "infinity",
        "-infinity",
    ),
    "timestamp(local)": (
        "2026-01-31T12:00:00.000000",
        "2026-03-29T02:30:00.000000",
        "2026-01-31T11:59:59.999500",
        "0001-01-01T00:00:00.000000",
        "9999-12-31T23:59:59.999999",
        "infinity",
    ),
    "interval": ("PT0S", "P1Y2M3DT4H5M6.789S", "P-1D", "PT-0.000001S", "P1MT-1H"),
    "bytes": ("", "00ff", "5c78", "27220a"),
    "json": _JSON,
    "list<int>": ("[]", '["1","2"]', '["1",null]', '["9223372036854775807"]'),
    "list<text>": ('["a","","NULL",null,"quote \\" { } , \\\\"]', "[]"),
    "list<decimal(9,2)>": ('["1.10","-0.19"]',),
    "enum(open,shipped)": ("open", "shipped"),
}
