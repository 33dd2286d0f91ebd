"""The console script ``aws-airflow``: the same tasks in any Astro project, with no ``tasks.py`` at all."""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from typing import Any

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.program import Program
from invoke.terminals import pty_size
from invoke.util import helpline

from aws_airflow_tasks import invocation, menu, process, screen
from aws_airflow_tasks.configuration import Configuration
from aws_airflow_tasks.core import VERSION, TaskError, UsageError
from aws_airflow_tasks.executor import Executor, hook
from aws_airflow_tasks.menu import ns
from aws_airflow_tasks.menu.project import init_tasks, setup
from aws_airflow_tasks.screen import Screen
from aws_airflow_tasks.tasks import ordered
from aws_airflow_tasks.text.calling import Calling, called, current
from aws_airflow_tasks.text.layout import Layout, laid
from aws_airflow_tasks.text.mistyped import explained, misnamed

#: the tasks that take any number of words: the flag by which invoke knows them, how many it knows without, their name
SEVERAL = {"secrets.sync": ("--also", 1, "FILE"), "logs": ("--service", 0, "SERVICE")}
#: flags of invoke's that it looks at before it knows of any task
EARLY = ("debug", "write-pyc", "complete")
#: what a newcomer types, in this order
START = ("sandbox", "setup", "verify", "undo")
#: columns beside the first one of a list, at the least
ROOM = 30


class AwsAirflow(Program):
    """Invoke's program bound to our tasks; what a project's ``invoke.yaml`` says to it, the executor reads."""

    def run(self, argv: list[str] | None = None, exit: bool = True) -> None:
        """Run a command line; what stands in its way before any task is said as any error of ours."""
        logging.getLogger("invoke").setLevel(logging.INFO)  # below that it prints all that configuration files say
        with called(Calling(invocation.program())):
            self._run(argv, exit)

    def _run(self, argv: list[str] | None, exit: bool) -> None:
        try:
            super().run(argv, exit)
        except TaskError as error:
            sys.exit(self._refused(error, argv or ()))
        except BrokenPipeError:
            raise
        except OSError as error:
            sys.exit(self._refused(hook.unreadable(error), argv or ()))

    def parse_core_args(self) -> None:
        """As invoke reads them, with errors and completion of ours."""
        with self._explaining():
            super().parse_core_args()
        if shell := self.core[0].args["print-completion-script"].value:
            _say(menu.completion_script(shell))
            raise Exit
        if self.core[0].args.complete.value:
            self._complete(self.argv[self.argv.index("--") + 1 :] if "--" in self.argv else [])
            raise Exit

    def _complete(self, words: Sequence[str]) -> None:
        """Print what may stand for the last of the words of a command line, each on a line."""
        namespace = self.namespace or Collection()
        contexts = {name: each for each in namespace.to_contexts() for name in (str(each.name), *each.aliases)}
        flags = {name: each.flags for name, each in contexts.items()}
        tasks = {name: namespace[name] for name in contexts}
        for found in menu.candidates(words, tasks, {"": self.initial_context.flags, **flags}):
            _say(found)

    def parse_cleanup(self) -> None:
        """As invoke answers ``--help`` and ``--list``, with errors of ours."""
        with self._explaining():
            self._refuse_unlisted()
            super().parse_cleanup()

    def _refuse_unlisted(self) -> None:
        """Raise UsageError for what invoke would list, or how, and there is none of."""
        again = f"{current().program} {shlex.join(self.argv[1:])}"
        asked = (
            ("--list", self.args.list.value, [*self.collection.collections]),
            ("--list-format", self.args["list-format"].value, ["flat", "nested", "json"]),
        )
        for flag, value, known in asked:
            if isinstance(value, str) and value not in known:
                raise misnamed(
                    f"{flag}: there is no {value}", value, value, known, again, f"{current().program} --list"
                )

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:  # said of a flag that takes a number
            value = str(error).partition(": ")[2]
            raise UsageError(f"{value} is no whole number", hint=f"{current().program} --help") from None
        except ParseError as error:
            contexts = self._make_parser().contexts
            names = {**{name: name for name in contexts}, **contexts.aliases}
            flags = {name: [*contexts[real].flags, *contexts[real].inverse_flags] for name, real in names.items()}
            within = str(error.context.name or "") if error.context else ""
            raise explained(str(error), self.argv[1:], within, flags, current().program) from None

    def print_help(self) -> None:
        """What to start with, and every task in its order; invoke's own options are in its own manual."""
        _say(f"Usage: {self.binary} TASK [--flags] [TASK ...]\n")
        sections = _sections()
        wide = max(len(name) for names in sections.values() for name in names)
        for title, names in sections.items():
            _say(f"{title}:\n")
            self.print_columns([(f"{name:<{wide}}", helpline(self.collection[name])) for name in names])
        for line in (
            f"`{self.binary} --help TASK` says what it does, what it runs first, and its flags.",
            "Before a task: --echo shows the commands that are run, --debug everything; --version alone.",
        ):
            _say("\n".join(laid("", line, Layout(width=pty_size()[0]))))

    def print_columns(self, tuples: Sequence[tuple[str, str | None]]) -> None:
        """As invoke does; where a terminal has no room for a second column, what stands in it goes below the first."""
        wide = pty_size()[0]
        if wide - max(len(name) for name, _ in tuples) >= ROOM:
            super().print_columns(tuples)
            return
        for name, said in tuples:
            _say(f"  {name.rstrip()}")
            _say("\n".join(laid("    ", said or "", Layout(width=wide))))

    def list_flat(self) -> None:
        """Every task in the menu's order; a part of them as invoke lists it."""
        if self.list_root or self.list_depth:
            super().list_flat()
        else:
            names = _sections().values()
            found = dict.fromkeys(name for section in names for name in section)
            self.display_with_columns(pairs=[(name, helpline(self.collection[name])) for name in found])

    def print_task_help(self, name: str) -> None:
        """What a task does, as wide as the terminal is, and its flags."""
        context = self.parser.contexts[name]
        wanted = "".join(f" {each.name.upper()}" for each in context.positional_args)
        wanted += f" [{SEVERAL[name][2]} ...]" if name in SEVERAL else ""
        _say(f"Usage: {self.binary} {name}{wanted} [--flags] [TASK ...]\n")
        layout = Layout(width=pty_size()[0])
        for paragraph in (inspect.getdoc(self.collection[name]) or "").split("\n\n"):
            _say("\n".join(laid("  ", paragraph.replace("\n", " "), layout)) + "\n")
        _say("Flags:\n")
        self.print_columns(list(_flags(context)))

    def _refused(self, error: TaskError, words: Sequence[str]) -> int:
        names = " ".join(str(context.name) for context in getattr(self, "tasks", ()))
        return hook.refuse(error, names, Screen(json="--json" in words))

    def parse_tasks(self) -> None:
        """Parse the tasks; of several words behind one task invoke itself would know the first at most."""
        if SEVERAL.keys() & self.core.unparsed:
            known = self.collection.to_contexts()
            contexts = {str(name): each for each in known for name in (each.name, *each.aliases)}
            self.core.unparsed = list(_several(self.core.unparsed, contexts))
        with self._explaining():
            super().parse_tasks()
        self._take_help()
        late = self.core_via_tasks.args
        for name in EARLY:
            if late[name].value:
                words = [word for word in self.argv[1:] if word not in (f"--{name}", f"-{name[0]}")]
                hint = f"{current().program} --{name} {shlex.join(words)}"
                raise UsageError(f"--{name} comes before the tasks", hint=hint)

    def _take_help(self) -> None:
        """Heed a `--help` that invoke has taken for the word that a task needs: `explain --help`."""
        for context in self.tasks:
            if any(each.value in ("--help", "-h") for each in context.positional_args):
                self.args.help.value = context.name

    def execute(self) -> None:
        """Run the tasks under our own executor, whatever a configuration file names for ``invoke``."""
        self.executor_class(self.collection, self.config, self.core).execute(*self.tasks)


