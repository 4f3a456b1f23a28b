from selenium.webdriver import Keys

from tests.page.gallery_page import item


def test_one_can_find_open_leaf_through_and_close_by_keyboard_alone(page):
    page.open([item(number, prompt=f"a fox {number}") for number in range(5)])
    page.press(Keys.TAB)
    assert page.focused == "words"
    page.press("f", "o", "x", Keys.ENTER)
    assert page.count == "5 pictures"
    page.press(Keys.TAB, Keys.TAB)
    assert page.focused == "0"
    page.press(Keys.TAB)
    assert page.focused == "1"
    page.press(Keys.ENTER)
    assert page.position == "Picture 2 of 5"
    assert page.focused == "close"
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert page.position == "Picture 3 of 5"
    page.press(Keys.ESCAPE)
    page.see(lambda: page.is_open, expected=False)
    page.see(lambda: page.focused, "2")


def test_focus_returns_to_the_picture_seen_last_even_where_none_was_drawn_yet(page):
    page.open([item(number) for number in range(400)])
    page.show(59)
    page.press(*[Keys.ARROW_RIGHT] * 140)
    assert page.position == "Picture 200 of 400"
    page.at("close").click()

    page.see(lambda: page.focused, "199")
    seen = "const box = document.activeElement.getBoundingClientRect(); return box.top >= 0"
    assert page.js(f"{seen} && box.bottom <= innerHeight")


def test_the_focus_stays_in_the_viewer(page):
    page.open([item(0, tags=["x"])])
    page.show()
    focused = set()
    for _ in range(20):
        page.press(Keys.TAB)
        focused.add(page.js("return document.activeElement.closest('dialog, body').localName"))

    # The browser's own bar comes in between; then the page itself has the focus.
    assert page.js("return document.activeElement.closest('main, form')") is None
    assert "dialog" in focused


def test_arrows_home_and_end_move_in_the_grid(page):
    shapes = [(1024, 768), (768, 1024), (1024, 1024), (1536, 768)]
    pictures = [
        item(number, width=shapes[number % 4][0], height=shapes[number % 4][1])
        for number in range(200)
    ]
    page.open(pictures)
    page.js("document.querySelector('.card button').focus()")
    rows = page.js("return [...grid.children].slice(0, 60).map((card) => card.offsetTop)")
    second, third = rows.index(sorted(set(rows))[1]), rows.index(sorted(set(rows))[2])
    page.press(Keys.ARROW_LEFT, Keys.ARROW_UP)
    assert page.focused == "0"
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_DOWN)
    assert page.focused == str(second)
    page.press(Keys.ARROW_DOWN)
    assert page.focused == str(third)
    page.press(Keys.ARROW_UP, Keys.ARROW_UP)
    assert page.focused == "0"
    page.press(Keys.END)
    assert page.focused == "199"
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert page.focused == "199"
    page.press(Keys.HOME)
    assert page.focused == "0"


def test_going_down_a_ragged_grid_keeps_to_the_column(page):
    page.open([item(number) for number in range(30)])
    script = "return [...grid.children].map((card) => [card.offsetTop, card.offsetLeft])"
    boxes = page.js(script)
    row = [place for place, box in enumerate(boxes) if box[0] == boxes[0][0]]
    page.js("document.querySelectorAll('.card button')[arguments[0]].focus()", row[-1])
    page.press(Keys.ARROW_DOWN)

    assert boxes[int(page.focused)] == [boxes[row[-1] + 1][0], boxes[row[-1]][1]]


def test_keys_that_mean_something_to_the_browser_are_left_to_it(page):
    page.open([item(0), item(1)])
    page.js("document.querySelector('.card button').focus()")
    script = """
        const event = new KeyboardEvent('keydown', {
          key: 'ArrowRight', altKey: true, bubbles: true, cancelable: true,
        });
        return document.activeElement.dispatchEvent(event);"""
    assert page.js(script) is True
    assert page.focused == "0"
    page.show()
    assert page.js(script) is True
    assert page.position == "Picture 1 of 2"
