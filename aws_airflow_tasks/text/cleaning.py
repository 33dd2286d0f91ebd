"""What of a text of somebody else's may be quoted. Its patterns are compiled when they are first needed."""

from __future__ import annotations

import logging
import re

from aws_airflow_tasks.text.printable import uncoloured

HIDDEN = "***"
_USER_OF_URL = r"(?<=://)[^\s\"'<>]+(?=@)"
#: a page of AWS's manual, no part of which is as long as a key
_MANUAL = (
    r"https://docs\.aws\.amazon\.com/[A-Za-z0-9-]{1,30}/latest/[A-Za-z]{1,30}/(?:[A-Za-z0-9]{1,30}[_-])*"
    r"[A-Za-z0-9]{1,30}\.html(?![\w?#/+=-])"
)
#: what :func:`cleaned` hides; of ``kept`` nothing, of ``until`` what follows it
_IN_TEXT = (
    rf"(?P<kept>\barn:aws[a-z-]*:[\w-]*:[\w-]*:\d*:[\w/+=.@:*-]+|{_MANUAL})"  # as long and mixed as a key
    r"|(?P<until>\bhttps?://[^\s\"'<>?#]+[?#]"  # what a URL asks, and what is named as a secret
    r"|(?i:security-?token|session_?token|(?:access|refresh|id|bearer)_?token|token(?==|[\"']\s*:)|passw(?:or)?d"
    r"|secret_?(?:access_?)?key|client_?secret|signature|authorization)(?:[\"']?\s*[:=]\s*|>)(?i:bearer\s+|basic\s+)?)"
    r"(?:AWS4-.*|\"[^\"\n]*\"|'[^'\n]*'|[^\s\"',;<>}]+)"
    r"|\bA[KS]IA[A-Z0-9]{12,}|\beyJ[A-Za-z0-9_-]{8,}[\w.-]*"
    r"|\b(?:xox[abprs]-|gh[pousr]_|github_pat_|sk-)[A-Za-z0-9_-]{8,}"
    r"|-----BEGIN(?:(?s:.*?)-----END[A-Z ]*-----|.*)"
    # AWS's secret keys have 40, session tokens some hundred
    r"|(?<![A-Za-z0-9/+])(?=[A-Za-z0-9/+]*[a-z])(?=[A-Za-z0-9/+]*[A-Z])[A-Za-z0-9+][A-Za-z0-9/+]{38,}=*"
)


def cleaned(text: str) -> str:
    """A text of somebody else's (AWS, a program, a log, a URL) as it may be quoted; call it before the text is cut.

    Returns:
        ``text`` with ``***`` for what is named as a secret (AWS quotes a request that it refuses, with its headers),
        for user, password and query of a URL, and for what looks like a key or token; without colours, whose codes may
        stand before or within one.
    """
    text = re.sub(_USER_OF_URL, HIDDEN, uncoloured(text))
    return re.sub(_IN_TEXT, lambda found: found["kept"] or f"{found['until'] or ''}{HIDDEN}", text)


class Cleaning(logging.Filter):
    """Lets every record of a log through, cleaned with its traceback: whatever fails may have quoted a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean one record; all of them pass."""
        record.msg, record.args = cleaned(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = cleaned(logging.Formatter().formatException(record.exc_info))
        return True


#: the one filter, so that a log has it once
CLEANING = Cleaning()
