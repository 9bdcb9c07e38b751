"""coursekit's tools, each seen doing its work and refusing what it must."""

import json

import coursekit
import coursekit.exercises
import numpy as np
import pytest
from coursekit import checking, claims, data, difference, display, paths
from coursekit.checking import Exercise, Refused, Wrong, judge
from coursekit.quizzes import Question


def double(x):
    return 2 * x


def only_positive(answer, x):
    if x.min() < 0:
        raise Refused("no negative numbers please")
    return answer(x)


DOUBLE = Exercise(
    id="99.1",
    task="Double it.",
    reference=double,
    wrong=(
        Wrong(lambda x: x + 2, "times, not plus"),
        Wrong(lambda x: x.sum(), "keep the rank"),
        Wrong(lambda x: x.no_such_thing, "arrays have no such thing"),
    ),
    hints=("first hint", "second hint", "third hint"),
    shows="Doubling is linear.",
    cases=lambda rng: [(rng.random(n, dtype=np.float32),) for n in (2, 3)],
)
ASKED = Question(
    "q99.1", "Is 1 < 2?", {"a": ("yes", "It is."), "b": ("no", "Count again.")}, "a"
)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """A lesson 99 of our own, and nobody's earlier attempts."""
    monkeypatch.setattr(coursekit.exercises, "exercise", lambda id: DOUBLE)
    monkeypatch.setattr(coursekit.exercises, "question", lambda id: ASKED)
    monkeypatch.setattr(coursekit.checking, "_attempts", {})


@pytest.fixture
def state(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSEKIT_STATE", str(tmp_path))
    return tmp_path


# -- check and hint --------------------------------------------------------------------


def empty(x): ...


def documented(x):
    """Nothing here yet."""


def unfinished(x):
    y = ...
    return y * x


@pytest.mark.parametrize(
    "answer", [..., None, (1, ...), empty, documented, unfinished, lambda x: ...]
)
def test_an_unsolved_exercise_prints_one_stable_line(answer, capsys):
    coursekit.check("99.1", answer)
    assert capsys.readouterr().out == (
        '99.1: not attempted yet. Double it. hint("99.1") helps.\n'
    )


def test_an_empty_body_is_a_stub_even_where_a_wrapped_run_gives_something():
    wrapped = Exercise(**{**vars(DOUBLE), "run": lambda answer, x: [answer(x), x]})
    assert judge(wrapped, empty).status == "not attempted"
    assert judge(wrapped, lambda x: x).status == "wrong"


def test_a_right_answer_says_what_it_shows(capsys):
    assert coursekit.check("99.1", lambda x: x + x) is None
    assert capsys.readouterr().out == "99.1: right. Doubling is linear.\n"


def test_a_wrong_answer_gets_the_first_failing_case_and_its_own_hint(capsys):
    coursekit.check("99.1", lambda x: 2 + x)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "99.1: not yet."
    assert [line.split()[0] for line in lines[1:5]] == [
        "case",
        "why",
        "expected",
        "got",
    ]
    assert lines[-1] == "Hint 1 of 3: times, not plus"


def test_hints_go_on_with_each_attempt_and_start_again_for_a_new_mistake(capsys):
    for answer in (double_plus_one, double_plus_one, double_plus_one, sum_of):
        coursekit.check("99.1", answer)
    hints = [x for x in capsys.readouterr().out.splitlines() if x.startswith("Hint")]
    assert hints == [
        "Hint 1 of 3: first hint",
        "Hint 2 of 3: second hint",
        "Hint 3 of 3: third hint",
        "Hint 1 of 3: keep the rank",
    ]


def double_plus_one(x):
    return 2 * x + 1


def sum_of(x):
    return x.sum()


def test_hint_unfolds_one_more_each_time(capsys):
    for _ in range(4):
        coursekit.hint("99.1")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Hint 1 of 3 for 99.1: first hint"
    assert said[2] == said[3] == "Hint 3 of 3 for 99.1: third hint"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda x: x.sum(), "the rank is 0 where 1 was expected"),
        (lambda x: x[:1], "the shape is (1,) where (2,) was expected"),
        (lambda x: (2 * x).astype(np.float64), "the dtype is float64 where float32"),
        (lambda x: x, "2 of 2 values differ"),
        (lambda x: print(end=""), "not None (is a return missing?)"),
        (lambda x: 1 / 0, "it raised ZeroDivisionError: division by zero"),
        (lambda x: x.__setitem__(0, 9) or 3 * x, "values differ"),
    ],
)
def test_rank_and_dtype_come_before_values(answer, why):
    verdict = judge(DOUBLE, answer)
    assert verdict.status == "wrong"
    assert why in verdict.report


def test_what_is_no_function_is_told_so_before_it_is_run(capsys):
    coursekit.check("99.1", 2 * 21)
    said = capsys.readouterr().out
    assert "a function was expected, not a value of type int: give its name" in said


