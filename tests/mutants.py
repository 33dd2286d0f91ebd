"""`python -m tests.mutants run`: mutmut over order and conditions, as `tool.mutmut` in pyproject.toml says.

Texts are no part of it: its mutations of strings are left out, as no test is to hold a message word by word.
"""

from __future__ import annotations

from mutmut.__main__ import cli
from mutmut.mutation.mutators import mutation_operators, operator_string

mutation_operators[:] = [each for each in mutation_operators if each[1] is not operator_string]

if __name__ == "__main__":
    cli()
