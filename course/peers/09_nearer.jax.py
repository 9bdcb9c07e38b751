import jax


@jax.jit
def nearer(x):
    return jax.lax.cond(
        x > 0,
        lambda x: x - 1,
        lambda x: x + 1,
        x,
    )


for value in 3.0, -3.0:
    print(nearer(value))


@jax.jit
def walk(x, rounds):
    body = lambda _, x: nearer(x)
    return jax.lax.fori_loop(0, rounds, body, x)


for rounds in 2, 4:
    print(walk(9.0, rounds))
