import pickle

import pytest

from syscast.btf.types import Const, Member, Ptr, Struct, Void, Volatile


def test_equal_only_within_the_class():
    assert Ptr(1) == Ptr(1)
    assert Ptr(1) != Ptr(2)
    assert Const(1) != Volatile(1)
    assert Const(1) != 1
    assert len({Const(1), Const(1), Volatile(1)}) == 2


def test_keywords_and_defaults():
    assert Member("a", 1, bit_offset=8) == Member("a", 1, 8, 0)
    assert Struct(name="s", size=4, members=()).is_union is False


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        (("a", 1), {}),
        (("a", 1, 2, 3, 4), {}),
        (("a", 1, 2), {"name": "b"}),
        ((), {"x": 1}),
    ],
)
def test_wrong_arguments_are_refused(args, kwargs):
    with pytest.raises(TypeError, match="Member"):
        Member(*args, **kwargs)


def test_immutable():
    pointer = Ptr(1)
    with pytest.raises(AttributeError, match="no setter"):
        pointer.type_id = 2
    with pytest.raises(AttributeError, match="no deleter"):
        del pointer.type_id
    with pytest.raises(AttributeError):
        pointer.other = 2


def test_true_even_without_fields():
    assert Void()
    assert Void() == Void()


def test_pickles_and_matches_by_position():
    member = Member("a", 1, 2, 3)
    assert pickle.loads(pickle.dumps(member)) == member
    match member:
        case Member(name, type_id, 2, 3):
            assert (name, type_id) == ("a", 1)
        case _:
            pytest.fail("no match")


def test_repr_reads_as_code():
    assert repr(Member("a", 1, 2)) == "Member(name='a', type_id=1, bit_offset=2, bitfield_size=0)"
