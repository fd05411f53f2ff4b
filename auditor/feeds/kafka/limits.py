"""As whom, how much and for how long a broker is asked."""

from __future__ import annotations

CLIENT_ID = "consistency-auditor"
"""How brokers know our requests in their logs and quotas."""

KNOCK_SECONDS = 5.0
"""For one address to take a connection, and for its TLS handshake: more is a broker that is not there."""

BOOTSTRAP_SECONDS = 15.0
"""For a first answer of any broker, logging in included: a cluster that elects its leaders takes some seconds."""

REQUEST_SECONDS = 30.0
"""For the answer to one request: kafka-python's own, and the brokers' idea of a member that is alive is 45 s."""

COORDINATOR_SECONDS = 15.0
"""For a cluster to find who looks after a group: a new one first makes the topic for it."""

COORDINATOR_PAUSE_SECONDS = 0.2
"""Between two questions for that."""

SILENCE_SECONDS = 30.0
"""Without a record for so long, the broker is asked for something: a quiet topic and a dead broker look the same."""

PROBE_SECONDS = 10.0
"""For the answer to that question."""

SLICE_SECONDS = 0.2
"""Longest uninterrupted wait of a group member: so long a new assignment waits for its offsets at most."""

SILENCE_MEMBER_SECONDS = 45.0
"""Without a sign of life from a group's member, until its partitions go to others, where no settings say: Kafka's own.
Shorter, and a member that is started again has lost them, and others have read them from the first record; longer, and
nobody judges what one that died has left."""

HEARTBEAT_SECONDS = 1.0
"""From one sign of life of a group's member to the next: by its answer a member hears that others have come or gone."""

CLOSE_SECONDS = 5.0
"""For leaving a group, whose coordinator may be gone."""

POLL_MAX_RECORDS = 40_000
"""After so many records a poll looks for no more: enough for the work on a batch to outweigh what each batch costs,
which is about that of a thousand records."""

CHUNKS_MIN, CHUNKS_MAX = 8, 500
"""Producers' batches that the client hands over at once: few, until it is seen how many records they hold."""

FETCH_MAX_BYTES = 16 * 1024 * 1024
"""Of one answer of one broker; what is fetched ahead is held in memory, uncompressed again when it is read."""

PARTITION_FETCH_MAX_BYTES = 1024 * 1024
"""Of one partition in an answer.  A single record that is larger comes whole all the same."""

FETCH_WAIT_SECONDS = 0.5
"""How long a broker may wait for records before it answers that there are none: lower is more requests when quiet."""

PARTITIONS_SECONDS = 1.0
"""So long the partitions that are added to a topic go unnoticed at most: what a copy tells there seems to lack until
then.  A round is as long; what is asked is a small answer of one broker."""

METADATA_PAUSE_SECONDS = 0.002
"""From the client's first question, as it connects, to ours for topics and their partitions.  Left to itself it lets a
tenth of a second pass, of somebody who looks up one row; of a run that has little to do, twice."""

HISTORY_MESSAGES = 50
"""How many of the client's own messages are kept to explain a failure with."""
