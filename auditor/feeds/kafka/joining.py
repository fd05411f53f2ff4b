"""How a member joins its group: what was begun in one poll is brought to its end in a later one.

kafka-python asks to join on a thread of its own, and waits for the answer as long as a poll may take.  Where the answer
comes after that, it does two things wrong:

- It has joined because partitions were added, and already notes them as shared out.  So it sees no reason to join any
  more, and the answer is never looked at: the member reads nothing, and gives no sign of life, from then on.
- It sees another reason to join, and asks anew instead of taking the answer that is there.  For the leader of a group
  that means that the whole group shares everything out once more; a member that looks seldom may never be done.

Java's client goes on with a join that is pending, and takes its answer whenever it comes (`joinGroupIfNeeded` of its
`AbstractCoordinator`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka.coordinator.base import MemberState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def join_to_the_end(coordinator: Any) -> None:
    """Have a consumer's coordinator end each join that it has begun, and take what came of it."""
    needs: Callable[[], bool] = coordinator.need_rejoin
    coordinator.need_rejoin = lambda: coordinator.rejoining or needs()
    coordinator._do_join_and_sync_async = Answer(coordinator).of_group  # noqa: SLF001  it offers no other way


class Answer:
    """What the group has answered to a member that wanted to join, kept until it is taken.

    Args:
        coordinator: The member's, of kafka-python.
    """

    def __init__(self, coordinator: Any) -> None:
        self._coordinator = coordinator
        self._ask: Callable[[], Awaitable[bytes]] = coordinator._do_join_and_sync_async  # noqa: SLF001
        self._found: tuple[Any, bytes] | None = None

    async def of_group(self) -> bytes:
        """What the group gives to this member, as its leader wrote it: the answer that is there, or a new one."""
        found, self._found = self._found, None
        if found is None or not self._is_untaken(found[0]):
            share = await self._ask()
            found = self._generation(), share
        self._found = found
        return found[1]

    def _is_untaken(self, generation: Any) -> bool:
        """Whether an answer is still to the last question: whoever takes it, or gives up, says so in the state."""
        return self._coordinator.state is MemberState.REBALANCING and generation == self._generation()

    def _generation(self) -> Any:
        return self._coordinator._generation  # noqa: SLF001
