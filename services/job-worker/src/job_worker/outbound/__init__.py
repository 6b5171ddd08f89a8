"""The way out: how tasks call addresses that others name, without being led into the own network."""

from job_worker.outbound.bounded import (
    ACCEPT_ENCODING,
    TooManyBytesError,
    UnreadableAnswerError,
    read_bounded,
)
from job_worker.outbound.client import GuardedClient, guarded_client
from job_worker.outbound.patience import retry_after
from job_worker.outbound.policy import Allowed, OutboundRefusedError, Policy
from job_worker.outbound.target import BadUrlError, Target

__all__ = [
    "ACCEPT_ENCODING",
    "Allowed",
    "BadUrlError",
    "GuardedClient",
    "OutboundRefusedError",
    "Policy",
    "Target",
    "TooManyBytesError",
    "UnreadableAnswerError",
    "guarded_client",
    "read_bounded",
    "retry_after",
]
