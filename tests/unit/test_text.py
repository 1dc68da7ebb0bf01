from __future__ import annotations

import importlib
import pkgutil
import re
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contact_reasons.text
from contact_reasons.text import (
    clean_text,
    clean_turns,
    customer_side,
    html_to_text,
    mask_personal_data,
    strip_history,
    strip_signature,
)
from contact_reasons.text import lines as lines_module
from contact_reasons.text import mail as mail_module
from contact_reasons.text import masking as masking_module
from contact_reasons.text.patterns import pattern
from tests.hostile_texts import HOSTILE_TEXTS, ONCE_HUNG
from tests.strategies import any_text

MAILS = {
    "reply above an Outlook header": (
        "Still no parcel. Where is it?\n\nFrom: Shop Support <help@example.com>\nSent: Monday, 2 November 2026 10:12\nTo: Jo\nSubject: Your order\n\nDear Jo, it is on its way.",
        "Still no parcel. Where is it?",
    ),
    "reply above a Gmail quote": (
        "No, I want my money back.\n\nOn Tue, 3 Nov 2026 at 10:12, Shop Support\n<help@example.com> wrote:\n> Would you like a voucher?\n>\n> Kind regards",
        "No, I want my money back.",
    ),
    "answer below the quote": (
        "On Tue, 3 Nov 2026 at 10:12, Support wrote:\n> Which size do you need?\nSize 42 please, the 40 pinches.",
        "Size 42 please, the 40 pinches.",
    ),
    "a forward with nothing of one's own": (
        "FYI see below\n\n---------- Forwarded message ---------\nFrom: Ann <ann@example.org>\nDate: Mon, 2 Nov 2026\nSubject: broken kettle\nTo: me\n\nThe kettle leaks at the base.",
        "FYI see below\nThe kettle leaks at the base.",
    ),
    "German reply": (
        "Please cancel the order.\n\nAm 03.11.2026 um 10:12 schrieb Support:\n> Guten Tag",
        "Please cancel the order.",
    ),
    "original message line": ("Refund please\n-----Original Message-----\nFrom: a\nhello", "Refund please"),
    "HTML with a quoted box": (
        '<html><head><style>p{color:red}</style></head><body><p>Hi,</p><p>the lamp is <b>broken</b>&nbsp;&amp; cold.</p><div class="gmail_quote">On Tue wrote: old text</div></body></html>',
        "Hi,\nthe lamp is broken & cold.",
    ),
    "blockquote": ("<div>Refund?</div><blockquote><p>Dear customer</p></blockquote>", "Refund?"),
    "signature, device line and disclaimer": (
        "My card was charged twice.\n\nKind regards,\nJo Smith\nHead of Stuff | Big Co\n\nSent from my iPhone\n\nThis email is confidential and intended for the named addressee only. If you received it in error, delete it.",
        "My card was charged twice.",
    ),
    "sign-off that is all there is": ("Thank you very much!", "Thank you very much!"),
    "question after a thank-you stays": ("Wrong size.\nThanks\nCan I swap it?", "Wrong size.\nThanks\nCan I swap it?"),
    "chat with named agent": (
        "[10:01] Visitor 8812: hi\n[10:01] Anna (Advisor): Hello, how can I help?\n[10:02] Visitor 8812: my promo code is refused",
        "hi\nmy promo code is refused",
    ),
    "chat where only the shop is known": (
        "Tom: where is it\nShopBot: Your order number?\nTom: no idea",
        "where is it\nno idea",
    ),
    "a web form": ("Customer name: Joe Bloggs\nOrder number: 123\nProblem: my kettle is broken", "Customer name: Joe Bloggs\nOrder number: 123\nProblem: my kettle is broken"),
    "a letter with colons": ("Dear Customer Service:\nMy parcel is lost.\nPlease note: I am away on Monday", "Dear Customer Service:\nMy parcel is lost.\nPlease note: I am away on Monday"),
    "what an agent said": ("My problem: parcel lost\nYour agent told me: wait 5 days\nBut nothing came", "My problem: parcel lost\nYour agent told me: wait 5 days\nBut nothing came"),
    "a name that ends in bot": ("Mr Talbot: my parcel is late\nAnna: how can I help\nMr Talbot: I want a refund", "Mr Talbot: my parcel is late\nAnna: how can I help\nMr Talbot: I want a refund"),
    "a colon inside a customer's turn": ("Customer: two things\nFirst: the lamp is broken\nAgent: ok\nCustomer: and the shade", "two things\nFirst: the lamp is broken\nand the shade"),
    "a head that is never closed": ("<html><head><meta charset=utf-8><body><p>My order never arrived</p></body></html>", "My order never arrived"),
    "an empty head": ("<html><head/><body><p>My order never arrived</p></body></html>", "My order never arrived"),
    "a style that is never closed": ("<p>hello</p><style>p{}<p>My order never arrived</p>", "hello\np{}\nMy order never arrived"),
    "more after the thanks": ("I want a refund for my kettle\nThanks\nAlso please cancel my other order, it is the wrong colour", "I want a refund for my kettle\nThanks\nAlso please cancel my other order, it is the wrong colour"),
    "thank you for nothing": ("I am unhappy.\nThank you\nfor nothing. The parcel was soaked.", "I am unhappy.\nThank you\nfor nothing. The parcel was soaked."),
    "sent by a courier": ("Where is my order?\nSent by DPD on Monday, not here yet.", "Where is my order?\nSent by DPD on Monday, not here yet."),
    "two parts with a line between": ("Order 1 is late\n--\nOrder 2 arrived broken and I want my money back please", "Order 1 is late\n--\nOrder 2 arrived broken and I want my money back please"),
    "a journey is no mail header": ("Change my delivery\nFrom: London\nTo: Paris\nDate: 5 May\nto the 7th instead", "Change my delivery\nFrom: London\nTo: Paris\nDate: 5 May\nto the 7th instead"),
    "an answer below a Thunderbird quote": ('<div class="moz-cite-prefix">On 3/11, Shop wrote:<br></div><blockquote><p>Your parcel was delivered.</p></blockquote><p>No, it was stolen</p>', "No, it was stolen"),
    "an answer below a Gmail quote": ('<p>Hi John, answers below</p><div class="gmail_quote"><div>Was it smashed?</div></div><p>Yes, completely smashed</p>', "Hi John, answers below\nYes, completely smashed"),
    "an Outlook reply": ('<p>Refund please</p><div id="appendonsend"></div><hr><div>From: Shop</div><div>Dear Jo</div>', "Refund please"),
    "a card with odd blanks": ("my card 4111\u00a01111\u202f1111\t1111 was charged", "my card [card] was charged"),
    "more than three weeks": ("> 3 weeks and no refund\nwhere is it", "> 3 weeks and no refund\nwhere is it"),
    "Danish header": ("Hvor er min pakke, still nothing\n\nFra: Shop\nSendt: 3. november\nTil: Jo\nEmne: Ordre\n\nHej Jo", "Hvor er min pakke, still nothing"),
    "a colon is no chat": ("Problem: kettle leaks\nOrder: two kettles", "Problem: kettle leaks\nOrder: two kettles"),
    "a comparison is no HTML": ("price < 5 and > 3 & falling", "price < 5 and > 3 & falling"),
}  # fmt: skip


