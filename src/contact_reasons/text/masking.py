"""Personal data masked: addresses, telephone, card, account and order numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["mask_personal_data"]

_URL: Final = re.compile(r"(?<!\w)(?:https?://|www\.)[^\s<>\"']{3,}", re.I)
_MAIL: Final = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_DIGITS: Final = re.compile(r"(?<![\w.,/£$€₹-])[+(]{0,2}\d(?:[ ().\u2010-\u2013/-]{0,2}\d){4,30}(?![\w%])")
_DATE: Final = re.compile(
    r"(?:\d{4}[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ](?:\d{4}|\d{2}))(?:[ -]\d{1,4})?\Z"
)
_MONEY_AFTER: Final = re.compile(r"\s?(?:£|\$|€|₹|eur|euros?|pounds?|gbp|usd|dollars?|rupees?|rs|kr|sek)\b", re.I)
_ANY_DIGIT: Final = re.compile(r"\d")
_CODE: Final = re.compile(r"(?<![\w-])(?=[\w#/-]{0,60}?\d)#?\w{1,24}(?:[-_/]\w{1,24}){0,6}(?![\w-])")
_MIN_CODE_DIGITS: Final = 4
_CURRENCY: Final = "£$€₹"
_MEASURE: Final = re.compile(
    r"\d{1,6}(?:[x×]\d{1,6}){0,3}(?:mm|cm|m|km|in|inch|inches|ft|mg|g|kg|ml|cl|l|oz|lbs?|w|kw|v|mah|hz|mhz|ghz|mb|gb|tb|px|k)?(?<!\d{5})\Z",
    re.I,
)


def mask_personal_data(text: str) -> str:
    """The text with web and mail addresses, phone, card, bank account and order numbers masked.

    Masks are ``[url]``, ``[mail]``, ``[phone]``, ``[card]``, ``[iban]`` and ``[number]``. Cards must pass the
    Luhn check and IBANs ISO 7064 mod 97; other runs of five digits or more, and codes that mix letters with
    four digits or more, are order numbers. Dates and sums of money stay. Names and street addresses are *not* found.

    >>> mask_personal_data("call +44 7700 900123 or jo@example.org about #AB-10442, 12/11/2026, paid 1,299.00")
    'call [phone] or [mail] about [number], 12/11/2026, paid 1,299.00'
    """
    if "." in text or ":" in text:
        text = _URL.sub("[url]", text)
    if "@" in text:
        text = _MAIL.sub("[mail]", text)
    if not _ANY_DIGIT.search(text):
        return text
    text = _IBAN.sub(_mask_iban, text)
    text = _DIGITS.sub(_mask_digits, text)
    return _CODE.sub(_mask_code, text)


def _mask_iban(match: re.Match[str]) -> str:
    code = match.group().replace(" ", "")
    as_digits = "".join(str(int(character, 36)) for character in code[4:] + code[:4])
    return "[iban]" if int(as_digits) % 97 == 1 else match.group()


def _mask_digits(match: re.Match[str]) -> str:
    found = match.group()
    digits = [unicodedata.digit(character) for character in found if character.isdigit()]
    if _DATE.match(found) or _MONEY_AFTER.match(match.string, match.end()):
        return found
    if 13 <= len(digits) <= 19 and _luhn(digits):
        return "[card]"
    grouped = any(character in found for character in " ().-")
    if 9 <= len(digits) <= 15 and (found[0] in "+(0" or (grouped and len(digits) in (10, 11))):
        return "[phone]"
    return "[number]"


def _luhn(digits: Iterable[int]) -> bool:
    total = 0
    for i, digit in enumerate(reversed(list(digits))):
        total += digit if i % 2 == 0 else (2 * digit - 9 if digit > 4 else 2 * digit)
    return total % 10 == 0


def _mask_code(match: re.Match[str]) -> str:
    found = match.group()
    digits = sum(character.isdigit() for character in found)
    if found[0] == "#":
        return "[number]" if digits >= 3 else found
    if digits < _MIN_CODE_DIGITS or _DATE.match(found) or _MEASURE.match(found):
        return found
    if match.string[max(match.start() - 1, 0)] in _CURRENCY or _MONEY_AFTER.match(match.string, match.end()):
        return found
    letters = sum(character.isalpha() for character in found)
    if letters == 0 and digits < 5:
        return found
    capitals_first = found[:1].isalpha() and found[0].isupper()
    return "[number]" if digits >= 5 or capitals_first else found
