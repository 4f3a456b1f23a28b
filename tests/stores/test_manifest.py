import json
import os
from contextlib import suppress
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.manifest import Entry
from mai_cli.stores.manifest import ENDINGS, FORMATS, MAX_BYTES, read_manifest

KEEP = " Keep one of them."
QUOTES = " Put it in quotes."
TAG = " Leave it out."
KEYS = " Write keys with values."
NO_LIST = "there is no list 'assets'. Write [[assets]] above each in TOML, else a list."
NEITHER = "is neither a table nor a list. Write a table with 'assets', or a list of assets."
HINT = "Correct the manifest. Nothing was sent."

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)

plain_text = st.text(st.characters(exclude_categories=("C", "Z")))
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text,
    lambda inner: st.lists(inner) | st.dictionaries(plain_text, inner),
    max_leaves=8,
)


class Terminal(TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(BytesIO(b"what somebody would have to type first"))

    def isatty(self) -> bool:
        return True


def piped(text: str) -> TextIOWrapper:
    return TextIOWrapper(BytesIO(text.encode()), encoding="ascii")


def read(text: str | bytes, format: str):
    data = text.encode() if isinstance(text, str) else text
    return read_manifest(None, format, TextIOWrapper(BytesIO(data)))


def entries(text: str, format: str):
    return [(entry.place, entry.values) for entry in read(text, format).entries]


def refused(*args) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_manifest(*args)
    assert caught.value.code == "bad_manifest"
    return caught.value


def mistakes(text: str | bytes, format: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        read(text, format)
    error = caught.value
    number = len(error.details)
    assert error.code == "bad_manifest"
    assert error.message == f"Standard input has {number} mistake{'s' if number != 1 else ''}."
    assert error.hint == HINT
    return list(error.details)


TOML = """
[defaults]
size = "16:9"
[vars]
style = "soft"
[[assets]]
name = "hero"
outputs = ["a.png", { path = "b.jpg", width = 320 }]
[[assets]]
prompt = "a fox"
"""
YAML = """
defaults:
  size: 16:9
vars: {style: soft}
assets:
- name: hero
  outputs: [a.png, {path: b.jpg, width: 320}]
- prompt: a fox
"""
JSON = json.dumps(
    {
        "$schema": "manifest.json",
        "defaults": {"size": "16:9"},
        "vars": {"style": "soft"},
        "assets": [
            {"name": "hero", "outputs": ["a.png", {"path": "b.jpg", "width": 320}]},
            {"prompt": "a fox"},
        ],
    }
)


@pytest.mark.parametrize(("format", "text"), [("toml", TOML), ("yaml", YAML), ("json", JSON)])
def test_files_of_tables_have_one_shape(format, text):
    manifest = read(text, format)

    assert manifest.defaults == {"size": "16:9"}
    assert manifest.variables == {"style": "soft"}
    assert manifest.entries == [
        Entry({"name": "hero", "outputs": ["a.png", {"path": "b.jpg", "width": 320}]}, "asset 1"),
        Entry({"prompt": "a fox"}, "asset 2"),
    ]


@pytest.mark.parametrize(
    ("format", "text"), [("json", '[{"prompt": "a fox"}]'), ("yaml", "- prompt: a fox\n")]
)
def test_a_list_is_the_list_of_assets(format, text):
    assert entries(text, format) == [("asset 1", {"prompt": "a fox"})]


def test_in_json_lines_an_asset_is_a_line():
    assert entries('{"prompt": "a\u2028b"}\r\n\n  \n{"count": 2}', "jsonl") == [
        ("line 1", {"prompt": "a\u2028b"}),
        ("line 4", {"count": 2}),
    ]


def test_in_text_a_prompt_is_a_line():
    text = "# prompts\r\na fox, ${style}\r\n\r\n  # more\n  a # hare \n"

    assert entries(text, "txt") == [
        ("line 2", {"prompt": "a fox, ${style}"}),
        ("line 5", {"prompt": "a # hare"}),
    ]


def test_the_columns_of_a_csv_are_the_keys():
    text = 'name,prompt,output\r\nhero,"a fox,\r\nin ""snow""",a.png\r\n\r\n,a hare,\r\n,,\r\n'

    assert entries(text, "csv") == [
        ("line 2", {"name": "hero", "prompt": 'a fox,\r\nin "snow"', "output": "a.png"}),
        ("line 5", {"prompt": "a hare"}),
    ]


def test_a_tsv_is_the_same_with_tabs():
    assert entries("name\tprompt\nhero\ta fox, ${x}\n", "tsv") == [
        ("line 2", {"name": "hero", "prompt": "a fox, ${x}"})
    ]


def test_lists_in_cells_are_separated_by_semicolons_or_are_json():
    text = (
        "images,tags,outputs,output,matrix.season\n"
        'a.png; b.png,x,"[{""path"": ""a.jpg""}, ""b.jpg""]",a;b.png,spring;autumn\n'
        "[a].png,;,{}.png,,\n"
    )

    assert entries(text, "csv") == [
        (
            "line 2",
            {
                "images": ["a.png", "b.png"],
                "tags": ["x"],
                "outputs": [{"path": "a.jpg"}, "b.jpg"],
                "output": "a;b.png",
                "matrix": {"season": ["spring", "autumn"]},
            },
        ),
        ("line 3", {"images": ["[a].png"], "tags": [], "outputs": ["{}.png"]}),
    ]


def test_a_column_with_a_dot_is_one_key_of_a_table():
    text = 'vars.a,vars.b,params.seed,params.style,matrix\n1,,1,soft,"{""x"": [1, 2]}"\n'

    assert entries(text, "csv") == [
        (
            "line 2",
            {
                "vars": {"a": "1"},
                "params": {"seed": 1, "style": "soft"},
                "matrix": {"x": [1, 2]},
            },
        )
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "",
            [
                (
                    "line 1: there is no line with the names of the columns. "
                    "Begin with a line of keys, for example: name,prompt,output"
                )
            ],
        ),
        ("name,,prompt\nx,y,z", ["line 1: column 2 has no name."]),
        (
            "\nname,name,vars.\nx",
            ["line 2: there are two columns 'name'.", "line 2: column 3 has no name."],
        ),
        (
            "vars,vars.a\nx,y",
            [f"line 1: there are two columns, 'vars' and 'vars.a'.{KEEP}"],
        ),
        ("name;prompt\nx;y", ["line 1: the columns are not separated by commas."]),
        (
            'name\n"x\ny"\nz,w',
            [
                (
                    "line 4: has 2 cells, but the first line has 1. "
                    "Put a text with separators in double quotes."
                )
            ],
        ),
        ('name,prompt\na,b\nc,"d', ["line 3: cannot be read: unexpected end of data."]),
        ('name\n"x" y', ["line 2: cannot be read: ',' expected after '\"'."]),
        ('name,params\nx,"{""a"": 1, ""a"": 2}"', [f"line 2: 'params.a' stands twice.{KEEP}"]),
    ],
)
def test_a_table_that_cannot_be_read_is_told_by_line(text, expected):
    assert mistakes(text, "csv") == expected


