import jax
import jax.numpy as jnp


@jax.jit
def bell(x, m, s):
    u = (x - m) / s
    top = jnp.exp(-u * u / 2)
    return top / (2.5066283 * s)


x = jnp.linspace(-3, 5, 5)
for y in bell(x, 1.0, 2.0):
    print(f"{y:.4f}")
