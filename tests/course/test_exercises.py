"""Every exercise: the right answer passes, each mistake gets its own hint."""

import importlib

import pytest
from coursekit import paths
from coursekit.checking import judge

MODULES = sorted(
    p.stem for p in (paths.course() / "coursekit/exercises").glob("nb*.py")
)
LESSONS = [importlib.import_module(f"coursekit.exercises.{name}") for name in MODULES]
EXERCISES = [exercise for lesson in LESSONS for exercise in lesson.EXERCISES]
QUESTIONS = [question for lesson in LESSONS for question in lesson.QUESTIONS]
MISTAKES = [
    pytest.param(exercise, wrong, id=f"{exercise.id}-{number}")
    for exercise in EXERCISES
    for number, wrong in enumerate(exercise.wrong, 1)
]


def id_of(entry):
    return entry.id


@pytest.mark.parametrize("exercise", EXERCISES, ids=id_of)
def test_the_reference_answer_is_right(exercise):
    verdict = judge(exercise, exercise.reference)
    assert verdict.status == "right", verdict.report


@pytest.mark.parametrize(("exercise", "wrong"), MISTAKES)
def test_a_recorded_mistake_is_refused_with_its_own_hint(exercise, wrong):
    verdict = judge(exercise, wrong.answer)
    assert verdict.status == "wrong"
    assert verdict.mistake is wrong


@pytest.mark.parametrize("exercise", EXERCISES, ids=id_of)
def test_an_exercise_has_three_mistakes_and_no_hint_twice(exercise):
    hints = [wrong.hint for wrong in exercise.wrong] + list(exercise.hints)
    assert len(exercise.wrong) >= 3
    assert len(set(hints)) == len(hints)


@pytest.mark.parametrize("exercise", EXERCISES, ids=id_of)
def test_a_solved_exercise_can_show_its_picture(exercise):
    if exercise.picture is not None:
        assert exercise.picture(exercise.reference)._repr_html_()


@pytest.mark.parametrize("question", QUESTIONS, ids=id_of)
def test_a_question_explains_every_option(question):
    assert question.right in question.options
    explanations = [why for _, why in question.options.values()]
    assert all(len(why) >= 20 for why in explanations)
    assert len(set(explanations)) == len(explanations) >= 3


def test_ids_belong_to_their_lesson_and_are_unique():
    for lesson in LESSONS:
        number = lesson.__name__[-2:]
        ids = [task.id for task in lesson.EXERCISES]
        ids += [question.id.removeprefix("q") + "q" for question in lesson.QUESTIONS]
        assert all(id.startswith(f"{number}.") for id in ids)
        assert len(set(ids)) == len(ids)