@pytest.mark.parametrize("name", MAILS)
def test_what_the_customer_wrote_is_kept_and_the_rest_is_not(name: str) -> None:
    raw, clean = MAILS[name]
    assert clean_text(raw) == clean


@pytest.mark.parametrize(
    ("raw", "masked"),
    [
        ("mail jo.smith+x@mail.example.co.uk!", "mail [mail]!"),
        ("call 07700 900123 or (555) 010-0199 or +44 7700 900 123", "call [phone] or [phone] or [phone]"),
        ("card 4111 1111 1111 1111 exp 12/27", "card [card] exp 12/27"),
        ("card 4111-1111-1111-1112", "card [number]"),
        ("DE89 3704 0044 0532 0130 00 is my account", "[iban] is my account"),
        ("order #12 vs #4711 and AB-10442 and 1000234", "order #12 vs [number] and [number] and [number]"),
        ("see https://shop.example/x?y=1 or www.shop.example/a", "see [url] or [url]"),
        ("on 12/11/2026 or 2026-11-12, paid £1,299.00, 12500 euros, $20000", "on 12/11/2026 or 2026-11-12, paid £1,299.00, 12500 euros, $20000"),
        ("4111 1111  1111 1111 and -07700900123 and card:-4111111111111111", "[card] and -[phone] and card:-[card]"),
        ("sort code 20-00-00, tel 22 33 44 55, o'neil@example.com", "sort code [number], tel [phone], [mail]"),
        ("12999.00 pounds, 10.299,00 €, USD 12500, Rs.150000, 45000 yen, ¥45000", "12999.00 pounds, 10.299,00 €, USD 12500, Rs.150000, 45000 yen, ¥45000"),
        ("2024-05-03T10:30:00Z, 03/05/2024-05/05/2024, 2023-2024", "2024-05-03T10:30:00Z, 03/05/2024-05/05/2024, 2023-2024"),
        ("100-200 pieces, size 10.5-11.5, 20000 points, 12000 g, macOS 10.15.7, 1 2 3 4 5 boxes", "100-200 pieces, size 10.5-11.5, 20000 points, 12000 g, macOS 10.15.7, 1 2 3 4 5 boxes"),
        ("size 42, 2 boxes, 100x200cm, 1500W, iPhone 15, 10:30, 50%", "size 42, 2 boxes, 100x200cm, 1500W, iPhone 15, 10:30, 50%"),
    ],
)  # fmt: skip
def test_personal_data_is_masked_and_dates_sums_and_sizes_are_not(raw: str, masked: str) -> None:
    assert mask_personal_data(raw) == masked


