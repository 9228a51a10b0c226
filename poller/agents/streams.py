"""The streams and consumers on the server: the collector makes them, agents only use them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from poller.agents import subjects

if TYPE_CHECKING:
    from nats.js.api import StreamConfig

    from poller.agents.link import Link

ACK_WAIT_S = 5.0
"""A job that nobody has said to be in progress for so long goes to another agent."""
_JOBS_KEPT_S = 900.0
"""Longer than any account's deadline is by default; what a dead collector left is gone then."""
_RECORDS_KEPT_S = 600.0
_SAME_ID_S = 120.0
_RECORDS_OF_ONE = 16_384
"""Records of one agent that are kept: it cannot push out those of the others."""
_STREAM_BYTES = 256 * 1024 * 1024
_UNUSED_S = 3600.0
_PULLS = 4096
"""That may wait on one consumer; each agent has a few dozen."""
_REPLICAS = 3


async def prepare(link: Link) -> int:
    """Make the streams where they are missing; return the last record's number in its stream."""
    from nats.js.api import RetentionPolicy, StreamConfig

    work: dict[str, Any] = {"retention": RetentionPolicy.WORK_QUEUE, "max_age": _JOBS_KEPT_S}
    kept: dict[str, Any] = {"max_age": _RECORDS_KEPT_S, "max_msgs_per_subject": _RECORDS_OF_ONE}
    last = 0
    for name, subject, how in (
        (subjects.OWN, subjects.jobs("*", "*", is_shared=False), work),
        (subjects.SHARED, subjects.jobs("*", "*", is_shared=True), work),
        (subjects.RECORDS, subjects.records("*"), kept),
    ):
        config = StreamConfig(
            name=name,
            subjects=[subject],
            duplicate_window=_SAME_ID_S,
            max_bytes=_STREAM_BYTES,
            num_replicas=_REPLICAS if link.servers_known >= _REPLICAS else 1,
            **how,
        )
        last = (await _made(link, config)).state.last_seq
    return last


def _administration(link: Link) -> Any:  # noqa: ANN401 - nats-py's types say too little
    return link.client.jsm(timeout=3.0)


async def _made(link: Link, config: StreamConfig) -> Any:  # noqa: ANN401 - likewise
    from nats.js.errors import BadRequestError, NotFoundError

    try:
        return await _administration(link).stream_info(config.name or "")
    except NotFoundError:
        pass
    try:
        return await _administration(link).add_stream(config)
    except BadRequestError:  # another collector has made it meanwhile
        return await _administration(link).stream_info(config.name or "")


async def consumer(link: Link, stream: str, name: str, subject: str) -> str:
    """Make what jobs are pulled from; return when it was made, so that a new one is noticed."""
    from nats.js.api import AckPolicy, ConsumerConfig

    config = ConsumerConfig(
        durable_name=name,
        filter_subject=subject,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT_S,
        max_ack_pending=-1,
        max_waiting=_PULLS,
        inactive_threshold=_UNUSED_S,
    )
    made = await _administration(link).add_consumer(stream, config)
    return str(made.created)


async def is_idle(link: Link, stream: str, name: str) -> bool:
    """Say whether a consumer has no job that waits or is in progress."""
    told = await _administration(link).consumer_info(stream, name)
    return not told.num_pending and not told.num_ack_pending


async def read_records(link: Link, inbox: str, *, after: int) -> str:
    """Have all records behind the one numbered ``after`` sent to ``inbox``; return the reader."""
    from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

    config = ConsumerConfig(
        deliver_subject=inbox,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        ack_policy=AckPolicy.NONE,
        idle_heartbeat=2.0,
        inactive_threshold=30.0,
        mem_storage=True,
        num_replicas=1,
    )
    made = await _administration(link).add_consumer(subjects.RECORDS, config)
    return str(made.name)


async def drop(link: Link, reader: str) -> None:
    """End a reader of records."""
    with contextlib.suppress(Exception):  # it ends by itself, too
        await _administration(link).delete_consumer(subjects.RECORDS, reader)


async def purge(link: Link, run: str) -> None:
    """Take back the jobs of one run that nobody has taken."""
    for stream, is_shared in ((subjects.OWN, False), (subjects.SHARED, True)):
        jobs = subjects.jobs("*", run, is_shared=is_shared)
        with contextlib.suppress(Exception):  # they are dropped as too late, too
            await _administration(link).purge_stream(stream, subject=jobs)
