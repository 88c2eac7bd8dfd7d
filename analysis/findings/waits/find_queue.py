"""Find the queue that a finding is about."""

from analysis.findings.base import AuditFinding
from analysis.findings.waits.pool_deadlock import PoolDeadlock
from analysis.findings.waits.queue_wait import QueueWait


def find_queue(found: AuditFinding) -> str | None:
    """Return the name of the queue that requests wait for or are stuck in."""
    if isinstance(found, PoolDeadlock):
        return found.pool_name
    return found.queue_name.name if isinstance(found, QueueWait) else None
