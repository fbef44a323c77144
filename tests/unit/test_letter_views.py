"""Dead letters in a terminal: all of them told, and nothing in them obeyed."""

import msgspec

from sangraha_cli.letter_views import letter_table, letter_text
from tests.contract.catalog_samples import MINT, dead_letter

ODD = "[bold]red[/bold]\x1b[31m\u202e\nnext [/]"
SHOWN = "[bold]red[/bold]\\x1b[31m\\u202e\\nnext [/]"


def test_a_table_has_a_line_for_each_letter_with_its_whole_id() -> None:
    letters = [dead_letter(MINT.new(), MINT.new()) for _ in range(3)]
    heading, *lines = letter_table(letters).splitlines()
    assert heading.startswith("LETTER")
    assert [line.split()[0] for line in lines] == [str(letter.letter_id) for letter in letters]
    assert all(line.endswith("2         3  the checksum does not match") for line in lines)


def test_what_a_message_says_is_neither_markup_nor_control() -> None:
    letter = dead_letter(headers={ODD: ODD, "sangraha-redrives": 2, "sangraha-attempts": 40})
    fault = msgspec.structs.replace(letter.fault, message=ODD, stack=ODD)
    letter = msgspec.structs.replace(letter, fault=fault)
    text = letter_text(letter)
    assert f"reason: {SHOWN}\n" in text
    assert f"header {SHOWN}: {SHOWN}\n" in text
    assert "redrives: 2\n" in text
    assert "attempts: 43\n" in text
    assert SHOWN in letter_table([letter])
    for shown in (text, letter_table([letter])):
        assert all(char.isprintable() or char == "\n" for char in shown)


def test_the_first_bytes_are_told_in_hexadecimal_and_as_ascii() -> None:
    text = letter_text(dead_letter(body=b"SG\x00\xff not a group" + bytes(300)))
    first, *others = text.partition("first bytes:\n")[2].splitlines()
    assert first == "  00000000  53 47 00 ff 20 6e 6f 74 20 61 20 67 72 6f 75 70  SG.. not a group"
    assert len(others) == 15
    assert letter_text(dead_letter(body=None)).endswith("first bytes:\n")
