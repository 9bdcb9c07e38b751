import jax
import jax.numpy as jnp

E = jnp.arange(81.0).reshape(27, 3)
E = (E * 7 % 11 - 5) / 10
W = jnp.array(
    [[0.5, -0.3, 0.1], [0.2, 0.4, 0.0], [-0.1, 0.3, 0.6]],
)


def read(W, name):
    h, before = jnp.zeros(3), ""
    for letter in name:
        if letter != before:
            x = E[ord(letter) - ord("a") + 1]
            h = jnp.tanh(x + h @ W)
        before = letter
    return h.sum(), h


for name in "al", "anna", "elizabeth":
    slope = jax.grad(read, has_aux=True)
    dW, h = slope(W, name)
    state = [round(v, 3) for v in h.tolist()]
    print(name, state)
    print("  |dW| =", round(float(jnp.linalg.norm(dW)), 3))
