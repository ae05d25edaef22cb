"""Voices of telephone systems, from packages of Debian: the same prompts in eight sets of recordings, five languages.

Who speaks and which language is spoken are the same, but for the two Italian voices, of which each says what the other
says; of a second voice in Spanish and in French there are ten and fifteen minutes. The English and the Spanish of the
core sounds are by one speaker. So only what is compared within a language tells the voice from the words.

The class of a recording is its voice. Its name is that of the prompt, the same in every voice, and the prompts of the
test part are in no voice of the training part.
"""

from __future__ import annotations

from selftaught.data.audio.audio_set import AudioSet, Voice
from selftaught.data.entry import Entry

KIND, NAMES = "audio", ("speech",)
SOUNDS = "usr/share/asterisk/sounds"
VOICES = {
    "en-allison": Voice("asterisk-core-sounds-en-wav", f"{SOUNDS}/en_US_f_Allison"),
    "es-allison": Voice("asterisk-core-sounds-es-wav", f"{SOUNDS}/es_MX_f_Allison"),
    "es-july": Voice("asterisk-prompt-es-co", f"{SOUNDS}/es"),
    "fr-armelle": Voice("asterisk-prompt-fr-armelle", f"{SOUNDS}/fr"),
    "fr-june": Voice("asterisk-core-sounds-fr-wav", f"{SOUNDS}/fr_CA_f_June"),
    "it-carlo": Voice("asterisk-core-sounds-it-wav", f"{SOUNDS}/it_IT_m_Carlo"),
    "it-menardi": Voice("asterisk-prompt-it-menardi-wav", f"{SOUNDS}/it_IT_f_Menardi"),
    "ru-ivrvoice": Voice("asterisk-core-sounds-ru-wav", f"{SOUNDS}/ru_RU_f_IvrvoiceRU"),
}
WITHOUT = ("silence/", "beep", "ascending-2tone", "descending-2tone", "tt-monkeys", "tt-weasels")
"""Silence, tones and noises, which are the same recordings in several voices."""
ENTRY = Entry(
    "speech",
    "prompts of telephone systems; the class is the voice, and a language has one, but Italian, Spanish and French two",
    "about 3,900 recordings of 8 kHz, 3 hours",
    tuple(VOICES),
    "CC-BY-SA-3.0, ru: CC-BY-3.0, es-july: GPL-2, fr-armelle: BSD",
    "Debian packages asterisk-core-sounds-*-wav and asterisk-prompt-*",
    kind=KIND,
)
SETS = {"speech": AudioSet(ENTRY, VOICES, WITHOUT, {voice: voice[:2] for voice in VOICES})}
