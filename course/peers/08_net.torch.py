import numpy as np
import torch

rng = np.random.default_rng(0)


def draw(*size):
    a = rng.standard_normal(size, "f")
    return torch.from_numpy(a)


x, y = draw(64, 1000), draw(64, 10)
w1 = draw(1000, 100).requires_grad_()
w2 = draw(100, 10).requires_grad_()

for t in range(101):
    h = x.mm(w1).clamp(min=0)
    loss = (h.mm(w2) - y).pow(2).sum()
    for w in (w1, w2):
        if w.grad is not None:
            w.grad.zero_()
    loss.backward()
    with torch.no_grad():
        for w in (w1, w2):
            w -= 1e-6 * w.grad
    if t in (0, 10, 50, 100):
        print(t, f"{loss.item():.2e}")