def test_the_subject_comes_first_without_prefixes_and_ticket_tags() -> None:
    assert clean_text("It leaks.", subject="RE: Fwd: [Ticket #991] Kettle &amp; cup") == "Kettle & cup\nIt leaks."


def test_turns_without_any_customer_word_keep_the_whole() -> None:
    assert customer_side("Agent: hello\nAgent: bye") == "Agent: hello\nAgent: bye"


@pytest.mark.parametrize(
    "text",
    [
        "I paid <a lot> more",
        "size <b and not> c",
        "a <b",
        "Bob <b@example.com> wrote",
        "x <i && y>",
        "<p",
        "<td nowrap",
    ],
)
def test_what_only_looks_like_a_tag_is_words(text: str) -> None:
    assert html_to_text(text) == text


def test_html_entities_are_read_without_tags_too() -> None:
    assert html_to_text("Fish &amp; chips &euro;5") == "Fish & chips €5"


def test_scripts_and_comments_are_left_out_even_unclosed() -> None:
    assert html_to_text("<p>one<!-- two --></p><script>three</script><p>four</p><!-- five") == "one\nfour"


@given(text=any_text | st.lists(st.sampled_from([*list("<>/!-&; \n:>a1@.[]()"), "<p>", "</p>", "<!--", "-->", "Agent:", "From: ", "wrote:"]), max_size=60).map("".join))  # fmt: skip
def test_any_text_can_be_cleaned_and_cleaning_is_without_control_characters(text: str) -> None:
    clean = clean_text(text)
    assert isinstance(clean, str)
    assert "\0" not in clean
    assert "\r" not in clean
    assert not any(line != line.strip() or not line for line in clean.split("\n")) or clean == ""


