"""What counts as asking for the amazon provider, and the one line that is added where nothing does."""

from __future__ import annotations

import hashlib

import pytest
from packaging.requirements import Requirement

from aws_airflow_tasks.patch import Patch
from aws_airflow_tasks.patch.requirements import PACKAGE, Target, plan, wanted, without

LINUX = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "python_version": "3.12",
    "python_full_version": "3.12.0",
}
THREE = Target((3, 1), LINUX)
FILES = {
    "more.txt": b"requests\napache-airflow-providers-amazon\n",
    "deep/a.txt": b"-r b.txt\n",
    "deep/b.txt": b"-r ../more.txt\n",
    "round.txt": b"-r again.txt\n",
    "again.txt": b"-r round.txt\n",
    "binary.txt": b"\xff\xfe\0apache-airflow-providers-amazon",
    "hashed.txt": b"requests==2.32.0 --hash=sha256:aa\n",
}


def of(data: bytes | None, target: Target = THREE, **more: frozenset[str]) -> Patch:
    return plan(data, target, FILES.get, **more)


ASKS = {
    "the name": "apache-airflow-providers-amazon",
    "a pin": "apache-airflow-providers-amazon==9.1.0",
    "a range with spaces": "apache-airflow-providers-amazon >= 9, < 10",
    "an extra": "apache-airflow-providers-amazon[s3fs]~=9.0",
    "another spelling": "Apache_Airflow.Providers-Amazon",
    "a marker that holds": "apache-airflow-providers-amazon; python_version >= '3.9'",
    "a marker of Linux": 'apache-airflow-providers-amazon ; sys_platform == "linux" and python_version == "3.12"',
    "a comment behind it": "apache-airflow-providers-amazon  # for S3",
    "the last line without an end": "requests\napache-airflow-providers-amazon",
    "CRLF": "requests\r\napache-airflow-providers-amazon\r\n",
    "CR alone": "requests\rapache-airflow-providers-amazon\r",
    "a BOM": "\ufeffapache-airflow-providers-amazon\n",
    "indented": "   apache-airflow-providers-amazon",
    "continued": "apache-airflow-providers-amazon \\\n  ==9.1.0\n",
    "continued with hashes": "apache-airflow-providers-amazon==9.1.0 \\\n  --hash=sha256:aa \\\n  --hash=sha256:bb\n",
    "Airflow's extra": "apache-airflow[amazon]==3.1.0",
    "one of Airflow's extras": "apache-airflow[celery, Amazon ,http]",
    "a wheel beside it": "./wheels/apache_airflow_providers_amazon-9.0.0-py3-none-any.whl",
    "a wheel without a path": "apache_airflow_providers_amazon-9.0.0-py3-none-any.whl",
    "a wheel with a marker": "./apache_airflow_providers_amazon-9.0-py3-none-any.whl ; python_version > '3'",
    "a wheel's URL": "https://x.example/apache_airflow_providers_amazon-9.0-py3-none-any.whl#sha256=aa",
    "a source archive": "https://x.example/a/apache-airflow-providers-amazon-9.0.0.tar.gz",
    "a name at a URL": "apache-airflow-providers-amazon @ https://x.example/whatever.zip",
    "a name at a repository": "apache-airflow-providers-amazon@ git+https://x.example/airflow.git@main",
    "a repository's egg": "git+https://x.example/airflow.git@main#egg=apache-airflow-providers-amazon&subdirectory=p",
    "an editable repository": "-e git+https://x.example/airflow.git#egg=apache_airflow_providers_amazon",
    "another editable": "--editable=git+ssh://git@x.example/airflow.git#egg=apache-airflow[amazon]",
    "a file that it follows": "-r more.txt",
    "a file, long": "--requirement more.txt",
    "a file, with =": "--requirement=./more.txt",
    "a file, with no space": "-rmore.txt",
    "a file as the image has it": "-r /usr/local/airflow/more.txt",
    "a file by way of others": "# see below\n-r deep/a.txt\n",
    "after one that is missing": "-r missing.txt\n-r more.txt",
}

