"""Two layers: the tape finds the gradients."""

import torch

x, y = torch.randn(16, 40), torch.randn(16, 5)
w1 = torch.randn(40, 20, requires_grad=True)
w2 = torch.randn(20, 5, requires_grad=True)
rate = 1e-4
for t in range(60):
    loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
    if t % 10 == 9:
        print(t, loss.item())
    loss.backward()
    with torch.no_grad():
        w1 -= rate * w1.grad
        w2 -= rate * w2.grad
        w1.grad.zero_()
        w2.grad.zero_()
print(w1.grad_fn, w1.is_leaf, loss.requires_grad)