def test_empty_manifests_describe_nothing():
    for text, format in [("", "jsonl"), ("# none\n", "txt"), ("name\n", "csv"), ("[]", "json")]:
        assert entries(text, format) == []


@pytest.mark.parametrize(
    ("format", "text", "expected"),
    [
        ("toml", "x = \n", ["line 1: is not TOML: invalid value."]),
        (
            "toml",
            "a = 1\n[b",
            ["line 2: is not TOML: expected ']' at the end of a table declaration."],
        ),
        (
            "toml",
            "[[assets]]\nname = 'a'\nname = 'b'",
            ["line 3: is not TOML: stands there twice."],
        ),
        ("toml", "x = " + "9" * 5000, [f"TOML: has a number with too many digits.{QUOTES}"]),
        ("toml", "x = " + "[" * 5000, ["TOML: is nested too deep."]),
        ("json", '{\n"a": ]', ["line 2: is not JSON: expecting value at column 6."]),
        ("json", "", ["line 1: is not JSON: expecting value at column 1."]),
        ("json", '{"a\n": 1}', ["line 1: is not JSON: invalid control character at column 4."]),
        ("json", "[" * 100_000, ["line 1: is nested too deep."]),
        ("json", "[" + "9" * 5000 + "]", ["line 1: has a number with too many digits."]),
        (
            "jsonl",
            '{"a": 1}\n{"a"\n[1]\n{]\n{"b": 2}',
            [
                "line 2: is not JSON: expecting ':' delimiter at column 5.",
                f"line 3: is not a table.{KEYS}",
                (
                    "line 4: is not JSON: "
                    "expecting property name enclosed in double quotes at column 2."
                ),
            ],
        ),
        ("yaml", "a: b: c", ["line 1: mapping values are not allowed in this context."]),
        ("yaml", "assets:\n- [", ["line 3: did not find expected node content."]),
        (
            "yaml",
            "a: \0",
            ["YAML: unacceptable character #x0000: control characters are not allowed."],
        ),
        ("yaml", "- " * 50_000, ["line 1: is nested too deep."]),
        ("yaml", "[" * 1_000_000, ["line 1: is nested too deep."]),
        (
            "yaml",
            "assets: []\n---\nassets: []",
            ["line 2: a second document begins. Make it a file of its own."],
        ),
        ("yaml", "assets: *all", ["line 1: there is nothing that *all could stand for."]),
        ("yaml", "assets: &all [*all]", ["line 1: there is nothing that *all could stand for."]),
    ],
)
def test_what_cannot_be_parsed_is_told_by_line(format, text, expected):
    assert mistakes(text, format) == expected


