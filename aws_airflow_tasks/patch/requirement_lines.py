"""What a requirements file asks for, as pip reads it: lines joined, comments left out, ``-r`` followed.

The rules are those of https://pip.pypa.io/en/stable/reference/requirements-file-format/ and, where that is silent, of
pip's ``_internal/req/req_file.py``. One requirement is read by the library ``packaging``; the rest of a file it does
not know. pip ends a line at whatever ``str.splitlines`` does, uv at LF, CR and CRLF only: see :data:`READERS`.
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

#: the text of a file's name, relative to the project, as bytes; None: there is none such, or it cannot be read
Read = Callable[[str], bytes | None]
Split = Callable[[str], list[str]]
#: how the installers part a text into lines
READERS: Mapping[str, Split] = {"pip": str.splitlines, "uv": re.compile(r"\r\n|\r|\n").split}
#: so many files are followed by ``-r`` at most
MAX_FILES = 100
#: where an Astro image has the project: an absolute path in a requirements file may begin with it
IN_IMAGE = "/usr/local/airflow/"

_COMMENT = r"(^|\s+)#.*$"
_FOLLOWED, _EDITABLE = ("-r", "--requirement"), ("-e", "--editable")
_NAME_AT = r"[\w.-]+\s*(\[[^\]]*\])?\s*@"
_EGG = r"[#&]egg=([^&\[\s]+)(?:\[([^\]]*)\])?"
_ARCHIVE = r"(?:(?P<wheel>[^-]+)-[^/]*\.whl|(?P<source>.+?)-\d[^/]*\.(?:tar\.gz|zip))(?:\[[^\]]*\])?"


class Line(NamedTuple):
    """A requirement as it is written, and the options that stand beside it; an option's own line has only these."""

    requirement: str
    options: tuple[str, ...] = ()


def decoded(data: bytes) -> str:
    """The text, without the BOM. Raises ValueError when it is no UTF-8 text."""
    text = data.decode("utf-8-sig")
    if "\0" in text:
        raise ValueError("it has a NUL in it")
    return text


def logical(text: str, split: Split) -> list[str]:
    """The lines that are left once continued ones are joined and comments are gone."""
    joined: list[str] = []
    pending: list[str] = []
    for line in split(text):
        comment = re.match(_COMMENT, line)
        if line.endswith("\\") and not comment:
            pending.append(line.strip("\\"))
            continue
        joined.append("".join([*pending, f" {line}" if comment else line]))
        pending = []
    joined.append("".join(pending))
    return [left for line in joined if (left := re.sub(_COMMENT, "", line).strip())]


def reached(data: bytes, name: str, read: Read, split: Split) -> Iterator[Line]:
    """Every line of a requirements file and of those that it follows, each file once.

    Args:
        data: the file's bytes.
        name: its path, relative to the project.
        read: gives the others.
        split: one of :data:`READERS`.
    """
    waiting, seen = [(name, data)], {name}
    while waiting:
        at, content = waiting.pop(0)
        try:
            lines = [_parted(line) for line in logical(decoded(content), split)]
        except ValueError:
            continue
        for line in lines:
            yield from [Line(each) for each in _values(line.options, _EDITABLE)] if not line.requirement else []
            yield line
            for other in _values(line.options, _FOLLOWED) if not line.requirement else []:
                path = _beside(at, other)
                found = read(path) if path and path not in seen and len(seen) < MAX_FILES else None
                seen.add(path)
                waiting += [] if found is None else [(path, found)]


def of_command(words: Sequence[str], read: Read, split: Split) -> Iterator[Line]:
    """What the arguments of a ``pip install`` ask for, those of the files that it names by ``-r`` too."""
    for value in _values(words, _EDITABLE):
        yield Line(value)
    for value in _values(words, _FOLLOWED):
        path = _beside("", value)
        found = read(path) if path else None
        yield from [] if found is None else reached(found, path, read, split)
    yield from (Line(word) for word in words if not word.startswith("-"))


