import jax
import jax.numpy as jnp

A = jnp.array([1.0, 2.0, 3.0])
B = jnp.array([4.0, 5.0, 6.0])
C = B * A
print("C =", C)
D = C + 1
print("D =", D)


@jax.jit
def step(x):
    x = (x + B / x) / 2
    return x, abs(x * x - B).max()


x, rounds, off = B, 0, 9.0
while off > 1e-4:
    x, off = step(x)
    rounds += 1
print("rounds:", rounds)
