"""Operations: how far the server is with what a PUT of a deployment promised."""

from __future__ import annotations

from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.errors import NotFound
from batchyard.ports.records import Operation, Transaction


def get(tx: Transaction, caller: Caller, id: str) -> Operation:
    """Give one. Raises: Forbidden; NotFound."""
    authorise(caller, Action.DEPLOYMENT_READ)
    operation = tx.operations.get(id)
    if operation is None:
        raise NotFound(f"The operation {id!r} does not exist.")
    return operation
