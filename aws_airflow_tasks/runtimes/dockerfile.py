"""What the project's Dockerfile says of Airflow's version."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks.core import Pending
from aws_airflow_tasks.world import files

#: the label by which the Astro CLI itself tells the version of a built image
RUNTIME_LABEL = "io.astronomer.docker.runtime.version"
#: the label by which Apache's images tell the version of Airflow in them
AIRFLOW_LABEL = "org.apache.airflow.version"
#: a line that goes on
_CONTINUED = re.compile(r"(.*)\\[ \t]*")
_INSTRUCTION = re.compile(r"[ \t]*([A-Za-z]+)[ \t]+(.*)")
_HEREDOC = r"(?<!<)<<-?[ \t]*([\"']?)(\w+)\1"
_WORD = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'])+""")
REFERENCE = re.compile(r"(?P<path>.*/)?(?P<name>[^/:@]+)(?::(?P<tag>[^/@]+))?(?:@.*)?", re.DOTALL)
#: the names of Astro Runtime's images; those with another ending have fewer packages
RUNTIMES = ("runtime", "astro-runtime", "runtime-slim", "astro-runtime-slim", "astro-runtime-dev")
#: Astro Runtime's versions: 3.1-12 begins with Airflow's own, 13.2.0 is of a series of its own (all of it Airflow 2)
_NEW = re.compile(r"(\d+)\.\d+-\d+")
_OLD = re.compile(r"(\d+)\.\d+\.\d+")


class Base(NamedTuple):
    """What an image is built on.

    Attributes:
        image: the last stage's base image; empty: the text names none.
        runtime: the version of Astro Runtime that its tag or the text's own label says; empty: none does.
        major: Airflow's major version, 2 or 3; None when nothing tells.
        guessed: whether the repository's name alone tells it, without a version in a tag: the image knows better.
        unset: build arguments that the name needs and that have no default.
    """

    image: str = ""
    runtime: str = ""
    major: int | None = None
    guessed: bool = False
    unset: tuple[str, ...] = ()


def text(project: Path) -> str:
    """The text of the project's Dockerfile.

    Raises:
        Pending: there is none yet.
        TaskError: it cannot be read.
    """
    data = files.read(project / "Dockerfile")
    if data is None:
        raise Pending("init")
    return data.decode("utf-8-sig", errors="replace")  # its builder takes a byte order mark for nothing, too


def declared_major(project: Path) -> int | None:
    """Airflow's major version as the project's Dockerfile says; None when it does not tell.

    Raises:
        Pending: there is no Dockerfile yet.
    """
    return major(text(project))


def instructions(text: str) -> Iterator[tuple[str, str, str]]:
    """The instructions of a Dockerfile: the word in capitals, what follows it, and the here-document after it."""
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        if not _is_comment(line) and (found := _INSTRUCTION.fullmatch(" ".join(_whole(line, lines)))):
            word, rest = found[1].upper(), found[2].strip()
            yield word, rest, "\n".join(_heredoc(rest, lines)) if word in ("RUN", "COPY", "ADD") else ""


def _is_comment(line: str) -> bool:
    """A comment does not go on in the next line; nor does it end, or an empty line, what does so."""
    return line.lstrip().startswith("#")


def _whole(line: str, lines: Iterator[str]) -> Iterator[str]:
    """The lines of an instruction without what says that they go on."""
    following: str | None = line
    while following is not None and (goes_on := _CONTINUED.fullmatch(following)):
        yield goes_on[1]
        following = next((each for each in lines if each.strip() and not _is_comment(each)), None)
    if following is not None:
        yield following


def _heredoc(rest: str, lines: Iterator[str]) -> Iterator[str]:
    for _, end in re.findall(_HEREDOC, rest):
        for line in lines:
            if line.strip() == end:
                break
            yield line


def read(text: str) -> Base:
    """The last stage's base image, ``ARG`` defaults filled in and stages followed by name, and what it tells."""
    arguments: dict[str, str] = {}
    stages: dict[str, str] = {}
    image = label = ""
    unset: tuple[str, ...] = ()
    for word, rest, _ in instructions(text):
        if word not in ("ARG", "FROM", "LABEL"):
            continue
        words = words_of(rest)
        if word == "FROM":
            unset = _unset(rest, arguments)
            image, name = _from([part for part in words if not part.startswith("--")], arguments, stages)
            stages[name.lower()] = image
            label = ""
        elif word == "LABEL":
            label = dict(pairs(words, arguments)).get(RUNTIME_LABEL, label)
        elif not stages:  # what is declared in a stage is not known to FROM
            arguments.update(pairs(words, arguments))
    return _told(image, label)._replace(unset=unset)