def test_what_an_answer_prints_is_shown_for_the_failing_case_alone(capsys):
    coursekit.check("99.1", lambda x: print("looking at", len(x)))
    assert capsys.readouterr().out.count("looking at") == 1


def test_another_error_of_the_same_type_is_another_mistake():
    wrong = DOUBLE.wrong[2]
    assert judge(DOUBLE, lambda x: x.no_such_thing).mistake is wrong
    assert judge(DOUBLE, lambda x: x.other_thing).mistake is None


def test_an_exercise_may_tell_its_cases_in_its_own_words():
    told = Exercise(**{**vars(DOUBLE), "tell": lambda x: f"{len(x)} numbers"})
    assert "case      2 numbers\n" in judge(told, sum_of).report
    assert checking.tell({"a": 1}, (2, 3)) == "{a: 1}, (2, 3)"


def test_the_entry_that_differs_is_named_but_not_what_it_should_be():
    assert difference.difference([1, 3], [1, 2], 0) == "entry 2 of 2: it differs"
    assert difference.difference({"a": 1}, {"a": 2}, 0) == "a: it differs"
    shapes = [(3,), (4, 2)], [(3,), (4, 1)]
    assert difference.difference(*shapes, 0) == "entry 2 of 2: it differs"
    assert difference.difference({"a", "b"}, {"b", "c", "d"}, 0) == (
        "1 too many, 2 missing"
    )


def test_values_are_described_as_they_are_written():
    value = [(3,), (4, 1), {"b", "a"}, {}, set()]
    assert difference.describe(value) == "[(3,), (4, 1), {'a', 'b'}, {}, set()]"


def test_letters_in_a_list_are_told_to_be_a_set():
    for answer, got in (["a", "d"], "list"), ("ad", "str"):
        problem = difference.difference(answer, {"a", "d"}, 0)
        assert (
            problem
            == f'a set such as {{"a", "b"}} was expected, not a value of type {got}'
        )
    assert difference.difference({"a"}, {"a", "d"}, 0) == "1 missing"


def test_an_answer_cannot_change_the_case_it_is_judged_on():
    def spoils(x):
        y = 2 * x
        x[:] = 0
        return y

    assert judge(DOUBLE, spoils).status == "right"


def test_breaking_the_rule_of_an_exercise_is_said_in_its_own_words():
    strict = Exercise(
        **{**vars(DOUBLE), "run": only_positive, "cases": lambda rng: [(np.ones(2),)]}
    )
    assert judge(strict, double).status == "right"
    negative = Exercise(**{**vars(strict), "cases": lambda rng: [(-np.ones(2),)]})
    with pytest.raises(Refused):  # the reference itself must not break the rule
        judge(negative, double)


def test_a_value_exercise_does_not_print_its_solution():
    count = Exercise(**{**vars(DOUBLE), "reference": 42, "cases": lambda rng: [()]})
    assert "42" not in judge(count, 41).report
    assert judge(count, 42.0).status == "right"


@pytest.mark.parametrize(
    ("got", "want"),
    [
        ("mul", "add"),
        (["a"], ("a", "b")),
        ({"x": 1}, {"y": 1}),
        ({1, 2}, {1, 3}),
        (object(), 1.0),
        ([1.0, 2.0], [1.0, 2.5]),
        (1, True),
    ],
)
def test_differences_of_plain_values_are_found(got, want):
    assert difference.difference(got, want, 1e-5)
    assert not difference.difference(want, want, 1e-5)


# -- quiz ------------------------------------------------------------------------------


def test_a_question_lists_its_options_and_every_option_is_explained(capsys):
    coursekit.quiz("q99.1")
    coursekit.quiz("q99.1", "B ")
    coursekit.quiz("q99.1", "a")
    coursekit.quiz("q99.1", "z")
    assert capsys.readouterr().out == (
        'q99.1  Is 1 < 2?\n  a) yes\n  b) no\nAnswer with quiz("q99.1", "a").\n'
        "q99.1  b) no\nNot so. Count again.\n"
        "q99.1  a) yes\nRight. It is.\n"
        "q99.1: choose one of a, b.\n"
    )


def test_code_in_questions_and_hints_is_set_as_code():
    assert display.marked("is `a < b`?") == "is <code>a &lt; b</code>?"


def test_a_question_is_escaped_html_without_scripts():
    html = coursekit.quizzes._ask(ASKED)._repr_html_()
    assert "Is 1 &lt; 2?" in html
    assert "<script" not in html


# -- claims ----------------------------------------------------------------------------


