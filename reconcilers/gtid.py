"""Global transaction ids, as MySQL and MariaDB write them."""

from __future__ import annotations

import re

_MARIADB = re.compile(r"(\d{1,10})-\d{1,10}-(\d{1,18})\Z")
_MYSQL = re.compile(r"(.+):(\d{1,18})\Z")


def origin(gtid: str) -> tuple[str, int] | None:
    """What a transaction's number counts within, and the number; None for what is no GTID.

    MySQL counts within a server and a tag.  MariaDB counts within a domain: the server is no part of the count.
    """
    match = _MARIADB.match(gtid) or _MYSQL.match(gtid)
    return None if match is None else (match[1], int(match[2]))
