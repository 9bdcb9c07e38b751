import jax.numpy as jnp

a = jnp.array([[1.0, -2, 3], [0.5, 4, -1]])
b = jnp.array([[2.0, 2, 1], [4, 1, 3]])
print(a @ b.T)
print(a.clip(0, 2))
print(a.sum(axis=0))
print(a[a > 0])
print(jnp.where(a > b, a, b))

t = jnp.arange(6).reshape(2, 3)
try:
    t.T[0, 1] = 99
except TypeError:
    print("an array cannot be changed")
print(t.at[1, 0].set(99))
print((jnp.ones(3) + 1.5).dtype)
print((jnp.arange(3) / 2).dtype)