@pytest.mark.parametrize(
    ("format", "text", "expected"),
    [
        ("json", '{"asset": []}', ["top level: there is no key 'asset'. Did you mean 'assets'?"]),
        (
            "toml",
            "[default]\n[[assets]]",
            ["top level: there is no key 'default'. Did you mean 'defaults'?"],
        ),
        ("toml", "[assets]", [f"top level: {NO_LIST}"]),
        ("toml", "", [f"top level: {NO_LIST}"]),
        ("yaml", "", [f"top level: {NEITHER}"]),
        ("json", "3", [f"top level: {NEITHER}"]),
        (
            "json",
            '{"assets": [], "vars": [], "defaults": 1}',
            ["top level: 'defaults' is not a table.", "top level: 'vars' is not a table."],
        ),
        (
            "json",
            '[{}, 1, "x"]',
            [f"asset 2: is not a table.{KEYS}", f"asset 3: is not a table.{KEYS}"],
        ),
        ("json", '{"assets": [], "assets": []}', [f"top level: 'assets' stands twice.{KEEP}"]),
        (
            "json",
            '[{"a": 1, "a": 2, "b": {"c": 1, "c": 1, "c": 1}}]',
            [f"asset 1: 'a' stands twice.{KEEP}", f"asset 1: 'b.c' stands twice.{KEEP}"],
        ),
        ("jsonl", '{"a": 1, "a": 2}', [f"line 1: 'a' stands twice.{KEEP}"]),
        (
            "json",
            '[{"a": NaN, "b": [1, -Infinity, 1e999]}]',
            [
                f"asset 1: 'a' is not a finite number.{QUOTES}",
                f"asset 1: 'b.2' is not a finite number.{QUOTES}",
                f"asset 1: 'b.3' is not a finite number.{QUOTES}",
            ],
        ),
        (
            "json",
            '[{"a": ' + "[" * 40 + "]" * 40 + "}]",
            ["asset 1: 'a" + ".1" * 29 + "....' is nested too deep."],
        ),
        (
            "toml",
            "[vars]\nday = 2026-01-02\n[[assets]]\nat = 10:00:00\n[defaults]\nx = inf",
            [
                f"defaults: 'x' is not a finite number.{QUOTES}",
                f"vars: 'day' is a date.{QUOTES}",
                f"asset 1: 'at' is a time.{QUOTES}",
            ],
        ),
        (
            "yaml",
            "- name: a\n  name: b\n- day: 2026-01-02\n  at: 2026-01-02T03:04:05Z",
            [
                f"line 2: the key 'name' stands twice.{KEEP}",
                f"line 3: '2026-01-02' is a date.{QUOTES}",
                f"line 4: '2026-01-02T03:04:05Z' is a date.{QUOTES}",
            ],
        ),
        (
            "yaml",
            "- 1: a\n  true: b\n  ? [x]\n  : c\n  ~: d",
            [
                f"line 1: has a key that is not a text.{QUOTES}",
                f"line 2: has a key that is not a text.{QUOTES}",
                f"line 3: has a key that is not a text.{QUOTES}",
                f"line 5: has a key that is not a text.{QUOTES}",
            ],
        ),
        (
            "yaml",
            "- a: .nan\n  b: !!set {x}\n  c: !!binary aGk=\n  d: !!python/name:os.system x",
            [
                f"line 2: has the tag 'tag:yaml.org,2002:set'.{TAG}",
                f"line 3: has the tag 'tag:yaml.org,2002:binary'.{TAG}",
                f"line 4: has the tag 'tag:yaml.org,2002:python/name:os.system'.{TAG}",
                f"asset 1: 'a' is not a finite number.{QUOTES}",
            ],
        ),
        ("yaml", "- a: " + "9" * 5000, [f"line 1: has a number with too many digits.{QUOTES}"]),
        ("yaml", "- <<: 3", ["line 1: '<<' takes a table, or a list of tables."]),
    ],
)
def test_every_mistake_is_told_at_once(format, text, expected):
    assert mistakes(text, format) == expected


