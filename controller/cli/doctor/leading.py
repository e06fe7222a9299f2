"""Whether somebody leads: the Lease, and whether it is renewed. Pure."""

from datetime import datetime, timedelta

from controller.adapters.kube.identity import Key
from controller.adapters.kube.lease import record_of
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.cli.doctor.findings import Finding, failed, ok
from controller.domain.wording import duration

_SLACK = timedelta(seconds=5)


def looks_renewed(lease: Obj, now: datetime) -> bool:
    """By its time, which another clock wrote: a second look at its version tells for sure."""
    renewed, record = _renewed_at(lease), record_of(lease)
    return renewed is not None and abs(now - renewed) <= timedelta(seconds=record.seconds) + _SLACK


def leader(key: Key, lease: Obj | None, later: Obj | None, now: datetime) -> Finding:
    """``later`` is the lease some seconds after; the same when one look was enough."""
    logs = f"kubectl logs -n {key.namespace} -l app.kubernetes.io/name=serinus --tail 50"
    if lease is None or later is None:
        return failed("leader", str(key), "nobody has ever led: there is no such Lease", logs)
    record, after = record_of(lease), record_of(later)
    if not after.holder:
        return failed("leader", str(key), "nobody leads: the last leader gave the Lease up", logs)
    if after.version != record.version or looks_renewed(later, now):
        return ok("leader", str(key), f"{after.holder} leads, term {after.epoch}")
    renewed = _renewed_at(later)
    ago = f" for {duration(timedelta(seconds=round((now - renewed).total_seconds())))}" if renewed else ""
    return failed("leader", str(key), f"nobody leads: {after.holder} has not renewed the Lease{ago}", logs)


def _renewed_at(lease: Obj) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text(mapping(lease.get("spec")).get("renewTime")))
    except ValueError:
        return None
    return instant if instant.tzinfo else None
