"""Files and values are known again by one hash."""

from __future__ import annotations

import hashlib

from aws_airflow_tasks.core import digest


def test_bytes_and_the_text_that_they_decode_to_have_the_same_digest_even_if_they_are_no_utf_8() -> None:
    for data in (b"", b"x", "é".encode(), b"\xff\xfe"):
        assert digest(data) == digest(data.decode(errors="surrogateescape")) == hashlib.sha256(data).hexdigest()


def test_nothing_has_no_digest() -> None:
    assert digest(None) is None