DOES_NOT = {
    "nothing": "",
    "a comment": "# apache-airflow-providers-amazon\n",
    "a comment behind another": "requests # apache-airflow-providers-amazon",
    "constraints": "-c more.txt\n--constraint=more.txt\n",
    "a marker of another Python": "apache-airflow-providers-amazon; python_version < '3.9'",
    "a marker of another system": "apache-airflow-providers-amazon; sys_platform == 'win32'",
    "a marker of an extra": "apache-airflow-providers-amazon; extra == 's3'",
    "a wheel of another system": "./apache_airflow_providers_amazon-9-py3-none-any.whl ; sys_platform == 'win32'",
    "an unknown marker": "apache-airflow-providers-amazon; moon == 'full'",
    "another package": "apache-airflow-providers-amazon-extra",
    "another provider's wheel": "./apache_airflow_providers_amazonia-9.0-py3-none-any.whl",
    "Airflow alone": "apache-airflow==3.1.0",
    "Airflow with another extra": "apache-airflow[google]",
    "the name as an extra": "other[apache-airflow-providers-amazon]",
    "no requirement": "apache-airflow-providers-amazon is what we need",
    "a quote that nothing closes": '-r "more.txt',
    "a variable": "${PROVIDER}",
    "swallowed by a continuation": "requests # why \\\napache-airflow-providers-amazon\n",
    "a file that is missing": "-r missing.txt",
    "a file outside": "-r ../../etc/passwd\n-r /etc/passwd\n-r https://x.example/more.txt\n",
    "files in a ring": "-r round.txt",
    "a file that is no text": "-r binary.txt",
    "itself": "-r requirements.txt",
    "a line only to pip": "# x\x0capache-airflow-providers-amazon\n",
    "the line of astro dev init": "# Astro Runtime includes the following pre-installed providers packages: https://x\n",
    "nested to no end": "x ; " + "(" * 3000,
}


@pytest.mark.parametrize("shape", ASKS)
def test_what_asks_for_the_provider_is_left_as_it_is(shape: str) -> None:
    data = ASKS[shape].encode()
    assert of(data) == Patch("satisfied", data, data, reason=f"asks for {PACKAGE}")


@pytest.mark.parametrize("shape", DOES_NOT)
def test_where_nothing_asks_for_it_one_line_is_added_and_every_other_byte_kept(shape: str) -> None:
    data = DOES_NOT[shape].encode()
    patch = of(data)
    assert patch.outcome == "edits"
    assert patch.after
    assert patch.after.startswith(data)
    assert patch.after.count(PACKAGE.encode()) == data.count(PACKAGE.encode()) + 1
    assert of(patch.after).outcome == "satisfied"


def test_a_file_is_made_where_there_is_none() -> None:
    assert of(None).after == b"apache-airflow-providers-amazon\n"


@pytest.mark.parametrize(
    ("data", "added"),
    [
        (b"", b"LINE\n"),
        (b"\xef\xbb\xbf", b"LINE\n"),
        (b"a\n", b"LINE\n"),
        (b"a", b"\nLINE"),
        (b"a\r\nb\r\n", b"LINE\r\n"),
        (b"a\r\nb", b"\r\nLINE"),
        (b"a\rb\r", b"LINE\n"),
        (b"a\n\n\n", b"LINE\n"),
        (b"a \\\n", b"\nLINE\n"),
        (b"a \\\r\n", b"\r\nLINE\r\n"),
        (b"a \\", b"\n\nLINE"),
        (b"# a \\\n", b"\nLINE\n"),
    ],
)
def test_the_line_stands_alone_with_the_files_own_ending(data: bytes, added: bytes) -> None:
    assert of(data).after == data + added.replace(b"LINE", PACKAGE.encode())


@pytest.mark.parametrize("data", [b"\xff\xfea\0", b"\xe9", b"a\0b"])
def test_what_is_no_text_is_refused_with_the_line_to_add(data: bytes) -> None:
    patch = of(data)
    assert (patch.outcome, patch.after, patch.by_hand) == ("refusal", data, PACKAGE)


