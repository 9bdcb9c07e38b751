"""Pictures of loops and branches: their bodies stand in boxes of their own."""

import minigrad as mg


def test_a_loop_is_drawn_with_its_body_and_a_branch_with_both_sides():
    x = mg.placeholder((3,), name="x")
    h, ys = mg.scan(lambda h, v: (h + v, h.tanh()), x[0], x)
    y = mg.cond(h > 0, lambda: h * 2, lambda: ys.sum().exp())
    text = str(mg.show(y))
    for word in (
        "loop",
        "branch",
        "in body",
        "in if true",
        "in if false",
        "tanh",
        "exp",
    ):
        assert word in text
    assert "gradient part" not in text


def test_a_program_with_loops_is_drawn_at_every_stage():
    x = mg.placeholder((3,), name="x")
    y = mg.scan(lambda h, v: (h * v, None), x[0], x)[0]
    program = mg.compile([x], [y, mg.gradients(y, x)])
    for stage in program.stages:
        inside = "loop#" if stage == "plan" else "in body"  # the plan is a chart
        assert inside in str(program.show(stage))


def test_loop_variables_and_rows_bear_the_names_of_the_body():
    x = mg.placeholder((3,), name="x")
    last = mg.scan(lambda state, row: (state + row, None), x[0], x)[0]
    rounds = mg.while_loop(lambda i: i < 4, lambda i: i + 1, mg.constant(0))
    text = str(mg.show([last, rounds]))
    for word in "state", "row", "i":
        assert f" {word} " in text
    assert "parameter" not in text


def test_control_flow_has_a_look_of_its_own_and_no_size():
    x = mg.placeholder((3,), name="x")
    text = str(mg.show(mg.cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, x)))
    [row] = [line for line in text.splitlines() if "  branch  " in line]
    assert "control flow" in row
    assert "float64" not in row


def test_inside_a_branch_an_operand_keeps_its_name():
    x = mg.placeholder((3,), name="x")
    text = str(mg.show(mg.cond(x.sum() > 0, lambda v: v * 2, lambda v: -v, x)))
    assert "parameter" not in text
