import jax
import jax.numpy as jnp

ones = jnp.ones(2)


def total(x, change):
    kept = y = jnp.tanh(x)
    if change:
        y += 1
    else:
        y = y + 1
    print("  a new array:", y is not kept)
    return y.sum()


def slope(change):
    return jax.grad(total)(ones, change)[0]


print("y = y + 1:")
print(f"  {slope(False):.4f}")
print("y += 1:")
print(f"  {slope(True):.4f}")
