"""A member of a group as a program: `python chassis_member.py SERVERS BUS`.

Prints `assigned`, then the name of every event it was given, before it applies it and after.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from chassis_kafka import Bus

from tonearm_chassis.envelope import Envelope
from tonearm_chassis.kafka_settings import KafkaAccess

WORK_SECONDS = 0.1


def say(*words: str) -> None:
    """Print a line at once."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def work(envelope: Envelope) -> None:
    """Take a moment over an event."""
    say("begun", envelope.id)
    await asyncio.sleep(WORK_SECONDS)
    say("applied", envelope.id)


async def main(servers: str, name: str) -> None:
    """Consume for ever."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    access = KafkaAccess(servers, assignment="group", partitions=4)
    consumer = Bus(access, name).consumer(work)
    running = asyncio.create_task(consumer.run(asyncio.Event()))
    await consumer.assigned.wait()
    say("assigned")
    await running


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
