"""Tables as spreadsheets, R and pandas write them are read as they were meant, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from damrep.autoencoder.tables import Table, read_table
from damrep.graph.data.files import read_features, read_labels
from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def reader(content: str | bytes, name: str = "t.csv", **options: Any) -> Table:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, **options)

    return reader


GERMAN = "sep=;\r\nOrt;Größe;Preis;\r\nBonn;1,5;1.234,50;\r\nKöln;2,25;999,00;\r\n;;;\r\n;;;\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_an_export_of_a_spreadsheet_in_german(read: Any, encoding: str) -> None:
    told = Dialect(encoding="cp1252") if encoding == "cp1252" else None
    table = read(GERMAN.encode(encoding), dialect=told)
    assert table.values.tolist() == [[1.5, 1234.5], [2.25, 999]]
    assert table.columns == ("Größe", "Preis") and table.row_ids.tolist() == ["Bonn", "Köln"]
    assert table.notes == (
        "numbers were read with a decimal comma",
        "2 rows were left out at the end, as nothing is in them",
        "column 'Preis': '1.234,50' was read as 1234.5",
        "column 'Ort' was taken for the names of the rows",
    )
    if encoding == "cp1252":
        with pytest.raises(InputError, match="name its encoding, such as latin-1"):
            read(GERMAN.encode(encoding))


@pytest.mark.parametrize(
    "text",
    [
        "a;b;\n1;2;\n3;4;\n",
        "a;b\n1;2;\n3;4;\n",
        "a,b,,,\n1,2,,,\n3,4,,,\n",
        "a;b\n1;2\n3;4\n;\n\n;\n",
        '"a","b"\n"1","2"\n"3","4"\n',
        '"a", "b"\n"1", "2"\n"3" , "4"\n',
        ',a,b\n0,1,2\n1,3,4\n',
        "Unnamed: 0,a,b\n0,1,2\n1,3,4\n",
        "a,b\n\n1,2\n\n\n3,4\n\n",
        "a\tb\n1\t2\n3\t4\n",
        "a b\n1 2\n3 4\n",
    ],
)  # fmt: skip
def test_the_same_table(read: Any, text: str) -> None:
    table = read(text)
    assert table.values.tolist() == [[1, 2], [3, 4]] and table.columns == ("a", "b")


def test_a_table_that_r_wrote(read: Any) -> None:
    for names, ids in (('"1"', '"2"'), [1, 2]), (('"x y"', '"z"'), ["x y", "z"]):
        table = read(f'"a" "b"\n{names[0]} 5 6\n{names[1]} 7 8\n', "t.txt")
        assert table.values.tolist() == [[5, 6], [7, 8]]
        assert table.columns == ("a", "b") and table.row_ids.tolist() == ids


def test_a_name_over_two_lines_is_one_name(read: Any) -> None:
    table = read('"height\n(cm)","b"\n1,2\n3,4\n')
    assert table.columns == ("height (cm)", "b") and table.values.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,height\n,cm\nx,1\ny,2\n", "column 'height', line 2 is 'cm'; expected a number"),
        ("Sales 2024\n\nname;a\nx;1\n", "column 'Sales 2024', line 3 is 'name;a'"),
        ("Sales 2024;;\nname;a;b\nx;1;2\ny;3;4\n", "line 2 is 'a'; expected a number"),
        ("a,b\n1,2\n,\n3,4\n", "column 'a', line 3 is empty"),
        ("a,b\n1,-\n2,3\n", "column 'b', line 2 is '-'; expected a number"),
        ("a,b\n1,NULL\n2,3\n", "column 'b', line 2 is 'NULL'; expected a number"),
        ("name;p\nx;12,50 €\ny;3,00 €\n", "column 'p', line 2 is '12,50 €'; expected a number"),
        ("a;b\n5-;2\n3;4\n", "column 'a', line 2 is '5-'"),
        ("a,b\n(5),2\n3,4\n", r"column 'a', line 2 is '\(5\)'"),
        ("value\n0,5\n1,5\n", "has 2 columns; the first row has 1; if the comma is"),
        (
            "a,b\n1,2,5\n2,3,5\n",
            "has 3 columns; the first row has 2; if the comma is",
        ),
        ("a,b", "a header and no rows"),
        ("a,b\n,\n", "a header and no rows"),
        ("naïve,b\n1,2\n".encode("latin-1"), "line 1 has the byte 0xef.*name its encoding"),
        ('"a,b"\n"1,2"\n"3,4"\n', "every line is between quotation marks as a whole"),
        ("a,b\n1,2\n".encode("utf-16-le"), "the encoding has to be named: utf-16-le"),
        ("year,a\n2001,1\n2002,2\nTotal,3\n", "column 'year', line 4 is 'Total'"),
    ],
)
def test_what_is_refused_in_one_line(read: Any, text: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_a_single_column_of_decimal_commas_has_a_way_in(read: Any) -> None:
    assert read("value\n0,5\n1,5\n", dialect=Dialect(decimal=",")).values.tolist() == [[0.5], [1.5]]


# -- a last row that adds up


@pytest.mark.parametrize("word", ["Total", "Summe", "Grand total", "average"])
def test_a_last_row_of_totals_is_left_out(read: Any, word: str) -> None:
    last = "3,4.5" if word == "average" else "9,13.5"
    table = read(f"name,a,b,kind\nr1,1,2.5,x\nr2,3,4.5,y\nr3,5,6.5,x\n{word},{last},\n",
                 label_column="kind")  # fmt: skip
    assert table.row_ids.tolist() == ["r1", "r2", "r3"]
    assert table.values.tolist() == [[1, 2.5], [3, 4.5], [5, 6.5]]
    assert table.labels.tolist() == [0, 1, 0]
    assert f"the last row, {word!r}, adds the others up and was left out" in table.notes


def test_a_last_row_that_does_not_add_up_stays_and_is_noted(read: Any) -> None:
    table = read("name,a\nr1,1\nr2,3\nTotal,5\n")
    assert table.row_ids.tolist() == ["r1", "r2", "Total"]
    assert "the last row is called 'Total' and was read as all others" in table.notes


def test_nodes_are_no_total(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("id,a,b\n1,5,2\n2,6,3\nTotal,11,5\n")
    features = read_features(tmp_path / "f.csv")
    assert features.ids is not None and features.ids.tolist() == [1, 2]
    assert features.values.tolist() == [[5, 2], [6, 3]]


# -- quotation marks


def test_a_quotation_mark_that_begins_a_title_swallows_no_rows(read: Any) -> None:
    rows = ["id\ttitle\tx", '1\t"Heroes\t5', "2\tb\t6", '3\t"Weird" Al\t8', '4\tend"\t9']
    table = read("\n".join(rows) + "\n", "t.tsv", columns=["x"])
    assert table.values.ravel().tolist() == [5, 6, 8, 9] and table.row_ids.tolist() == [1, 2, 3, 4]
    # Far behind what is looked at to find out how the file is written.
    many = ["id\ttitle\tx", *(f"{i}\tt{i}\t{i}.5" for i in range(20_000))]
    many[15_000] = '14999\t"Heroes\t7.25'
    many[16_000] = '15999\tthe end"\t8.25'
    table = read("\n".join(many) + "\n", "t.tsv", columns=["x"])
    assert len(table.values) == 20_000 and table.values[14_999, 0] == 7.25


def test_cells_of_several_lines_stay_cells(read: Any) -> None:
    text = (
        'id,text,x\n1,"# Title\nbody, ""more""\n\n# end",5\n'
        '2,"ok\n# another",7\n# a comment\n3,x,9\n'
    )
    table = read(text, columns=["x"])
    assert table.values.ravel().tolist() == [5, 7, 9] and table.row_ids.tolist() == [1, 2, 3]
    assert "1 line was passed over as comments" in table.notes


def test_cells_of_several_lines_across_chunks(read: Any) -> None:
    body = "\n# a line that looks like a comment" * 40
    text = "id,text,x\n" + "".join(f'{i},"{body}",{i}.5\n' for i in range(15_000))
    table = read(text, columns=["x"])
    assert table.values.ravel().tolist() == [i + 0.5 for i in range(15_000)]


# -- what is no table, or no column of names


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"PK\x03\x04\x14\0", "a zip archive or a spreadsheet (.xlsx); save it as .csv"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\0", "a spreadsheet (.xls)"),
        (b"\x1f\x8b\x08\0", "packed by gzip; its name has to end in .gz"),
        (b"PAR1\x15\x04\0", "parquet; its name has to end in .parquet"),
        (b"\n<!DOCTYPE html>\n<html><body>Log in</body></html>", "a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "a pointer to a file of Git LFS",
        ),
    ],
)
def test_files_of_another_kind_are_named(read: Any, start: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(start)
    assert f"t.csv: no table in text but {message}" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "cells", "taken"),
    [
        ("a,sample_id", "1,{i}\n", "sample_id"),
        ("a,customerId", "1,{i}\n", "customerId"),
        ("a,userid", "1,u{i}\n", "userid"),
        ("a,paid", "1,{i}\n", None),
        ("a,acid", "1,{i}\n", None),
        ("a,case_id", "1,{i}.5\n", None),
        ("a,sample_id", "1,7\n", None),
    ],
)
def test_which_column_names_the_rows(read: Any, names: str, cells: str, taken: str | None) -> None:
    table = read(f"{names}\n" + "".join(cells.format(i=i * i + 3) for i in range(5)))
    assert table.id_column == taken


def test_one_cell_a_line_may_have_commas_between_its_marks(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text('"Doe, J"\n"Roe, R"\n')
    assert list(read_labels(tmp_path / "l.txt").values) == ["Doe, J", "Roe, R"]


# -- labels


@pytest.mark.parametrize(
    ("text", "labels", "note"),
    [
        ("id,label\n1,nan\n2,0\n3,1\n", [None, 0, 1], None),
        ("id,label\n1,1.0\n2,0.0\n3,\n", [1, 0, None], None),
        ("id,label\n1,NA\n2,red\n3,\n", ["NA", "red", None], "'NA' was read as a class"),
        ("id,label\n1,007\n2,010\n3,\n", ["007", "010", None], None),
        ("id,label\n1,1.000e+00\n2,0.000e+00\n3,\n", [1, 0, None], None),
        ("label,id\nx,1\ny,2\nx,3\n", ["x", "y", "x"], None),
        ("id,age,label\n1,5,x\n2,6,y\n3,7,\n", ["x", "y", None], None),
    ],
)  # fmt: skip
def test_labels(tmp_path: Path, text: str, labels: list[Any], note: str | None) -> None:
    (tmp_path / "l.csv").write_text(text)
    read = read_labels(tmp_path / "l.csv")
    assert list(read.values) == labels and read.ids is not None and read.ids.tolist() == [1, 2, 3]
    assert note is None or any(one.startswith(note) for one in read.notes)
