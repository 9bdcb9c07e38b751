import numpy as np

import minigrad as mg

rng = np.random.default_rng(0)


def draw(*shape):
    return rng.standard_normal(shape, np.float32)


x0, y0 = draw(64, 1000), draw(64, 10)
w1 = mg.variable(draw(1000, 100))
w2 = mg.variable(draw(100, 10))

x = mg.placeholder((64, 1000))
y = mg.placeholder((64, 10))
h = x.mm(w1).clamp(min=0)
loss = (h.mm(w2) - y).pow(2).sum()
g1, g2 = mg.gradients(loss, [w1, w2])
new = {w1: w1 - 1e-6 * g1, w2: w2 - 1e-6 * g2}
step = mg.compile([x, y], loss, updates=new)

for t in range(101):
    value = step(x0, y0)
    if t in (0, 10, 50, 100):
        print(t, f"{value.item():.2e}")
