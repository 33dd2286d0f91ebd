"""Values as YAML text, block or flow, each with what the parser must say of it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aws_airflow_tasks.patch.yaml.positions import Node, Signature


class Verbatim(NamedTuple):
    """A scalar copied from elsewhere in the file, as it is written there."""

    text: str
    signature: Signature


class Style(NamedTuple):
    """Indentation, in spaces: ``step`` from a key to the keys below it, ``dash`` from a key to its list's dashes."""

    step: int = 2
    dash: int = 2


def quoted(value: str | bool | Verbatim, *, flow: bool) -> tuple[str, bool]:
    """A scalar's text and whether it is plain: plain only where every YAML reader sees a string."""
    if isinstance(value, Verbatim):
        return value.text, bool(value.signature[-1])
    if isinstance(value, bool):
        return str(value).lower(), True
    if not flow and re.fullmatch(_PLAIN, value) and value.lower() not in _WORDS:
        return value, True
    return json.dumps(value, ensure_ascii=False), False


#: what cannot be taken for a number, a date, a null or an indicator
_PLAIN = r"(?a)(?:~/|\.{0,2}/|[A-Za-z_])(?:[\w./~+=@%$-]|[:,](?=[\w./~]))*"
_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


def block_lines(value: Any, column: int, style: Style, gap: str = " ") -> list[str]:
    """The lines of a mapping or list in block style, without line ends; ``gap`` follows the dashes."""
    pad, lines = " " * column, []
    if isinstance(value, Mapping):
        for key, below in value.items():
            name = quoted(key, flow=False)[0]
            if isinstance(below, Mapping | list):
                inner = column + (style.dash if isinstance(below, list) else style.step)
                lines += [f"{pad}{name}:", *block_lines(below, inner, style)]
            else:
                lines.append(f"{pad}{name}: {quoted(below, flow=False)[0]}")
        return lines
    for item in value:
        if isinstance(item, Mapping):
            first, *rest = block_lines(item, column + 1 + len(gap), style)
            lines += [f"{pad}-{gap}{first.lstrip(' ')}", *rest]
        else:
            lines.append(f"{pad}-{gap}{quoted(item, flow=False)[0]}")
    return lines


def flow_text(value: Any, *, as_json: bool) -> str:
    """The text of a value in flow style; ``as_json`` quotes the keys too."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(flow_pairs(value, as_json=as_json)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow_text(item, as_json=as_json) for item in value) + "]"
    return quoted(value, flow=True)[0]


def flow_pairs(value: Mapping[str, Any], *, as_json: bool) -> list[str]:
    """``key: value`` texts in flow style."""
    return [f"{quoted(k, flow=as_json)[0]}: {flow_text(v, as_json=as_json)}" for k, v in value.items()]


def signatures(value: Any, *, flow: bool, as_json: bool = False) -> Iterator[Signature]:
    """What the parser must say of a value that we wrote."""
    if isinstance(value, Mapping):
        yield ("map", "", "")
        for key, below in value.items():
            yield ("scalar", "", "", key, quoted(key, flow=flow and as_json)[1])
            yield from signatures(below, flow=flow, as_json=as_json)
        yield ("end",)
    elif isinstance(value, list):
        yield ("seq", "", "")
        for item in value:
            yield from signatures(item, flow=flow, as_json=as_json)
        yield ("end",)
    elif isinstance(value, Verbatim):
        yield value.signature
    else:
        text = str(value).lower() if isinstance(value, bool) else value
        yield ("scalar", "", "", text, quoted(value, flow=flow)[1])


def flow_copy(node: Node) -> str:
    """A piece of the file in flow style, without its anchors; aliases stay aliases."""
    if node.kind == "alias":
        return f"*{node.value}"
    if node.kind == "seq":
        return f"[{', '.join(map(flow_copy, node.children))}]"
    if node.kind == "map":
        return "{" + ", ".join(f"{flow_copy(key)}: {flow_copy(value)}" for key, value in node.pairs()) + "}"
    plain = not node.style and re.fullmatch(r"[\w.-]*", node.value, re.ASCII)
    return node.value if plain else json.dumps(node.value, ensure_ascii=False)


def in_style_of(node: Node, value: str) -> str | Verbatim:
    """``value`` quoted as the scalar ``node`` is, where that is possible."""
    if node.style == "'" and value.isprintable():
        return Verbatim("'" + value.replace("'", "''") + "'", ("scalar", "", "", value, False))
    if node.style == '"':
        return Verbatim(json.dumps(value, ensure_ascii=False), ("scalar", "", "", value, False))
    return value