def _parted(line: str) -> Line:
    """A line's requirement and its options: from the first word on that begins with a dash."""
    words = line.split(" ")
    at = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    try:
        options = shlex.split(" ".join(words[at:]))
    except ValueError:  # a quote that nothing closes
        options = []
    return Line(" ".join(words[:at]).strip(), tuple(options))


def _values(words: Sequence[str], names: tuple[str, str]) -> list[str]:
    """The values of an option by its short and its long name."""
    short, long = names
    found = []
    for word, following in zip(words, [*words, ""][1:], strict=True):
        if word in names and following:
            found.append(following)
        elif word.startswith(f"{long}="):
            found.append(word.removeprefix(f"{long}="))
        elif word.startswith(short) and not word.startswith("--") and word != short:
            found.append(word.removeprefix(short))
    return found


def _beside(name: str, other: str) -> str:
    """The path of a file that ``name`` names, relative to the project; empty where it leads out of it."""
    path = other.removeprefix("file://").removeprefix(IN_IMAGE)
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    outside = joined.startswith("/") or joined.split("/")[0] == ".." or "://" in path or "\0" in path
    return "" if outside else joined


def canonical(name: str) -> str:
    """A package's name as indexes compare it (https://packaging.python.org/en/latest/specifications/name-normalization/)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def holds(line: Line, packages: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    """Whether a line asks for one of ``packages`` on the machine that ``environment`` tells of.

    Args:
        line: of a requirements file.
        packages: canonical names, each with the extra that it takes; empty: none.
        environment: the values of markers that differ from this machine's.
    """
    from packaging.requirements import Requirement

    target, _, marker = line.requirement.partition(" ;")
    try:
        if not re.match(_NAME_AT, target) and (named := _by_file(target.strip())):
            name, extras = named
            condition = Requirement(f"x ; {marker}").marker if marker.strip() else None
        else:
            found = Requirement(line.requirement)
            name, extras, condition = found.name, found.extras, found.marker
        extra = packages.get(canonical(name))
        wanted = extra is not None and (not extra or extra in map(canonical, extras))
        return wanted and (condition is None or condition.evaluate(dict(environment)))
    except (ValueError, KeyError, TypeError, RecursionError):  # no requirement, or no condition, that pip could read
        return False


def _by_file(target: str) -> tuple[str, set[str]] | None:
    """The name and the extras of a file, URL or repository; None: it is none of these, or does not tell."""
    if egg := re.search(_EGG, target):
        return egg[1], set(filter(None, re.split(r"[\s,]+", egg[2] or "")))
    try:
        path = urlsplit(target).path if "://" in target else target
    except ValueError:
        return None
    found = re.fullmatch(_ARCHIVE, posixpath.basename(path))
    return (found["wheel"] or found["source"], set()) if found else None


def installed(text: str, package: str, version: str) -> tuple[str, list[str]]:
    """A requirements file for an installation that has one package in a version of its own, which stays.

    Args:
        text: of the file.
        package: its canonical name.
        version: which it has.

    Returns:
        The text, line for line, with that version where another is asked for, and what asks for another. Empty where
        nothing is asked for.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    other: list[str] = []

    def ours(match: re.Match[str]) -> str:
        try:
            fits = SpecifierSet(match["asked"].strip()).contains(version)
        except InvalidSpecifier:  # the installer says what is wrong with it
            fits = True
        if fits:
            return match[0]
        other.append(match[0].strip())
        return f"{match['name']}=={version} "

    spelt = re.escape(package).replace(r"\-", "[-_.]+")
    asking = rf"(?im)^(?P<name>[ \t]*{spelt}[ \t]*(?:\[[^\]\n]*\])?)[ \t]*(?P<asked>[=<>!~][^;#\n\\]*)"
    changed = re.sub(asking, ours, text)
    return (changed if re.search(r"(?m)^[ \t]*[^#\s]", text) else ""), other
