"""The page of messages says what the code says."""

from tests.badinput.page import PAGE, page


def test_the_page_has_not_drifted() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
