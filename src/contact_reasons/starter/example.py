"""A worked example: a bicycle rental with two primary reasons, two secondaries each, and their texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contact_reasons.starter.reasons import STAGES
from contact_reasons.taxonomy import Taxonomy

__all__ = ["example_taxonomy", "example_texts"]

_REASONS: Final[list[dict[str, Any]]] = [
    {
        "id": "booking",
        "label": "My booking",
        "definition": "A booking that exists and is to be changed or stopped, before the ride.",
        "secondaries": [
            {
                "id": "booking.change",
                "label": "Change my booking",
                "definition": "Another day, time, place or bicycle; the customer still wants to ride.",
                "not_this": [{"reason": "booking.cancel", "when": "if they do not want to ride any more"}],
                "stages": ["purchase", "fulfilment"],
                "required_facts": ["booking_number", "wanted_change"],
                "resolution": "Move the booking if a bicycle is free then; tell the difference in price.",
                "owner": "Booking desk",
            },
            {
                "id": "booking.cancel",
                "label": "Cancel my booking",
                "definition": "The customer will not ride: cancel, and what comes back of the money.",
                "not_this": [{"reason": "booking.change", "when": "if another day or bicycle would do"}],
                "stages": ["purchase", "fulfilment"],
                "required_facts": ["booking_number"],
                "resolution": "Cancel; free until the day before, half the price afterwards.",
                "owner": "Booking desk",
            },
        ],
    },
    {
        "id": "ride",
        "label": "Something is wrong on the ride",
        "definition": "The customer is at the station or on the road, and cannot ride on.",
        "secondaries": [
            {
                "id": "ride.unlock",
                "label": "The bike does not unlock",
                "definition": "The lock, code or app does not release the bicycle at the start.",
                "not_this": [{"reason": "ride.broken", "when": "if it unlocked and a part is damaged"}],
                "stages": ["activation"],
                "required_facts": ["station", "bike_number"],
                "resolution": "Unlock from afar; else name another bicycle at the station.",
                "owner": "Street team",
            },
            {
                "id": "ride.broken",
                "label": "The bike is broken",
                "definition": "A part is damaged or fails: tyre, brake, chain, light, motor.",
                "not_this": [{"reason": "ride.unlock", "when": "if only the lock does not open"}],
                "stages": ["activation", "support"],
                "required_facts": ["bike_number", "where_they_are"],
                "resolution": "Bring another bicycle, or have them leave it at the nearest station.",
                "owner": "Street team",
            },
        ],
    },
]

# By reason: texts to train on, then texts kept apart for the test. Each voice writes for all reasons: plain ones
# first, then an SMS, an e-mail, a form, a call note, somebody annoyed.
_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "booking.change": (
        """\
change my booking
can I move my booking to Sunday
I need a different day
can I get a bigger bike instead
change the pickup place please
hi can u move my bike 2 saturday thx
Dear team, we booked two city bikes for Friday. Could we pick them up at ten instead of nine? Kind regards, Ana
Another bicycle. I booked a city bike but would rather have an electric one on the same day.
Customer booked for the 4th, now arrives on the 5th, asks to shift the booking by a day.
Nobody answers! I only want a later time for my booking, still coming, how hard can that be""",
        """\
we would like to come one day later than booked, is that ok
Hello, is it possible to swap the bikes we reserved for ones with a child seat? Best, Tom
Wants the reservation on Monday rather than Tuesday.""",
    ),
    "booking.cancel": (
        """\
cancel my booking
I want to cancel
we are not coming any more
do I get my money back if I cancel
stop my booking please
hi pls cancel my bike 4 saturday, sick, thx
Dear team, we have to cancel the two city bikes for Friday, as our trip is off. Kind regards, Ana
Cancellation. Please cancel my booking of an electric bike. Is that free of charge?
Customer is ill and will not ride, asks to cancel and what is refunded.
Nobody answers! I only want to cancel and see my money again, how hard can that be""",
        """\
our plans fell through so we won't need the bikes
Hello, please take our reservation out, and tell me what you refund. Best, Tom
Does not want the bikes any more, asks about the fee.""",
    ),
    "ride.unlock": (
        """\
the bike does not unlock
the lock won't open
the app says unlocking forever
my code is not accepted at the lock
I can't get the bike out of the stand
hi at station now lock doesnt open help thx
Dear team, I am standing at the station, and the code you sent does not open the lock. Kind regards, Ana
The lock. The app shows bike 214 as mine, but the lock stays shut.
Customer at the harbour station, scanned the bike twice, lock does not release.
Nobody answers! I have been pressing unlock for ten minutes, how hard can that be""",
        """\
scanned it three times and it still won't come off the rack
Hello, the number you texted me is refused by the keypad on the bike. Best, Tom
Standing at the rack, app spins, bicycle stays locked.""",
    ),
    "ride.broken": (
        """\
the bike is broken
flat tyre
the brakes don't work
the chain came off
the motor of my e-bike stopped
hi flat tyre halfway what now thx
Dear team, the light of our bike went out, and the saddle is loose, too. Kind regards, Ana
Damage. The back brake of bike 214 hardly works any more. I have stopped riding it.
Customer on the lake road, chain torn, cannot ride on, wants to know where to leave it.
Nobody answers! I am pushing a bike with a flat tyre uphill, how hard can that be""",
        """\
a pedal fell off on the way back
Hello, our bike's gears slip so badly that we had to stop. Best, Tom
Front wheel bent after a pothole, asks for another bicycle.""",
    ),
}

_OUT_OF_SCOPE: Final = {
    "other_business": """\
where is my parcel, it was due on monday
my internet is down since this morning
I want to book a flight to Rome for two
can I have the lasagne without cheese please
my card was charged twice at the supermarket
the heating in my flat is not working""",
    "smalltalk": """\
hello
good morning, how are you
thank you, that was all
are you a robot""",
    "sales_pitch": "We help shops like yours to get more visitors, may I call you this week?",
    "spam": "WIN A NEW PHONE NOW click here",
}


def example_taxonomy(taxonomy_id: str) -> Taxonomy:
    """The reasons of the example, with every field filled.

    Parameters
    ----------
    taxonomy_id : str
    """
    return Taxonomy.from_dict(
        {
            "taxonomy_id": taxonomy_id,
            "version": "1.0.0",
            "industry": "bicycle rental",
            "interaction_type": "customer contacts of a bicycle rental",
            "stages": [*STAGES],
            "primaries": _REASONS,
        }
    )


def example_texts() -> dict[str, list[dict[str, str]]]:
    """The lines of the example's text files, by file."""
    lines: dict[str, list[dict[str, str]]] = {"training.jsonl": [], "test.jsonl": []}
    for reason, kept in _TEXTS.items():
        for file, texts in zip(lines, kept, strict=True):
            lines[file] += [{"text": text, "reason": reason} for text in _split(texts)]
    outside = [{"text": text, "kind": kind} for kind, texts in _OUT_OF_SCOPE.items() for text in _split(texts)]
    return {**lines, "out_of_scope.jsonl": outside}


def _split(texts: str) -> list[str]:
    return texts.split("\n")
