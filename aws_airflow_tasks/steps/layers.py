"""The layers of the proof: what each needs, and how findings end at the first cause."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from aws_airflow_tasks.core import Check, Result
from aws_airflow_tasks.world.causes import Ended, Unreachable

#: each layer of ``verify``, in its order -> the layers without which it can only fail, or would say nothing
NEEDS: Mapping[str, tuple[str, ...]] = {
    "host-identity": (),
    "files-converged": ("host-identity",),
    "provider": (),
    "runtime-healthy": ("provider",),
    "mount": ("host-identity", "runtime-healthy"),
    "files-readable": ("mount",),
    "environment": ("host-identity", "runtime-healthy"),
    "identity-in-service": ("files-readable", "environment"),
    "raw-secret": ("identity-in-service",),
    "backend": ("raw-secret",),
    "hook-identity": ("identity-in-service",),
    "dag-run": ("backend",),
}
LAYERS = tuple(NEEDS)
#: what `creds` warns of where nothing tells who we are
UNCHECKED = "steps that need only files go on"
#: by step before the proof the layer that proves what the step ensures
OF_STEPS: Mapping[str, str] = {
    "creds": "host-identity",
    "secrets": "raw-secret",
    "provider": "provider",
    "start": "runtime-healthy",
    **dict.fromkeys(("init", "mount", "env", "dag"), "files-converged"),
}


def cause(layer: str, failed: Collection[str]) -> str:
    """Which of the layers that ``failed``, the first of them, keeps a layer from being looked at; empty: none."""
    needed = set(NEEDS.get(layer, ()))
    for each in reversed(LAYERS):  # what a layer needs stands before it
        needed |= set(NEEDS[each]) if each in needed else set()
    return next((each for each in LAYERS if each in needed and each in failed), "")


def failures(found: Iterable[Check]) -> set[str]:
    """The layers that failed, of some findings."""
    return {check.check for check in found if check.status == "failed"}


def ended(found: Iterable[Check]) -> Iterator[Check]:
    """Findings, those that need a layer that failed replaced by one ``skipped: LAYER failed`` each.

    Args:
        found: findings as they come; of layers in their order, but that what is seen without a service comes first.
    """
    failed, told = set[str](), set[str]()
    for check in found:
        yield from _skipped(LAYERS[: LAYERS.index(check.check)], failed, told)
        if not cause(check.check, failed):
            told.add(check.check)
            failed |= failures([check])
            yield check
    yield from _skipped(LAYERS, failed, told)


def _skipped(layers: Iterable[str], failed: Collection[str], told: set[str]) -> Iterator[Check]:
    for layer in layers:
        if layer not in told and (why := cause(layer, failed)):
            told.add(layer)
            yield Check(layer, "skipped", f"{why} failed")


def unproved(results: Sequence[Result]) -> list[Check]:
    """What the proof would have said first that had no turn, since a step before it failed; none where it had one.

    Args:
        results: those of a command line's steps.
    """
    left_out = any(each.step == "verify" and each.status == "skipped" for each in results)
    failed = next((each for each in results if each.error and each.step in OF_STEPS), None)
    if not (left_out and failed and failed.error):
        return []
    unknown = any(UNCHECKED in said for each in results for said in each.warnings)
    silent = isinstance(failed.error, Unreachable)  # `creds` only warns then, as a step that needs AWS will fail
    over = isinstance(failed.error, Ended)  # since `creds` asked, whose answer holds for some minutes
    layer = OF_STEPS["creds" if over or (silent and unknown) else failed.step]
    return list(ended([Check(layer, "failed", failed.error.message, failed.error.hint)]))
