"""Accounts and circuits as MongoDB keeps them; the fields the api shows are those of `job_contracts.upstreams`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from job_worker.upstream.account import Account, Place
from job_worker.upstream.circuit import Circuit, End, Opened
from job_worker.upstream.uses import Key, Rate, Use

Document = Mapping[str, Any]


def account_from(document: Document, *, rates: Sequence[Rate], keys: Sequence[str]) -> Account:
    """Return what is stored under the settings of this worker, which may differ from those it was stored by."""
    stored = [_key_from(key) for key in document.get("keys", ())]
    by_name = {key.name: key for key in stored}
    return Account(
        rates=tuple(rates),
        keys=tuple(by_name.get(name) or Key(name) for name in keys),
        queue=tuple(Place(p["tag"], p["job"], p["owner"], p["due"]) for p in document.get("queue", ())),
        served=document.get("served", 0),
        foreign=tuple(key for key in stored if key.name not in keys),
    )


def account_document(account: Account) -> dict[str, Any]:
    """Return an account as it is stored."""
    return {
        "rates": [{"limit": r.limit, "seconds": r.window.total_seconds()} for r in account.rates],
        "keys": [
            *({**_key_document(key), "used": True} for key in account.keys),
            *(_key_document(key) for key in account.foreign),
        ],
        "queue": [{"tag": p.tag, "job": p.job, "owner": p.owner, "due": p.due} for p in account.queue],
        "served": account.served,
    }


def _key_from(document: Document) -> Key:
    uses = tuple(Use(use["at"], use["by"], use.get("token"), use.get("calls", 1)) for use in document["uses"])
    return Key(document["name"], uses, document.get("blocked_until"))


def _key_document(key: Key) -> dict[str, Any]:
    uses = [_use_document(use) for use in key.uses]
    blocked = {"blocked_until": key.blocked_until} if key.blocked_until is not None else {}
    return {"name": key.name, "uses": uses, **blocked}


def _use_document(use: Use) -> dict[str, Any]:
    document: dict[str, Any] = {"at": use.at, "by": use.by}
    if use.token is not None:
        document["token"] = use.token
    if use.calls != 1:
        document["calls"] = use.calls
    return document


def circuit_from(document: Document) -> Circuit:
    """Return what is stored."""
    opened = document.get("opened")
    return Circuit(
        tuple(End(end["at"], end["ok"]) for end in document.get("ends", ())),
        Opened(
            since=opened["since"],
            reason=opened["reason"],
            wait=timedelta(seconds=opened["wait"]),
            probe_at=opened["probe_at"],
            probe=opened.get("probe"),
            probe_until=opened.get("probe_until"),
        )
        if opened
        else None,
    )


def circuit_document(circuit: Circuit) -> dict[str, Any]:
    """Return a circuit as it is stored."""
    document: dict[str, Any] = {"ends": [{"at": end.at, "ok": end.ok} for end in circuit.ends]}
    if (opened := circuit.opened) is not None:
        document["opened"] = {
            "since": opened.since,
            "reason": opened.reason,
            "wait": opened.wait.total_seconds(),
            "probe_at": opened.probe_at,
        }
        if opened.probe is not None:
            document["opened"] |= {"probe": opened.probe, "probe_until": opened.probe_until}
    return document
