"""The code of a reason: the ASCII value under which every CRM can hold it."""

from __future__ import annotations

import re

from contact_reasons.errors import CrmError, shorten
from contact_reasons.taxonomy.model import MAX_CODE_CHARS, Taxonomy

__all__ = ["code_of", "codes_of", "id_of_code", "is_code"]

_WORD = r"[a-z](?:_?[a-z0-9])*"
_ID = re.compile(rf"{_WORD}(?:\.{_WORD})?\Z", re.ASCII)
_CODE = re.compile(rf"{_WORD}(?:__{_WORD})?\Z", re.ASCII)


def code_of(reason_id: str) -> str:
    """The code of a primary or secondary id: the id with its dot written ``__``.

    Codes match ``^[a-z][a-z0-9_]{0,39}$``. No part of an id holds two underscores in a row, so two ids never share
    a code and `id_of_code` gives the id back.

    Parameters
    ----------
    reason_id : str

    Raises
    ------
    CrmError
        If it is no reason id, or its code is longer than 40 characters.

    Examples
    --------
    >>> code_of("billing.refund"), code_of("billing")
    ('billing__refund', 'billing')
    """
    if not isinstance(reason_id, str) or not _ID.match(reason_id):
        raise CrmError(
            f"reason {shorten(reason_id)}: this is no reason id and has no code. Ids are lower snake case with at most one dot, "
            "such as 'billing.refund'; rename it, and list the old id under `formerly`"
        )
    code = reason_id.replace(".", "__")
    if len(code) > MAX_CODE_CHARS:
        raise CrmError(
            f"reason {shorten(reason_id)}: its code has {len(code)} characters; CRMs take at most {MAX_CODE_CHARS} "
            "(ServiceNow the fewest): shorten the id, and list the old one under `formerly`"
        )
    return code


def is_code(value: str) -> bool:
    """Whether a value of a CRM is a code that some reason could have.

    Parameters
    ----------
    value : str

    Examples
    --------
    >>> is_code("billing__refund"), is_code("billing__refund__late"), is_code("Billing")
    (True, False, False)
    """
    return len(value) <= MAX_CODE_CHARS and _CODE.match(value) is not None


def id_of_code(code: str) -> str:
    """The reason id of a code; the inverse of `code_of`.

    Parameters
    ----------
    code : str

    Raises
    ------
    CrmError
        If no reason can have that code.

    Examples
    --------
    >>> id_of_code("billing__refund")
    'billing.refund'
    """
    if not isinstance(code, str) or not is_code(code):
        raise CrmError(
            f"code {shorten(code)}: no reason has such a code. Codes are a primary id such as 'billing', or a secondary one with "
            f"its dot written '__' such as 'billing__refund', at most {MAX_CODE_CHARS} characters: was the value made by hand?"
        )
    return code.replace("__", ".")


def codes_of(taxonomy: Taxonomy) -> dict[str, str]:
    """The code of each reason id, primaries first, in the order of the taxonomy.

    Parameters
    ----------
    taxonomy : Taxonomy

    Raises
    ------
    CrmError
        If a reason has no code; naming it.

    Examples
    --------
    >>> codes_of(Taxonomy.from_pairs([("Billing", "Refund")]))
    {'billing': 'billing', 'billing.refund': 'billing__refund'}
    """
    return {reason.id: code_of(reason.id) for reason in taxonomy.reasons}