@given(text=any_text)
def test_a_text_that_says_something_is_never_cleaned_away(text: str) -> None:
    words = f"kettle {text.replace('<', ' ').replace('&', ' ')}"
    assert clean_text(words.replace("\n", " ").replace(":", " ").replace("\r", " ")) != ""


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
def test_hostile_texts_are_cleaned(text: str) -> None:
    """How long that takes is seen to by `make slow`."""
    assert "\0" not in clean_text((text * 5000)[:5000])


@pytest.mark.parametrize("text", ONCE_HUNG)
def test_texts_that_once_hung_or_broke_cleaning_are_cleaned(text: str) -> None:
    assert isinstance(clean_text(text, subject=text), str)


def test_history_and_signature_of_plain_text_are_left_alone() -> None:
    assert strip_history("I wrote: hello\nand more") == "I wrote: hello\nand more"
    assert strip_signature(
        "Best thing ever\nwas the lamp that broke after two days of very light use in my kitchen at home"
    ).startswith("Best thing")


_SPACES = "parcel|hi| |\n|\n\n|\n\n\n|\r\n|\t|\xa0|\u200b|\u2028|\x85|é|’|😀"
_MAILS = (
    "parcel|hi|see below|>|> |> x|>> |\n> a\n> b|:|--|—|\n|\n\n| |On Monday Jo| wrote:|schrieb Jo:|From: a@b.example|Sent: now|"
    "Subject: x|To: me|-----Original Message-----|  * original-nachricht|Begin forwarded message:|"
    "Please reply above this line|ABOVE THIS LINE|Sent from my iPhone|Kind regards|Thanks,|Jo Smith|"
    "This is CONFIDENTIAL|confıdential|intended recipient|privileged|unauthoriſed|in error|virus|company number"
)
_PERSONAL = (
    "parcel| |\n|.|:|www.example.org|WWW.EXAMPLE.ORG|https://a.example/b|jo@example.org|GB82 WEST 1234 5698 7654 32|"
    "xDE89370400440532013000|DE89370400440532013000|XY12ABCDEFGH|#123|#12|#a1b2c3|10442|AB-10442|A1b2c3d4|A123|a²³²1|A²³²1|"
    "12/11/2026|£1,299.00|+44 7700 900123|(0)12 34|4111 1111 1111 1111|1|23|4-5|6.7|1 - 2 - 3 - 4 - 5|200mm|¹|٣"
)


def pieced(pieces: str) -> st.SearchStrategy[str]:
    """Texts made of pieces that some pattern looks for."""
    some = st.lists(st.sampled_from(pieces.split("|")), max_size=6)
    return st.builds(lambda parts, gap: gap.join(parts), some, st.sampled_from(["", " ", "\n"]))


@settings(max_examples=400)
@given(text=pieced(_SPACES) | any_text)
def test_lines_are_made_plain_as_by_all_replacements(text: str) -> None:
    slow = lines_module._LINE_ENDS.sub("\n", text)
    slow = lines_module._INVISIBLE.sub("", lines_module._BLANKS.sub(" ", slow))
    assert lines_module.plain_lines(text) == lines_module._GAPS.sub("\n\n", slow)


def test_no_character_that_is_replaced_is_printable() -> None:
    for number in range(0x110000):
        replaced = lines_module._LINE_ENDS.sub("\n", chr(number))
        replaced = lines_module._INVISIBLE.sub("", lines_module._BLANKS.sub(" ", replaced))
        assert replaced == chr(number) or not chr(number).isprintable(), hex(number)


@settings(max_examples=400)
@given(text=pieced(_MAILS) | any_text)
def test_history_is_found_as_by_trying_every_pattern(text: str) -> None:
    quick = strip_history(text)
    with mock.patch.object(mail_module, "_has_no_history", return_value=False):
        assert strip_history(text) == quick


