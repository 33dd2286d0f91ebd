"""``docker-compose.override.yml``: bytes in, a :class:`Patch` out.

Every service in one plan: the file is parsed once before and once after, and the result is proven: what the parser says
of it is what it said before plus the change, and planning again finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from aws_airflow_tasks.core import Edit
from aws_airflow_tasks.patch import FIRST, Patch, splice
from aws_airflow_tasks.patch.compose import by_hand, sharing
from aws_airflow_tasks.patch.compose.environment import take_out_unwelcome
from aws_airflow_tasks.patch.compose.mounts import Host, Mount, Ours
from aws_airflow_tasks.patch.compose.services import KINDS, ComposePlan, ServiceNode, Wanted, services_of
from aws_airflow_tasks.patch.compose.volumes import ensure_volume
from aws_airflow_tasks.patch.compose.withdrawal import carried, empties, remains, withdraw
from aws_airflow_tasks.patch.yaml.edits import EMPTY, Draft
from aws_airflow_tasks.patch.yaml.parsing import parse
from aws_airflow_tasks.patch.yaml.positions import Document, Node, Refused, editable, effective
from aws_airflow_tasks.patch.yaml.writing import Style, block_lines

#: the first line of a file that we create
HEADER = "# Laid over the Astro CLI's own compose file by `astro dev start`; your own overrides can go here too.\n"
#: in bytes; a larger file is refused: nobody writes one by hand, and the pure parser needs seconds a megabyte
MAX_SIZE = 2 * 1024 * 1024


def ensure(
    data: bytes | None,
    services: Iterable[str],
    mount: Mount,
    *,
    host: Host,
    ours: Sequence[str] = (),
    absent_from: Iterable[str] = (),
    replace_conflicts: bool = False,
    unwelcome: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None,
) -> Patch:
    """Plan that ``services`` carry ``mount``, and nothing under ``environment`` that cannot stay.

    Args:
        data: the file's bytes, any bytes at all; None when there is no file.
        services: names of Compose services; their order does not matter.
        mount: the volume wanted.
        host: what ``~``, relative paths and ``${VAR}`` in the file stand for.
        ours: directories of the host; a volume at our target from one of them, or below, is ours and is repaired in
            its place instead of being a conflict.
        absent_from: services that are not to carry our mount; what that leaves empty goes too, but nothing else.
        replace_conflicts: replace someone else's value for the same target, and take out what is unwelcome.
        unwelcome: takes the variables of a service's ``environment``; by name why those cannot stay that cannot.

    Returns:
        A patch; never an exception, whatever the bytes.
    """
    wanted = Wanted(mount, host, ours, replace_conflicts, unwelcome=unwelcome)
    names = sorted(set(services))
    gone = sorted(set(absent_from) - set(names))
    if data is None:
        return _created(names, wanted)
    try:
        parse(_decoded(data)[1])
    except Refused as refusal:  # no line that is added makes it readable
        lines = _by_hand(names, [name for name in gone if name.encode() in data], wanted)
        return Patch("refusal", data, data, reason=str(refusal), by_hand=f"{FIRST}\n{lines}")
    try:
        return _patched(data, names, gone, wanted)
    except Refused as refusal:
        instead = refusal.by_hand or _by_hand(names, gone, wanted)
        return Patch("refusal", data, data, reason=str(refusal), by_hand=instead)


def take_out(data: bytes, ours: Ours, *, host: Host, blocks: Sequence[bytes] = (), replaced: str = "") -> Patch:
    """Plan that no service carries a volume of ``ours``, whoever copied, moved or renamed what we put in.

    Args:
        data: the file's bytes.
        ours: how to tell them.
        host: see :func:`ensure`.
        blocks: the lines that we once put in, to find what is left of them where the file cannot be parsed.
        replaced: somebody else's volumes that ours took the place of: where they stood cannot be told from here, so
            ours are not taken out, and the person is told what to put back.

    Returns:
        ``satisfied`` when nothing of ours is in it, readable or not; ``edits``; or ``refusal`` with the numbers of the
        lines to take out by hand.
    """
    wanted = Wanted(Mount("", ours.target), host, out=ours)
    written = [block.decode(errors="replace") for block in blocks]
    text = data.decode("utf-8-sig", errors="replace").replace("\0", "")
    if not by_hand.there(text, wanted, written):
        return Patch("satisfied", data, data, reason="nothing of ours is in it")
    try:
        if not replaced:
            return _taken_out(data, wanted)
        why, back = "ours took the place of what is named below, and where that stood cannot be found again", replaced
    except Refused as refusal:
        why, back = str(refusal), ""
    lines = by_hand.lines_to_take_out(text, wanted, written)
    lines += f"\n# and put this back, where it was:\n{back}" if back else ""
    return Patch("refusal", data, data, reason=why, by_hand=lines)


def _taken_out(data: bytes, wanted: Wanted) -> Patch:
    assert wanted.out is not None
    mark, text = _decoded(data)
    gone = [name for name in services_of(parse(text).root) if name not in wanted.out.theirs]
    patch = _patched(data, [], gone, wanted)
    if left := remains(parse((patch.after or b"")[len(mark) :].decode()).root, wanted):
        raise Refused(left[0].line, "what mounts our directory there cannot be taken out")
    return patch


def survey(data: bytes | None, ours: Ours, *, host: Host) -> tuple[list[str], list[str]]:
    """The services that carry a volume of ``ours``, and what is there with nothing in it (see ``Ours.empty``).

    Raises:
        Refused: the file cannot be read.
    """
    root = parse(_decoded(data or b"")[1]).root
    return sorted(carried(root, Wanted(Mount("", ours.target), host, out=ours))), empties(root)


def misplaced(before: bytes, after: bytes) -> str:
    """Why a file that was edited since must not become ``after``, where whole lines of ours are taken out of it.

    What the person added below a key of ours would otherwise end up below another one, or below none.
    """
    try:
        old, new = (parse(_decoded(data)[1]).root for data in (before, after))
    except Refused as refusal:
        return f"without our lines it could not be read: {refusal}"
    return "" if new is None or (old and _is_part(new, old)) else "without our lines others would stand elsewhere"


def _is_part(new: Node, old: Node) -> bool:
    """Whether every key of ``new`` is where it was in ``old``."""
    if new.kind != "map":
        return True
    there = {key.value: value for key, value in old.pairs() if key.kind == "scalar"} if old.kind == "map" else {}
    return all(key.value in there and _is_part(value, there[key.value]) for key, value in new.pairs())


def _created(names: list[str], wanted: Wanted) -> Patch:
    if not names:
        return Patch("satisfied", None, None, reason="nothing is asked for")
    lines = block_lines({"services": wanted.services(names)}, 0, Style())
    after = (HEADER + "".join(line + "\n" for line in lines)).encode()
    return Patch("edits", None, after, (Edit(0, b"", after),), reason=f"for {_listed(names)}")


def _patched(data: bytes, names: list[str], gone: list[str], wanted: Wanted) -> Patch:
    mark, text = _decoded(data)
    document = parse(text)
    plan = _planned(document, names, gone, wanted)
    warnings = tuple(plan.warnings)
    if plan.conflicts:
        return Patch("conflict", data, data, (), "; ".join(plan.conflicts), "\n".join(plan.by_hand), warnings)
    if not plan.draft.swaps:
        return Patch("satisfied", data, data, (), _alike(plan.fine) or "nothing is asked for", warnings=warnings)
    edits = _edits(text, plan.draft, len(mark))
    after = splice(data, edits)
    _prove(after[len(mark) :].decode(), plan, names, gone)
    return Patch("edits", data, after, edits, _said(plan.edits), warnings=warnings)


def _decoded(data: bytes) -> tuple[bytes, str]:
    """The byte order mark and the text.

    Raises:
        Refused: too large, or not UTF-8.
    """
    if len(data) > MAX_SIZE:
        raise Refused(1, f"the file is larger than {MAX_SIZE // 1024} KiB")
    mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise Refused(data.count(b"\n", 0, data.find(b"\0")) + 1 if b"\0" in data else 1, "the file is not UTF-8 text")
    try:
        return mark, data[len(mark) :].decode()
    except UnicodeDecodeError as error:
        raise Refused(data.count(b"\n", 0, len(mark) + error.start) + 1, "the file is not UTF-8 text") from None


def _planned(document: Document, names: list[str], gone: list[str], wanted: Wanted) -> ComposePlan:
    plan, root = ComposePlan(Draft(document), wanted), document.root
    if root is None or root.null:
        if names:
            plan.draft.begin({"services": wanted.services(names)})
            plan.edits[wanted.added] = names
        return plan
    if root.kind != "map":
        raise Refused(root.line, f"the document is a {KINDS[root.kind]}, not a map")
    found = effective(root, "services")
    if found and found[0] is not root:
        raise Refused(found[1].line, "services comes through a merge key")
    own = root.own("services")
    if own and not own[1].null:
        _plan_services(plan, root, own, names, gone)
    elif names:
        editable(("the document", root))
        if own:
            editable(("services", own[1]))
            plan.draft.fill(own[1], wanted.services(names), plan.style)
        else:
            plan.draft.append(root, {"services": wanted.services(names)}, plan.style)
        plan.edits[wanted.added] = names
    return plan


def _plan_services(plan: ComposePlan, root: Node, own: tuple[Node, Node], names: list[str], gone: list[str]) -> None:
    services = own[1].real
    if services.kind != "map":
        raise Refused(own[1].line, f"services is a {KINDS[services.kind]}, not a map")
    there = {key.value: (key, value) for key, value in services.pairs() if key.kind == "scalar"}
    missing = [name for name in names if name not in there]
    present = [ServiceNode(name, there[name][1], services, plan) for name in names if name in there]
    for service in sorted(present, key=lambda service: service.real.start):  # an anchor before its aliases
        _ensure(service)
    withdraw(plan, root, own, {name: there[name] for name in gone if name in there}, stays=bool(missing))
    for name in missing:
        if inherited := effective(services, name):
            raise Refused(inherited[1].line, f"{name} comes to services through a merge key")
    if missing:
        plan.draft.append(services, plan.wanted.services(missing), _style_of_services(plan, services))
        plan.edits.setdefault(plan.wanted.added, []).extend(missing)  # others may have got it beside what they hold
    if plan.draft.swaps:
        editable(("the document", root), ("services", own[1]))


def _ensure(service: ServiceNode) -> None:
    plan, real = service.plan, service.real
    if real.null:
        service.fill()
        return
    if real.kind != "map":
        raise Refused(service.node.line, f"{service.name} is a {KINDS[real.kind]}, not a map")
    ensure_volume(service)
    take_out_unwelcome(service)
    if service.additions:
        plan.draft.append(real, service.additions, service.style)


def _style_of_services(plan: ComposePlan, services: Node) -> Style:
    """How the first service that is a block mapping is indented."""
    first = next((value for _, value in services.pairs() if value.kind == "map" and not value.flow), None)
    return plan.style_in(first, services) if first else plan.style


def _edits(text: str, draft: Draft, shift: int) -> tuple[Edit, ...]:
    """The draft's cuts as edits of bytes, ``shift`` further on."""
    edits, at, offset = [], 0, shift
    for start, end, new in draft.text():
        offset += len(text[at:start].encode())
        old = text[start:end].encode()
        edits.append(Edit(offset, old, new.encode()))
        offset, at = offset + len(old), end
    return tuple(edits)


