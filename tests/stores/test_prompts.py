from io import BytesIO, TextIOWrapper

import pytest

from mai_cli.errors import UsageError
from mai_cli.stores.prompts import MAX_PROMPT_BYTES, find_prompt, read_prompt


class Terminal(TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(BytesIO(b"what somebody would have to type first"))

    def isatty(self) -> bool:
        return True


def piped(data: bytes = b"") -> TextIOWrapper:
    return TextIOWrapper(BytesIO(data), encoding="ascii")


def refused(source: str, stdin: TextIOWrapper | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_prompt(source, stdin)
    assert caught.value.code == "bad_prompt"
    return caught.value


@pytest.mark.parametrize(
    ("data", "prompt"),
    [
        (b"a fox", "a fox"),
        (b"\n  a fox,\r\n in snow \n\n", "a fox,\r\n in snow"),
        (b"\xef\xbb\xbfa fox\n", "a fox"),
        ("雪の中の狐 🦊".encode(), "雪の中の狐 🦊"),
    ],
)
def test_a_prompt_is_read_without_the_white_space_around_it(tmp_path, data, prompt):
    file = tmp_path / "prompt.txt"
    file.write_bytes(data)

    assert read_prompt(str(file), Terminal()) == prompt
    assert read_prompt("-", piped(data)) == prompt


@pytest.mark.parametrize("data", [b"", b" \n\t", b"\xef\xbb\xbf\n"])
def test_an_empty_prompt_is_refused(tmp_path, data):
    file = tmp_path / "prompt.txt"
    file.write_bytes(data)

    assert refused(str(file)).message == f"The prompt in {file} is empty."
    assert refused("-", piped(data)).message == "The prompt in standard input is empty."


@pytest.mark.parametrize("data", [b"caf\xe9", "a fox".encode("utf-16"), b"\xed\xa0\x80"])
def test_a_prompt_in_another_encoding_is_refused(tmp_path, data):
    file = tmp_path / "prompt.txt"
    file.write_bytes(data)

    assert refused(str(file)).message == f"The prompt in {file} is not UTF-8 text."
    assert refused("-", piped(data)).message == "The prompt in standard input is not UTF-8 text."


@pytest.mark.parametrize("stdin", [Terminal(), None])
def test_a_terminal_or_a_closed_input_is_not_waited_for(stdin):
    assert "which is a terminal or closed" in refused("-", stdin).message


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    missing = tmp_path / "missing.txt"
    inside = tmp_path / "file.txt" / "x"
    inside.parent.write_bytes(b"a fox")

    assert refused(str(missing)).message == (
        f"The prompt in {missing} cannot be read: No such file or directory."
    )
    assert refused(str(tmp_path)).message.endswith("cannot be read: Is a directory.")
    assert refused(str(inside)).message.endswith("cannot be read: Not a directory.")
    assert refused("x" * 300).message.endswith("cannot be read: File name too long.")


@pytest.mark.parametrize("letter", ["x", "雪"])
def test_a_prompt_that_is_too_long_is_refused_as_such(tmp_path, letter):
    file = tmp_path / "prompt.txt"
    file.write_text("x" * MAX_PROMPT_BYTES)
    assert len(read_prompt(str(file), None)) == MAX_PROMPT_BYTES

    data = (letter * (MAX_PROMPT_BYTES + 1)).encode()
    file.write_bytes(data)
    assert refused(str(file)).message == f"The prompt in {file} is too long."
    assert refused("-", piped(data)).message == "The prompt in standard input is too long."


@pytest.mark.parametrize("source", ["a\0b", "\ud800.txt"])
def test_what_is_no_file_name_is_refused(source):
    assert refused(source).message == f"'{source}' is not a file name."


def test_the_prompt_is_taken_from_where_it_stands(tmp_path):
    file = tmp_path / "prompt.txt"
    file.write_bytes(b"from the file")

    assert find_prompt(" as it is ", None, Terminal()) == " as it is "
    assert find_prompt(None, str(file), Terminal()) == "from the file"
    assert find_prompt("-", None, piped(b"from the pipe")) == "from the pipe"
    assert find_prompt(None, "-", piped(b"from the pipe")) == "from the pipe"


@pytest.mark.parametrize(
    ("argument", "file", "message"),
    [(None, None, "There is no prompt."), ("a fox", "-", "two prompts"), ("-", "-", "two prompts")],
)
def test_a_prompt_stands_in_one_place(argument, file, message):
    with pytest.raises(UsageError, match=message) as caught:
        find_prompt(argument, file, piped(b"from the pipe"))

    assert caught.value.code == "bad_prompt"


def test_standard_input_is_left_alone_unless_asked_for():
    stdin = piped(b"for somebody else")

    assert find_prompt("a fox", None, stdin) == "a fox"
    with pytest.raises(UsageError):
        find_prompt(None, "", stdin)
    assert stdin.read() == "for somebody else"


@pytest.mark.parametrize("typed", ["雪の中の狐", "caf\udce9"])
def test_a_prompt_on_the_command_line_is_taken_as_it_is(typed):
    assert find_prompt(typed, None, None) == typed
