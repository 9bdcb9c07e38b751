import minigrad as mg


def nearer(x):
    return mg.cond(
        x > 0,
        lambda x: x - 1,
        lambda x: x + 1,
        x,
    )


x = mg.placeholder(())
program = mg.compile([x], nearer(x))
for value in 3.0, -3.0:
    print(program(value).item())

n = mg.placeholder((), mg.int64)
_, y = mg.while_loop(
    lambda n, x: n > 0,
    lambda n, x: (n - 1, nearer(x)),
    (n, x),
)
walk = mg.compile([x, n], y)
for rounds in 2, 4:
    print(walk(9.0, rounds).item())
