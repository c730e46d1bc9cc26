from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.readers import DataError
from model.readers.pickled_arrays import read_sequences


def ragged(rows: list[Any]) -> np.ndarray[Any, Any]:
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


def save(path: Path, array: Any) -> Path:
    np.savez(path, x=array)
    return path


def save_pickle(path: Path, content: bytes) -> Path:
    """An object array's header, and behind it what the caller likes."""
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    np.lib.format.write_array_header_1_0(stream, header)
    return save_member(path, stream.getvalue() + content)


def save_member(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", content)
    return path


class Call:
    """Pickled, it asks the reader to call a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


@pytest.mark.parametrize(
    "array",
    [
        ragged([[1, 2, 3], [], [2**40]]),
        ragged([np.array([1, 2, 3], np.int32), np.array([], np.uint8), np.array([2**40], ">i8")]),
        ragged([[np.int64(1), np.int16(2), np.uint8(3)], [], [np.int64(2**40)]]),
    ],
)
def test_ragged_integers_are_read(tmp_path: Path, array: Any) -> None:
    assert read_sequences(save(tmp_path / "a.npz", array), "x") == [[1, 2, 3], [], [2**40]]


@pytest.mark.parametrize("dtype", [object, np.int32, ">i8"])
def test_rows_of_equal_length_are_read(tmp_path: Path, dtype: Any) -> None:
    path = save(tmp_path / "a.npz", np.array([[1, 2], [3, 4], [5, 6]], dtype))
    assert read_sequences(path, "x") == [[1, 2], [3, 4], [5, 6]]


def test_arrays_that_numpy_1_pickled_are_read(tmp_path: Path) -> None:
    content = pickle.dumps(ragged([[1, 2], [3]]), protocol=3)
    old = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != content
    assert read_sequences(save_pickle(tmp_path / "a.npz", old), "x") == [[1, 2], [3]]


@given(st.lists(st.lists(st.integers(-(2**70), 2**70), max_size=5), max_size=5))
def test_what_numpy_saves_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]]
) -> None:
    path = save(tmp_path_factory.mktemp("npz") / "a.npz", ragged(rows))
    assert read_sequences(path, "x") == rows


def test_a_pickle_that_asks_for_more_than_arrays_is_refused_and_not_run(tmp_path: Path) -> None:
    target = tmp_path / "written"
    for hostile in (
        Call(Path.touch, target),
        Call(exec, f"open({str(target)!r}, 'w')"),
        Call(np.load, str(target), None, True),
        Call(getattr, "", "join"),
    ):
        for array in (ragged([[1], hostile]), ragged([[1, [hostile]]])):
            path = save(tmp_path / "a.npz", array)
            with pytest.raises(
                DataError, match=r"a\.npz: x: can't be read: asks for \S+, which is"
            ):
                read_sequences(path, "x")
    assert not target.exists()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (pickle.dumps([1, 2]), "the pickle is no array"),
        (pickle.dumps(ragged([[1]]))[:-5], "can't be read"),
        (b"", "can't be read"),
        (b"no pickle", "can't be read"),
        (pickle.dumps(ragged([np.array([1.5])])), "arrays must be of integers or of lists"),
        (pickle.dumps(ragged([np.zeros((2, 2, 2), int)])), "arrays must have one dimension"),
        (pickle.dumps(np.array(1, object)), "arrays must have one dimension"),
    ],
)
def test_a_pickle_that_is_no_list_of_integers_is_named(
    tmp_path: Path, content: bytes, rule: str
) -> None:
    with pytest.raises(DataError, match=rule) as caught:
        read_sequences(save_pickle(tmp_path / "a.npz", content), "x")
    assert "a.npz: x: " in str(caught.value)


@pytest.mark.filterwarnings("ignore:Reading .* created on Python 2:UserWarning")
@settings(max_examples=300)
@given(st.data())
def test_a_changed_array_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    stream = io.BytesIO()
    np.save(stream, ragged([[1, 2, 300], [4], np.array([7, 8]), [np.int64(9)]]))
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = save_member(tmp_path_factory.mktemp("npz") / "a.npz", bytes(content))
    with contextlib.suppress(DataError):
        assert isinstance(read_sequences(path, "x"), list)


def test_an_array_larger_than_memory_is_named(tmp_path: Path) -> None:
    stream = io.BytesIO()
    header = {"descr": "|i1", "fortran_order": False, "shape": (2**50,)}
    np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(DataError, match=r"a\.npz: x: can't be read: Unable to allocate"):
        read_sequences(save_member(tmp_path / "a.npz", stream.getvalue()), "x")


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "imdb.npz"
    path.write_bytes(b"plain")
    with pytest.raises(DataError, match=r"imdb\.npz: x: can't be read: File is not a zip file"):
        read_sequences(path, "x")


def test_a_missing_file_and_a_missing_array_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"imdb\.npz: x: can't be read: .*No such file"):
        read_sequences(tmp_path / "imdb.npz", "x")
    with pytest.raises(DataError, match=r"a\.npz: has no array 'x_train'"):
        read_sequences(save(tmp_path / "a.npz", [1]), "x_train")


@pytest.mark.parametrize("content", [b"no array", b"\x93NUMPY\x09\x00"])
def test_a_member_that_is_no_array_is_named(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.npz: x: can't be read: "):
        read_sequences(save_member(tmp_path / "a.npz", content), "x")
