"""`python -m tests.mutants run`: mutmut over order and conditions, as `tool.mutmut` in pyproject.toml says.

Texts are no part of it: its mutations of strings are left out, as no test is to hold a message word by word.
`python -m tests.mutants sample 50` takes so many of the runtimes and backends, at random; `--seed` takes the same ones.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable

import click
from mutmut import __main__ as mutmut
from mutmut.configuration import ProcessIsolation, config
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.mutation.mutators import mutation_operators, operator_string
from mutmut.runners.harness import PytestRunner
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import get_mutant_name

SAMPLED = ["aws_airflow_tasks/backends/*.py", "aws_airflow_tasks/runtimes/*.py"]
THEIR_TESTS = ["tests/runtimes", "tests/world/test_aws.py"]

os.environ["PY_IGNORE_IMPORTMISMATCH"] = "1"  # this module has loaded the package `tests` from beside the copy

mutation_operators[:] = [each for each in mutation_operators if each[1] is not operator_string]


run_tests = PytestRunner.run_tests


def file_by_file(runner: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    """Run a mutant's tests in the selection's order: taken test by test, a module's AWS would be started each time."""
    selection = config().pytest_add_cli_args_test_selection

    def place(test: str) -> tuple[int, str]:
        file = test.partition("::")[0]
        return next(number for number, path in enumerate(selection) if file.startswith(path)), file

    return run_tests(runner, mutant_name=mutant_name, tests=sorted(tests, key=place))


PytestRunner.run_tests = file_by_file  # type: ignore[method-assign]


@mutmut.cli.command()
@click.argument("count", type=int)
@click.option("--seed", type=int, default=lambda: random.randrange(1_000_000))
@click.option("--max-children", type=int)
def sample(count: int, seed: int, max_children: int | None) -> None:
    """Test COUNT mutants of the runtimes and backends, taken at random."""
    config().process_isolation = ProcessIsolation.FORKSERVER  # their tests leave processes, which are nobody's mutants
    config().only_mutate[:], config().pytest_add_cli_args_test_selection[:] = SAMPLED, THEIR_TESTS
    names = [
        get_mutant_name(path, name)
        for path in walk_mutatable_files()
        for name in mutate_file_contents(str(path), path.read_text()).mutant_names
    ]
    print(f"seed {seed}: {count} of {len(names)} mutants")
    mutmut._run(sorted(random.Random(seed).sample(names, count)), max_children)


if __name__ == "__main__":
    mutmut.cli()