@pytest.mark.parametrize("data", [b"a==1 --hash=sha256:aa\n", b"--require-hashes\na==1\n", b"-r hashed.txt\n"])
def test_where_all_are_pinned_by_hash_a_line_without_one_would_stop_the_build(data: bytes) -> None:
    patch = of(data)
    assert (patch.outcome, patch.after) == ("refusal", data)
    assert "uv pip compile --generate-hashes" in patch.by_hand


def test_an_image_that_has_it_and_one_that_installs_it_need_no_line() -> None:
    bundled = of(b"a\n", THREE._replace(bundled="the image has it"))
    assert (bundled.outcome, bundled.reason) == ("satisfied", "the image has it")
    for words in (["-q", f"{PACKAGE}>=9"], ["-r", "more.txt"], ["-e", f"git+https://x/y#egg={PACKAGE}"]):
        installed = of(None, THREE._replace(commands=[["requests"], words]))
        assert (installed.outcome, installed.reason) == ("satisfied", f"the Dockerfile installs {PACKAGE}")
    for words in (["requests"], ["-c", "more.txt"], ["-r", "missing.txt"], ["-r", "/etc/passwd"], []):
        assert of(b"a\n", THREE._replace(commands=[words])).outcome == "edits"


@pytest.mark.parametrize(
    ("airflow", "there", "later"),
    [((2, 2), "2.2.5", "2.3.0"), ((2, 7), "2.7.3+astro.1", "2.8.0"), ((2, 11), "2.11.2", "3.0.0")],
)
def test_the_line_for_an_airflow_2_holds_the_airflow_that_is_there(
    airflow: tuple[int, int], there: str, later: str
) -> None:
    """Unbounded, the newest provider would demand a later one; an installer keeps what is installed and allowed."""
    line = Requirement(wanted(airflow))
    assert (line.name, line.extras) == ("apache-airflow", {"amazon"})
    assert (there in line.specifier, later in line.specifier) == (True, False)


@pytest.mark.parametrize("airflow", [(3, 0), (3, 3), None])
def test_the_line_for_any_other_airflow_is_the_provider_alone(airflow: tuple[int, int] | None) -> None:
    assert wanted(airflow) == PACKAGE


def test_a_line_of_ours_is_brought_up_to_date_when_airflow_is_another_but_not_a_line_of_the_persons() -> None:
    ours = wanted((2, 7))
    data = f"a\r\n{ours}  \r\nb\r\n".encode()
    assert of(data, ours=frozenset({ours})).after == f"a\r\n{PACKAGE}  \r\nb\r\n".encode()
    assert of(data).outcome == "satisfied"
    assert of(data, THREE._replace(airflow=(2, 7)), ours=frozenset({ours})).outcome == "satisfied"
    back = of(f"{PACKAGE}\n".encode(), THREE._replace(airflow=(2, 7)), ours=frozenset({PACKAGE}))
    assert back.after == f"{ours}\n".encode()


def test_our_line_is_found_in_a_file_that_was_edited_since_and_one_that_was_changed_is_the_persons() -> None:
    assert without(f"mine\r\n{PACKAGE}\r\nmore".encode(), [PACKAGE]) == b"mine\r\nmore"
    pinned = f"mine\n{PACKAGE}==9.1.0\n".encode()
    assert without(pinned, [PACKAGE]) == pinned


def test_a_byte_order_mark_before_a_line_of_ours_stays_and_hides_nothing() -> None:
    mark, ours = b"\xef\xbb\xbf", wanted((2, 7))
    assert of(mark + f"{ours}\n".encode(), ours=frozenset({ours})).after == mark + f"{PACKAGE}\n".encode()
    assert without(mark + f"{PACKAGE}\nmine\n".encode(), [PACKAGE]) == mark + b"mine\n"


def test_a_patch_says_no_more_than_the_line_that_it_adds() -> None:
    secret = b"--index-url https://me:hunter2hunter2@x.example/\n"
    patch = of(secret)
    assert "hunter2" not in patch.reason + patch.by_hand
    assert hashlib.sha256((patch.after or b"")[: len(secret)]).digest() == hashlib.sha256(secret).digest()