def _prove(text: str, plan: ComposePlan, names: list[str], gone: list[str]) -> None:
    """Raise Refused unless ``text`` is the old data plus the change and nothing else, and carries what is wanted."""
    draft, expected = plan.draft, plan.draft.expected()
    try:
        after = parse(text)
    except Refused:
        raise Refused(draft.first_line(), "the edit would break the file") from None
    if after.root is None and expected[1:-1] == [("DocumentStartEvent",), EMPTY, ("DocumentEndEvent",)]:
        expected = [expected[0], expected[-1]]
    if after.signatures != expected:
        raise Refused(draft.first_line(), "the edit could not be proven")
    others = sharing.changed_besides(draft.document, after, {*names, *gone}, plan.wanted) if draft.aliases else []
    if others:
        raise sharing.refusal(plan, others)
    again = _planned(after, names, gone, plan.wanted)
    if again.draft.swaps or again.conflicts:
        raise Refused(draft.first_line(), "the edit would not have done")


def _by_hand(names: list[str], gone: list[str], wanted: Wanted) -> str:
    """What a person can do instead: the lines to add, and where ours are to be taken out."""
    lines = block_lines({"services": wanted.services(names)}, 0, Style()) if names else []
    if gone:
        lines.append(f"# and take the volume for {wanted.mount.target} out of {', '.join(gone)}")
    return "\n".join(lines)


def _said(notes: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{_listed(names)}: {what}" for what, names in notes.items())


def _alike(notes: Mapping[str, list[str]]) -> str:
    """Of services that all carry the same how many they are."""
    if len(notes) != 1:
        return _said(notes)
    ((what, names),) = notes.items()
    return f"{len(names)} services: {what}" if len(names) > 1 else _said(notes)


def _listed(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