def test_very_many_mistakes_are_counted_and_the_first_are_told():
    with pytest.raises(UsageError) as caught:
        read("[]\n" * 1234, "jsonl")

    assert caught.value.message == "Standard input has 1,234 mistakes."
    assert caught.value.details[99:] == [
        f"line 100: is not a table.{KEYS}",
        "And 1,134 more.",
    ]


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("16:9", "16:9"),
        ("no", "no"),
        ("true", True),
        ("007", "007"),
        ("1_000", "1_000"),
        ("-12", -12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("0.5", 0.5),
        ("~", None),
        ("'true'", "true"),
        ('"12"', "12"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("|\n   two\n   lines\n", "two\nlines\n"),
    ],
)
def test_plain_yaml_is_read_as_yaml_1_2_reads_it(plain, value):
    ((_, values),) = entries(f"- key: {plain}", "yaml")

    assert values == {"key": value}
    assert type(values["key"]) is type(value)


def test_anchors_and_merges_of_yaml_work():
    text = """
assets:
- &fox {prompt: a fox, size: wide, tags: &tags [x]}
- <<: *fox
  size: tall
- <<: [{size: square}, *fox]
  alt: a hare
- tags: *tags
"""

    assert [values for _, values in entries(text, "yaml")[1:]] == [
        {"prompt": "a fox", "size": "tall", "tags": ["x"]},
        {"prompt": "a fox", "size": "square", "tags": ["x"], "alt": "a hare"},
        {"tags": ["x"]},
    ]


def test_a_quoted_sign_for_merging_is_a_key_like_others():
    assert entries('- "<<": {a: 1}', "yaml") == [("asset 1", {"<<": {"a": 1}})]


def test_a_mistake_in_what_aliases_share_is_told_once():
    assert mistakes("- a: &a {x: .nan}\n- a: *a\n- a: *a\n", "yaml") == [
        "asset 1: 'a.x' is not a finite number. Put it in quotes."
    ]


