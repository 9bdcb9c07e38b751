import numpy as np

import minigrad as mg

rng = np.random.default_rng(0)


def draw(*size):
    a = rng.standard_normal(size, "f")
    return mg.from_numpy(a)


a, b = draw(64, 1000), draw(64, 10)
w1 = mg.variable(draw(1000, 100))
w2 = mg.variable(draw(100, 10))

x = mg.placeholder((64, 1000))
y = mg.placeholder((64, 10))
h = x.mm(w1).clamp(min=0)
loss = (h.mm(w2) - y).pow(2).sum()
g1, g2 = mg.gradients(loss, [w1, w2])
new1, new2 = w1 - 1e-6 * g1, w2 - 1e-6 * g2
updates = {w1: new1, w2: new2}
step = mg.compile([x, y], loss, updates)

for t in range(101):
    value = step(a, b)
    if t in (0, 10, 50, 100):
        print(t, f"{value.item():.2e}")
