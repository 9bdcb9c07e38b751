"""Two layers by hand: the gradients are written out, with tensors alone."""

import torch

x, y = torch.randn(16, 40), torch.randn(16, 5)
w1, w2 = torch.randn(40, 20), torch.randn(20, 5)
rate = 1e-4
for t in range(60):
    h = x.mm(w1)
    h_relu = h.clamp(min=0)
    y_pred = h_relu.mm(w2)
    loss = (y_pred - y).pow(2).sum().item()
    if t % 10 == 9:
        print(t, loss)

    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h_relu.t().mm(grad_y_pred)
    grad_h = grad_y_pred.mm(w2.t())
    grad_h[h < 0] = 0
    grad_w1 = x.t().mm(grad_h)
    w1 -= rate * grad_w1
    w2 -= rate * grad_w2