@pytest.mark.parametrize("start", ["[x, x]", "{k: x}"])
def test_aliases_that_grow_without_end_are_refused(start):
    lines = [f"- &a0 {start}"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    assert mistakes("\n".join(lines), "yaml") == [
        "line 7: aliases stand for more values than a manifest can have."
    ]


def test_merges_that_grow_without_end_are_refused():
    lines = ["- &a0 {k: x}"]
    lines += [f"- &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 10)]

    assert mistakes("\n".join(lines), "yaml") == [
        "line 7: aliases stand for more values than a manifest can have."
    ]


def test_a_file_is_named_and_its_folder_is_absolute(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "assets.JSONL").write_bytes(b'\xef\xbb\xbf{"prompt": "caf\xc3\xa9"}\r\n')
    monkeypatch.chdir(tmp_path)

    manifest = read_manifest(Path("link/assets.JSONL"), None, None)

    assert manifest.name == "assets.JSONL"
    assert manifest.folder == tmp_path / "link"
    assert manifest.entries == [Entry({"prompt": "café"}, "line 1")]
    (tmp_path / "real" / "assets.JSONL").write_text("[]")
    assert refused(Path("link/assets.JSONL"), None, None).message == "assets.JSONL has 1 mistake."


def test_standard_input_is_named_and_starts_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    manifest = read_manifest(None, "txt", piped("a fox"))

    assert (manifest.name, manifest.folder) == ("standard input", tmp_path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_ending_names_the_format_unless_it_is_given(tmp_path, ending):
    file = tmp_path / f"assets{ending}"
    file.write_text(
        {"csv": "name", "tsv": "name", "toml": "assets = []"}.get(ENDINGS[ending], "[]")
    )

    if ENDINGS[ending] not in {"txt", "jsonl"}:
        assert read_manifest(file, None, None).entries == []
    file.write_text("a fox")
    assert len(read_manifest(file, "txt", None).entries) == 1


def test_a_format_that_is_not_known_is_refused(tmp_path):
    hint = "Give --format with one of toml, yaml, json, jsonl, csv, tsv, txt."
    error = refused(tmp_path / "a.xml", None, None)

    assert error.message == (
        f"The name of the manifest does not end in a format that mai reads: {tmp_path}/a.xml"
    )
    assert error.hint == f"End it in {', '.join(ENDINGS)}, or name the format with --format."
    error = refused(None, None, piped("x"))
    assert error.message == "The format of a manifest from standard input is not known."
    assert error.hint == hint
    error = refused(None, "xml", piped("x"))
    assert error.message == "mai does not know the manifest format 'xml'."
    assert error.hint == hint


def test_standard_input_is_named_where_it_is_not_text():
    stdin = TextIOWrapper(BytesIO(b"a fox\ncaf\xe9"))
    message = "The manifest in standard input is not UTF-8 text: line 2."
    assert refused(None, "txt", stdin).message == message


@pytest.mark.parametrize("stdin", [Terminal(), None])
def test_a_terminal_or_a_closed_input_is_not_waited_for(stdin):
    assert refused(None, "txt", stdin).message == (
        "'-' reads the manifest from standard input, which is a terminal or closed."
    )


def test_what_is_no_readable_file_is_refused(tmp_path):
    missing = tmp_path / "missing.toml"
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()

    assert refused(missing, None, None).message == (
        f"The manifest {missing} cannot be read: No such file or directory."
    )
    for name in ("pipe.toml", "folder.toml"):
        error = refused(tmp_path / name, None, None)
        assert error.message == f"The manifest is not a file: {tmp_path / name}"
    assert (
        refused(Path("/dev/null"), "txt", None).message == "The manifest is not a file: /dev/null"
    )
    assert refused(Path("a\0.toml"), None, None).message == "'a\0.toml' is not a file name."


def test_a_manifest_that_is_too_large_or_in_another_encoding_is_refused(tmp_path):
    file = tmp_path / "assets.txt"
    file.write_bytes(b"a fox\na caf\xe9")
    error = refused(file, None, None)
    assert error.message == f"The manifest {file} is not UTF-8 text: line 2."
    assert error.hint == "Save it as UTF-8."
    file.write_bytes(b"x" * (MAX_BYTES + 1))
    error = refused(file, None, None)
    assert error.message == f"The manifest {file} is larger than 16 MB."


@given(data=st.binary() | st.text().map(str.encode), format=st.sampled_from(FORMATS))
@settings(deadline=None)
def test_no_text_ends_in_anything_but_a_manifest_or_a_usage_error(data, format):
    with suppress(UsageError):
        assert all(isinstance(entry.values, dict) for entry in read(data, format).entries)


@given(top=anything, format=st.sampled_from(["json", "yaml", "jsonl"]))
@settings(deadline=None)
def test_nothing_that_can_be_written_ends_in_a_crash(top, format):
    text = yaml.safe_dump(top) if format == "yaml" else json.dumps(top)
    with suppress(UsageError):
        read(text, format)


@given(table=st.dictionaries(plain_text, plain))
@settings(deadline=None, max_examples=50)
def test_json_is_read_as_json_reads_it_and_as_yaml_reads_it(table):
    text = json.dumps([table], ensure_ascii=False)

    assert entries(text, "json") == entries(text, "yaml") == [("asset 1", table)]