def test_a_claim_leaves_one_small_file(state, capsys):
    coursekit.claim("C16", "V", "2 ops ran", check=lambda: 1 + 1 == 2)
    stored = json.loads((state / "C16.json").read_text())
    assert stored == {"verdict": "V", "evidence": "2 ops ran"}
    assert [path.name for path in state.iterdir()] == ["C16.json"]
    assert capsys.readouterr().out == "C16: verified (V). 2 ops ran\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("C99", "V", "x", True), LookupError),
        (("C16", "Z", "x", True), ValueError),
        (("C16", "V", "x"), ValueError),
        (("C16", "X", "x"), ValueError),
        (("C19", "D", "x"), ValueError),
        (("C16", "V", "x", False), AssertionError),
        (("C16", "V", "x", lambda: np.bool_(False)), AssertionError),
    ],
)
def test_a_verdict_without_grounds_is_refused_and_not_recorded(state, arguments, error):
    with pytest.raises(error, match="claim"):
        coursekit.claim(*arguments)
    assert list(state.iterdir()) == []


def test_record_merges_the_runs_into_the_committed_file(state, monkeypatch, tmp_path):
    course = tmp_path / "course"
    course.mkdir()
    original = (paths.course() / "claims.toml").read_text(encoding="utf-8")
    (course / "claims.toml").write_text(original, encoding="utf-8")
    monkeypatch.setattr(paths, "course", lambda: course)
    before = claims.load()
    evidence = 'quotes " and \\ and ü'
    coursekit.claim("C19", "D", evidence, source="a paper", date="2019")
    assert claims.record() == ["C19"]
    assert claims.record() == []
    after = claims.load()
    assert after["C19"] == before["C19"] | {
        "verdict": "D", "evidence": evidence, "source": "a paper", "date": "2019",
    }  # fmt: skip
    assert {k: v for k, v in after.items() if k != "C19"} == {
        k: v for k, v in before.items() if k != "C19"
    }


def test_all_claims_are_listed_in_order():
    assert list(claims.load()) == [f"C{i}" for i in range(1, 42)]


# -- small helpers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 / 3, "0.3333"),
        (-0.0, "0"),
        (np.float32(1234567), "1.235e+06"),
        (7, "7"),
        (True, "True"),
        ([1.00001, -0.0], "[1, 0]"),
    ],
)
def test_numbers_are_rounded_in_one_way(value, text):
    assert coursekit.rounded(value) == text


def test_expect_error_prints_the_message_and_fails_without_one(capsys):
    with coursekit.expect_error(ZeroDivisionError):
        1 / 0  # noqa: B018
    assert capsys.readouterr().out == "ZeroDivisionError: division by zero\n"
    with pytest.raises(AssertionError, match="nothing was raised"):  # noqa: SIM117
        with coursekit.expect_error(ValueError):
            pass


def test_show_displays_once_and_returns_nothing(capsys):
    alt = "a picture of nothing at all"
    assert coursekit.show("<svg/>", alt=alt, text="nothing") is None
    assert capsys.readouterr().out == "nothing\n"


# -- data ------------------------------------------------------------------------------


def test_series_are_what_the_readme_says():
    years, spots = coursekit.load_sunspots()
    assert years.tolist() == list(range(1700, 2009))
    assert (spots[0], spots.max(), years[spots.argmax()]) == (5.0, 190.2, 1957)
    years, flow = coursekit.load_nile()
    assert years.tolist() == list(range(1871, 1971))
    assert (flow[0], flow.min()) == (1120.0, 456.0)


def test_names_are_what_the_readme_says():
    lists = coursekit.load_names()
    sizes = {label: len(names) for label, names in lists.items()}
    assert sizes == {"female": 4275, "male": 1219, "surname": 10000}
    assert [names[0] for names in lists.values()] == ["mary", "james", "smith"]
    assert all(name.isalpha() and name.islower() for n in lists.values() for name in n)


def test_digits_are_what_the_readme_says():
    images, labels = coursekit.load_digits()
    assert images.shape == (1797, 64)
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (0, 1)
    assert labels.dtype == np.int64
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(labels).tolist() == counts


def test_the_split_is_fixed_and_loses_nothing():
    x_train, y_train, x_test, y_test = coursekit.split_digits()
    assert (len(x_train), len(x_test)) == (1437, 360)
    assert np.array_equal(y_test, coursekit.split_digits()[3])
    rows = np.concatenate([x_train, x_test])
    images, _ = coursekit.load_digits()
    assert np.array_equal(np.sort(rows.sum(1)), np.sort(images.sum(1)))
    assert len(y_train) + len(y_test) == 1797


def test_damaged_data_is_refused(monkeypatch):
    monkeypatch.setitem(data.CHECKSUMS, "digits.csv.gz", "0" * 64)
    with pytest.raises(ValueError, match="damaged"):
        coursekit.load_digits()


def test_the_recorded_checksums_stand_in_the_readme():
    readme = (paths.course() / "data" / "README.md").read_text(encoding="utf-8")
    for name, digest in data.CHECKSUMS.items():
        assert name in readme
        assert digest in readme


def test_a_dict_is_described_by_its_keys():
    value = {"y": np.zeros(2), "done": True}
    assert difference.describe(value) == "y: (2,) float64 [0, 0]; done: True"
