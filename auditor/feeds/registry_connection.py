"""One GET after another to a schema registry that may have several addresses."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.errors import FeedError, PausedFeedError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from auditor.settings import RegistryTls

ANSWER_SECONDS = 10.0
"""How long one address may take for one answer."""

ROUNDS = 2
"""How often each address is asked before the feed pauses."""

ANSWER_BYTES_MAX = 16 * 2**20
"""The longest answer that is read."""

_BUSY = 429
_ACCEPT = "application/vnd.schemaregistry.v1+json, application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry answered: 200 or 404 with their bytes."""

    status: int
    body: bytes


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the password to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class RegistryConnection:
    """Asks the addresses of one registry in turn.

    Args:
        feed: The name of the feed, for messages.
        urls: Its addresses; the first that answers is asked first from then on.
        authorization: The header that proves who asks, or None.
        tls: Certificates.

    Raises:
        SettingsError: A certificate cannot be read.
    """

    def __init__(self, feed: str, urls: Sequence[str], authorization: str | None, tls: RegistryTls) -> None:
        self._feed, self._urls, self._authorization = feed, list(urls), authorization
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if any(url.startswith("https:") for url in urls):
            handlers.append(urllib.request.HTTPSHandler(context=_context(feed, tls)))
        self._opener = urllib.request.build_opener(*handlers)

    @property
    def address(self) -> str:
        """All its addresses, for messages; none has a password."""
        return ", ".join(self._urls)

    def get(self, path: str, base: Callable[[str], str] | None = None) -> Answer:
        """The answer for a path.

        Args:
            path: Below each address.
            base: Makes another address of each one.

        Raises:
            PausedFeedError: No address answers now.
            FeedError: The registry refuses us.
        """
        reason = "it does not answer"
        for _ in range(ROUNDS):
            for url in list(self._urls):
                answer = self._ask((base(url) if base else url) + path)
                if isinstance(answer, Answer):
                    self._urls.remove(url)
                    self._urls.insert(0, url)
                    return answer
                reason = answer
        raise PausedFeedError(
            f"The schema registry at {self.address} (feed {self._feed}) could not be asked for a schema: {reason}",
            hint="nothing is skipped: the feed goes on when it answers; schemas that are known need no registry",
        )

    def _ask(self, url: str) -> Answer | str:
        """The answer, or why there is none that counts."""
        request = urllib.request.Request(url, headers={"Accept": _ACCEPT})  # noqa: S310 - http or https, by the settings
        if self._authorization:
            request.add_unredirected_header("Authorization", self._authorization)
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as response:
                return self._read(response, 200)
        except urllib.error.HTTPError as error:
            with error:
                return self._refused(error)
        except urllib.error.URLError as error:
            return self._unreached(error.reason)
        except (OSError, http.client.HTTPException) as error:
            return self._unreached(error)

    def _read(self, response: Any, status: int) -> Answer:
        body = response.read(ANSWER_BYTES_MAX + 1)
        if len(body) > ANSWER_BYTES_MAX:
            raise FeedError(f"The schema registry at {self.address} (feed {self._feed}) answered more than 16 MiB")
        return Answer(status, body)

    def _refused(self, error: urllib.error.HTTPError) -> Answer | str:
        if error.code == 404:  # noqa: PLR2004
            return self._read(error, 404)
        if error.code >= 500 or error.code == _BUSY:  # noqa: PLR2004
            return f"it answers {error.code}"
        who = "with the login of `schema_registry.auth`" if self._authorization else "without a login"
        if error.code in (401, 403):
            raise FeedError(
                f"The schema registry at {self.address} (feed {self._feed}) refuses us {who}: it answers {error.code}",
                hint="check `schema_registry.auth` of the feed, and that it may read schemas and subjects",
            )
        raise FeedError(
            f"The schema registry at {self.address} (feed {self._feed}) answers {error.code} for a schema",
            hint="check `schema_registry.url` of the feed; redirects are not followed",
        )

    def _unreached(self, reason: object) -> str:
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise FeedError(
                f"The schema registry at {self.address} (feed {self._feed}) could not prove who it is: "
                f"{reason.verify_message}",
                hint="name the certificate of its authority in `schema_registry.tls.ca`",
            )
        if isinstance(reason, TimeoutError):
            return f"no answer within {ANSWER_SECONDS:.0f} s"
        return str(getattr(reason, "strerror", None) or type(reason).__name__)


def _context(feed: str, tls: RegistryTls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(tls.ca) if tls.ca else None)
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"A certificate of the schema registry of feed {feed} could not be read: {error.strerror}",
            hint="`schema_registry.tls` names PEM files: ca, cert and key",
        ) from None
    return context