def program() -> AwsAirflow:
    """The program, for the console script and for tests."""
    return AwsAirflow(
        version=VERSION,
        name="aws-airflow",
        binary="aws-airflow",
        namespace=_namespace(),
        executor_class=Executor,
        config_class=Configuration,
    )


def _several(words: Sequence[str], contexts: Mapping[str, Any]) -> Iterator[str]:
    """`secrets.sync A B` as `secrets.sync A --also B`; but for the first file, a task's name is never one of them."""
    task, known, value = None, 0, False
    for word in words:
        flag, free, _ = SEVERAL.get(task.name, ("", 0, "")) if task else ("", 0, "")
        if value:
            value = False
        elif word.startswith("-"):
            given = task and task.flags.get(word)
            value = bool(given and given.takes_value)
        elif flag and (known < free or word not in contexts):
            known += 1
            if known > free:
                yield flag
        elif word in contexts:
            task, known = contexts[word], 0
        yield word


def _flags(context: Any) -> Iterator[tuple[str, str]]:
    """Each flag of a task with what it does; invoke shows no value of one that takes several."""
    usual = {f"--{each.name}" for each in context.positional_args}  # as the line above has it
    for flag, said in context.help_tuples():
        if flag.partition("=")[0] not in usual:
            several = flag in context.flags and context.flags[flag].kind is list
            yield f"{flag}=STRING" if several else flag, said


def _namespace() -> Collection:
    extended = Collection()
    for one in ns.tasks.values():
        extended.add_task(one)
    for collection in ns.collections.values():
        extended.add_collection(collection)
    extended.add_task(init_tasks)
    return extended


def _say(text: str) -> None:
    screen.write(text, sys.stdout, plain=True)


def _sections() -> dict[str, list[str]]:
    """By title the names of tasks: first what to start with, then the tutorial's steps, then the rest of the menu."""
    steps = dict.fromkeys(task.name for task in ordered(setup.pre))
    inner = [f"{of}.{name}" for of, each in ns.collections.items() for name in each.tasks if name != each.default]
    others = [name for name in (*ns.tasks, *ns.collections, "init-tasks", *inner) if name not in (*START, *steps)]
    return {"Start here": [*START], "The tutorial's steps, in its order": [*steps], "Besides": others}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with the exit code of the interface, or 141 where nobody reads a list."""
    _own_the_process()
    try:
        program().run(list(argv) if argv is not None else sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(128 + 13)  # as a shell says of SIGPIPE
    finally:
        screen.settle()


def _own_the_process() -> None:
    """What only a program may do to its process, and no module that a person's ``tasks.py`` imports."""
    process.collect_no_garbage()
    for number in range(3):  # a file that is opened must not become a standard stream that was closed
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for invoke's own lists and helps
