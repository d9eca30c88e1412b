"""Only what differs is named, by its dotted name, with both values."""

from cystgrid.differences import ABSENT, Difference, differences, flat, sides

ONE = {"training": {"epochs": 4, "seed": 0, "patience": None}, "classes": ["low", "high"]}


def test_names_are_dotted_and_values_are_words():
    assert flat(ONE) == [
        ("training.epochs", "4"),
        ("training.seed", "0"),
        ("training.patience", "none"),
        ("classes", "low, high"),
    ]


def test_equal_settings_do_not_differ_whatever_holds_them():
    assert differences(ONE, {**ONE, "classes": ("low", "high")}) == []


def test_only_what_differs_is_named():
    other = {"training": {"epochs": 5, "seed": 0, "patience": None}, "search": {}}
    found = differences(ONE, other)
    assert found == [
        Difference("training.epochs", "4", "5"),
        Difference("classes", "low, high", ABSENT),
        Difference("search", ABSENT, "none"),
    ]
    assert sides(found[:1]) == ("training.epochs = 4", "training.epochs = 5")


def test_values_that_read_alike_are_told_apart():
    assert differences({"weights": None}, {"weights": "none"}) == [
        Difference("weights", "None", "'none'")
    ]


def test_many_differences_are_counted():
    one, other = ({str(n): n + shift for n in range(9)} for shift in (0, 1))
    assert sides(differences(one, other))[0].endswith("4 = 4, and 4 more")
