"""What an experiment may be called."""

import pytest

from motion_inversion.error import InputError
from motion_inversion.storage.names import check_name


@pytest.mark.parametrize("name", ["a", "table1", "a/b", "my study (2)", "实验", "…a", "v1.2", "a~b"])
def test_a_folder_below_output(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "../x", "a/../../x", "/abs", "~", "~/x", "~root/x", "a//b", "a/", ".", "..", "a/.", "a/..", "a\0b",
     "a\nb", " a", "a ", "x" * 101, "é" * 51, "a/" + "x" * 200, "...", "\x7f"],
)  # fmt: skip
def test_what_leaves_it_or_is_no_name(name: str) -> None:
    with pytest.raises(InputError, match=r"^name.*set name=my_experiment"):
        check_name(name)
