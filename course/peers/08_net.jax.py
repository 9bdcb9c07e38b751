import jax
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)


def draw(*size):
    return jnp.array(rng.standard_normal(size, "f"))


x, y = draw(64, 1000), draw(64, 10)
weights = draw(1000, 100), draw(100, 10)


def loss_of(weights, x, y):
    w1, w2 = weights
    h = jnp.maximum(x @ w1, 0)
    return ((h @ w2 - y) ** 2).sum()


@jax.jit
def step(weights, x, y):
    slope = jax.value_and_grad(loss_of)
    loss, grads = slope(weights, x, y)
    new = [w - 1e-6 * g for w, g in zip(weights, grads)]
    return tuple(new), loss


for t in range(101):
    weights, value = step(weights, x, y)
    if t in (0, 10, 50, 100):
        print(t, f"{value:.2e}")
