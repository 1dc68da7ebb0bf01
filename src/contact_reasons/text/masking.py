"""Personal data masked: addresses, telephone, card, account and order numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from contact_reasons.text.patterns import pattern

__all__ = ["mask_personal_data"]

_URL: Final = pattern(r"(?<!\w)(?:https?://|www\.)[^\s<>\"']{3,}", re.I)
_MAIL: Final = pattern(r"(?<![\w.%+'-])[\w.%+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_IBAN: Final = pattern(r"[A-Z]{2}(?<!\w[A-Z]{2})\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_ANY_DIGIT: Final = pattern(r"\d")
_DIGITS: Final = pattern(
    r"(?<![\w.,/£$€₹¥])(?<!\w-)[+(]{0,2}\d(?:[ ().\u2010-\u2015/-]{0,3}\d){4,30}(?![\w%])(?![-/.,]\d)"
)
_FIVE_NEAR: Final = pattern(r"\d(?:[ ().\u2010-\u2015/-]{0,3}\d){4}")
"""In every text that `_DIGITS` finds something in."""
_CODE: Final = pattern(r"(?<![\w/])(?<!\w-)(?=[\w#/-]{0,60}?\d)#?[^\W_]{1,40}(?:[-_/][^\W_]{1,40}){0,8}(?![\w-])")
_THREE_IN_A_WORD: Final = pattern(r"\d\S*?\d\S*?\d")
"""In every ASCII text that `_mask_code` changes; elsewhere, figures such as ``²`` count, too."""
_MIN_CODE_DIGITS: Final = 4

_DATE: Final = pattern(
    r"(?:(?P<y>\d{4})(?P<a>[-/.])(?P<m>\d{1,2})(?P=a)(?P<d>\d{1,2})|(?P<p>\d{1,2})(?P<b>[-/.])(?P<q>\d{1,2})(?P=b)(?:\d{4}|\d{2}))"
    r"(?:T\d{1,2}|\s\d{1,2}(?:\.\d\d)?)?"
)
_CURRENCY: Final = (
    r"(?:[£$€₹¥]|zł|eur|euros?|gbp|usd|aud|cad|nzd|inr|chf|pln|sek|nok|dkk|czk|huf|jpy|cny|sgd|zar|aed|try|brl|mxn|"
    r"pounds?|quid|dollars?|bucks|rupees?|rs|kr|kronor|yen|francs?|zloty)"
)
_AMOUNT_AFTER: Final = pattern(
    rf"(?:[.,]\d{{1,2}})?\s?(?:{_CURRENCY}|points?|pts|pieces?|pcs|units?|items?|boxes|copies|mm|cm|m|km|miles?|mg|g|grams?|kg|ml|l|litres?|liters?|"
    r"oz|lbs?|w|watts?|kw|kwh|v|volts?|mah|hz|mb|gb|tb|rpm|seconds?|secs?|minutes?|mins?|hours?|days?|steps?|words|people|customers|times|%)\b",
    re.I,
)
_MONEY_BEFORE: Final = pattern(rf"(?:\b{_CURRENCY}|[£$€₹¥])\.?\s?\Z", re.I)
_MEASURE: Final = pattern(
    r"\d{1,6}(?:[x×]\d{1,6}){1,3}[a-z]{0,4}\Z|\d{1,6}(?:mm|cm|m|km|mg|g|kg|ml|l|oz|lbs?|w|kw|v|mah|hz|mb|gb|tb|px|k)\Z",
    re.I,
)
_RANGE: Final = pattern(
    r"\d{1,3}(?:\.\d{1,2})?\s?[-\u2010-\u2015]\s?\d{1,3}(?:\.\d{1,2})?\Z|(?:19|20)\d\d\s?[-\u2010-\u2015/]\s?(?:19|20)\d\d\Z"
)
_VERSION: Final = pattern(r"\d{1,3}(?:\.\d{1,3}){2,3}\Z")
_LISTED: Final = pattern(r"\d(?: \d){1,7}\Z")


def mask_personal_data(text: str) -> str:
    """The text with web and mail addresses, phone, card, bank account and order numbers masked.

    Masks are ``[url]``, ``[mail]``, ``[phone]``, ``[card]``, ``[iban]`` and ``[number]``. Cards must pass the
    Luhn check and IBANs ISO 7064 mod 97; other runs of five digits or more, and codes that begin with a capital
    and hold four digits or more, are order numbers. Dates, sums of money, measures, ranges and versions stay. Names and street
    addresses are *not* found.

    >>> mask_personal_data("call +44 7700 900123 or jo@example.org about #AB-10442, 12/11/2026, paid 1,299.00")
    'call [phone] or [mail] about [number], 12/11/2026, paid 1,299.00'
    """
    if "://" in text or "www." in text.lower():
        text = _URL.sub("[url]", text)
    if "@" in text:
        text = _MAIL.sub("[mail]", text)
    if not _ANY_DIGIT.search(text):
        return text
    text = _IBAN.sub(_mask_iban, text)
    if _FIVE_NEAR.search(text):
        text = _DIGITS.sub(_mask_digits, text)
    return _CODE.sub(_mask_code, text) if _THREE_IN_A_WORD.search(text) or not text.isascii() else text


def _mask_iban(match: re.Match[str]) -> str:
    code = match.group().replace(" ", "")
    as_digits = "".join(str(int(character, 36)) for character in code[4:] + code[:4])
    return "[iban]" if int(as_digits) % 97 == 1 else match.group()


def _mask_digits(match: re.Match[str]) -> str:
    found = match.group()
    digits = [unicodedata.digit(character) for character in found if character.isdigit()]
    if 13 <= len(digits) <= 19 and _luhn(digits):
        return "[card]"
    if _is_quantity(match) or _RANGE.match(found) or _VERSION.match(found) or _LISTED.match(found):
        return found
    grouped = any(character in found for character in " ().-")
    if 8 <= len(digits) <= 15 and (found[0] in "+(0" or (grouped and len(digits) in (8, 10, 11))):
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
    if digits < _MIN_CODE_DIGITS or _MEASURE.match(found) or _RANGE.match(found) or _is_quantity(match):
        return found
    letters = sum(character.isalpha() for character in found)
    if letters == 0 and digits < 5:
        return found
    capitals_first = found[:1].isalpha() and found[0].isupper()
    return "[number]" if digits >= 5 or capitals_first else found


def _is_quantity(match: re.Match[str]) -> bool:
    """Whether a number is a date, a sum of money or a measure, by its form or by what stands around it."""
    if _is_date(match.group()):
        return True
    before = match.string[max(0, match.start() - 9) : match.start()]
    return bool(_AMOUNT_AFTER.match(match.string, match.end()) or _MONEY_BEFORE.search(before))


def _is_date(found: str) -> bool:
    """A date, or two with a dash between."""
    first = _DATE.match(found)
    if first is None:
        return False
    day, month = (int(first["d"]), int(first["m"])) if first["y"] else (int(first["p"]), int(first["q"]))
    fits = 1 <= day <= 31 and 1 <= month <= 31 and min(day, month) <= 12
    rest = found[first.end() :].lstrip(" -\u2013")
    return fits and (not rest or (first.end() < len(found) and bool(_DATE.fullmatch(rest))))
