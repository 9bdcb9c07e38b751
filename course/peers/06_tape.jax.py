import jax


def f(w, b, x):
    return (x * w + b) ** 2


slopes = jax.grad(f, argnums=(0, 1))
sum_w = sum_b = 0.0

for turn in range(3):
    gw, gb = slopes(3.0, 1.0, 2.0)
    sum_w += float(gw)
    sum_b += float(gb)
    print("turn", turn, sum_w, sum_b)

sum_w = 0.0
print("zeroed:", sum_w)