@settings(max_examples=400)
@given(text=pieced(_MAILS) | any_text)
def test_signatures_and_disclaimers_are_found_as_by_trying_every_pattern(text: str) -> None:
    quick = strip_signature(text)
    with mock.patch.object(mail_module, "_DISCLAIMER_SIGNS", (("",),) * len(mail_module._DISCLAIMER)):
        assert mail_module._strip_end(text) == quick


PHRASES = (
    ("confidential",),
    ("intended for", "intended solely for recipient", "named addressee", "intended recipient"),
    ("privileged", "unauthorized", "unauthorised", "disclosure"),
    ("in error", "delete it", "delete this", "delete the", "notify the sender"),
    ("virus", "malware"),
    ("registered in", "registered office", "company no", "company registration"),
    ("think before you print", "consider the environment: print"),
)


@pytest.mark.parametrize(
    ("plain", "other"), [("", ""), ("i", "İ"), ("i", "ı"), ("s", "ſ"), ("k", "\u212a"), ("e", "E")], ids=ascii
)
def test_every_part_of_a_disclaimer_shows_its_signs_whatever_the_case(plain: str, other: str) -> None:
    assert len(PHRASES) == len(mail_module._DISCLAIMER) == len(mail_module._DISCLAIMER_SIGNS)
    for part, signs, phrases in zip(mail_module._DISCLAIMER, mail_module._DISCLAIMER_SIGNS, PHRASES, strict=True):
        for phrase in phrases:
            for shown in (phrase.replace(plain, other), phrase.upper().replace(plain.upper(), other)):
                assert part.search(shown), shown
                assert any(sign in f"x{shown}x".lower() for sign in signs), shown


@settings(max_examples=400)
@given(text=pieced(_PERSONAL) | any_text)
def test_personal_data_is_masked_as_by_trying_every_pattern(text: str) -> None:
    slow = masking_module._MAIL.sub("[mail]", masking_module._URL.sub("[url]", text))
    slow = masking_module._IBAN.sub(masking_module._mask_iban, slow)
    slow = masking_module._DIGITS.sub(masking_module._mask_digits, slow)
    slow = masking_module._CODE.sub(masking_module._mask_code, slow)
    assert mask_personal_data(text) == slow


def test_every_pattern_that_waits_for_its_first_use_is_a_pattern() -> None:
    found = []
    for module in pkgutil.iter_modules(contact_reasons.text.__path__, "contact_reasons.text."):
        for value in vars(importlib.import_module(module.name)).values():
            some = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
            found += [one for one in some if type(one) is type(pattern(""))]
    assert len(found) > 40
    for one in found:
        assert re.compile(one.pattern, one.flags).match is not None


def test_what_is_no_pattern_is_an_error_at_its_first_use() -> None:
    wrong = pattern("(")
    with pytest.raises(re.error, match="unterminated subpattern"):
        wrong.match("x")


def test_the_customers_turns_of_a_chat_log_are_cleaned_one_by_one() -> None:
    log = "Chat started\n10:02 Agent: Hello\n10:03 Customer: hi <b>there</b>\nOrder: 123456\nplease look\n10:04 Agent: Yes?\n10:05 Customer:  \n10:06 Customer: my kettle   leaks"
    assert clean_turns(log) == ["hi there\nOrder: [number]\nplease look", "my kettle leaks"]
    assert clean_turns("Bot: Welcome\nMaria: hello\nBot: Yes?\nMaria: no parcel") == ["hello", "no parcel"]


@given(text=any_text | st.lists(st.sampled_from(["Agent: x", "Customer: my order", "hi", ": ", "\n"])).map("\n".join))
def test_clean_turns_are_the_clean_text_and_of_other_texts_there_is_one(text: str) -> None:
    turns = clean_turns(text)
    assert "\n".join(turns) == clean_text(text)
    assert all(turns)
    if customer_side(text) == text:
        assert len(turns) <= 1