def words_of(rest: str) -> list[str]:
    """The words of an instruction, as they are written."""
    return list(_WORD.findall(rest))


def pairs(words: list[str], arguments: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each word as a name and, behind its ``=``, a value, with what ``arguments`` mean put in."""
    for word in words:
        name, _, value = word.partition("=")
        yield filled(name, arguments), filled(value, arguments)


def _from(words: list[str], arguments: Mapping[str, str], stages: Mapping[str, str]) -> tuple[str, str]:
    """The image that a FROM leads to, and the stage's name."""
    image = filled(words[0], arguments) if words else ""
    name = words[2] if len(words) == 3 and words[1].lower() == "as" else ""
    return stages.get(image.lower(), image) if image else "", name


_VARIABLE = re.compile(r"\$\{(\w+)(?::?([-+])([^}]*))?\}|\$(\w+)")
#: what a word is made of, but for plain characters; in double quotes fewer of them can be escaped
_QUOTED = re.compile(rf"""{_VARIABLE.pattern}|\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_WITHIN = rf"""{_VARIABLE.pattern}|\\(["\\$])"""


def filled(word: str, arguments: Mapping[str, str]) -> str:
    """What a word means: without quotes, with the values of variables (BuildKit, ``dockerfile/shell/lex.go``)."""

    def value(match: re.Match[str]) -> str:
        found = arguments.get(match[1] or match[4]) or ""
        return (match[3] if found else "") if match[2] == "+" else found or match[3] or ""

    def meaning(match: re.Match[str]) -> str:
        if match[7] is not None:
            return re.sub(_WITHIN, lambda inner: inner[5] or value(inner), match[7])
        return match[5] or match[6] or (value(match) if match[0][0] == "$" else "")

    return _QUOTED.sub(meaning, word)


def _unset(rest: str, arguments: Mapping[str, str]) -> tuple[str, ...]:
    """The arguments that the image's name needs and nothing gives a value; those of flags, as the platform, aside."""
    needed = _VARIABLE.finditer(re.sub(r"--\S+", "", rest))
    return tuple(name for match in needed if not match[2] and not arguments.get(name := match[1] or match[4]))


def _told(image: str, label: str) -> Base:
    if runtime_major(label):
        return Base(image, label, runtime_major(label))
    found = REFERENCE.fullmatch(image)
    name, tag = (found["name"], found["tag"] or "") if found else ("", "")
    if name in RUNTIMES:
        version = _NEW.match(tag) or _OLD.match(tag)
        if version:
            return Base(image, version[0], runtime_major(tag))
        return Base(image, "", _floating(name, tag), guessed=not re.match(r"\d", tag))
    if name in ("airflow", "ap-airflow"):
        own = re.match(r"(?:slim-)?([23])(?=\.|$|-)", tag)
        return Base(image, "", int(own[1]) if own else None)
    return Base(image)


def runtime_major(version: str) -> int | None:
    """Airflow's major version by Astro Runtime's, as the Astro CLI derives it; None for what is no version of it."""
    new = _NEW.match(version)
    if new:
        return int(new[1]) if new[1] in ("2", "3") else None
    return 2 if _OLD.match(version) else None


def _floating(name: str, tag: str) -> int | None:
    """By a tag such as ``3.1`` or ``12``; without one, by the name: Airflow 3 came with the new one."""
    number = re.match(r"(\d+)", tag)
    if number and int(number[1]) > 3:
        return 2
    return 3 if name.startswith("runtime") or number else 2


def has_triggerer(runtime: str) -> bool:
    """Whether the Astro CLI runs a triggerer with this version of Astro Runtime: from 4.0.0 on."""
    old = _OLD.match(runtime) if not _NEW.match(runtime) else None
    return old is None or int(old[1]) >= 4


def major(text: str) -> int | None:
    """Airflow's major version by the text of a Dockerfile; see :func:`read`."""
    return read(text).major
