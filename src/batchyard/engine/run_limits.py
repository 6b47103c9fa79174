"""What earlier jobs learned of how many items fit into memory for one `run()`, kept in the records (O12).

Known again by deployment, environment, model, code, workers and the machine's memory: any of them may change what fits.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os

from batchyard.domain.errors import PlatformError
from batchyard.domain.jobs import Job
from batchyard.domain.scoring.run_items import RunLimit
from batchyard.domain.scoring.tally import Tally
from batchyard.engine.rooms import Rooms
from batchyard.ports.records import Key, Kind

log = logging.getLogger(__name__)
_BY = "engine"


def recall(rooms: Rooms, job: Job) -> int:
    """Give the items of one `run()` that an earlier job like this one worked with; 0 for whole mini-batches."""
    with rooms.records.reading() as tx:
        stored = tx.documents.get(_key(job))
    return stored.document.run_items if stored is not None else 0


def remember(rooms: Rooms, job: Job, tally: Tally) -> None:
    """Keep for later jobs what this one worked with, where it was less than whole mini-batches."""
    limit = tally.counts.run_items
    if not limit or not tally.counts.succeeded:
        return
    log.warning("memory sufficed for fewer items", extra={"job": job.name, "run_items": limit})
    try:
        if recall(rooms, job) != limit:
            with rooms.records.writing() as tx:
                tx.documents.save(_key(job), RunLimit(limit, job.name), actor=_BY, now=rooms.now())
    except PlatformError as exc:  # It would have to be learned again, which costs little.
        log.warning("limit not kept", extra={"job": job.name, "reason": str(exc)})


def _key(job: Job) -> Key:
    spec, settings = job.scoring, job.settings
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    what = [
        spec.endpoint,
        spec.deployment,
        spec.build.sha256 if spec.build else "",
        spec.model_seal.sha256 if spec.model_seal else "",
        spec.code_seal.sha256,
        settings.instance_count * settings.max_concurrency_per_instance,
        memory_bytes >> 30,
    ]
    return Key(Kind.RUN_LIMIT, hashlib.sha256(json.dumps(what).encode()).hexdigest())
