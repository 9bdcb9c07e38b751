"""Two layers in the spelling of 2017: Variables."""

import torch
from torch.autograd import Variable

x = Variable(torch.randn(16, 40), requires_grad=False)
y = Variable(torch.randn(16, 5), requires_grad=False)
w1 = Variable(torch.randn(40, 20), requires_grad=True)
w2 = Variable(torch.randn(20, 5), requires_grad=True)
rate = 1e-4
for t in range(60):
    y_pred = x.mm(w1).clamp(min=0).mm(w2)
    loss = (y_pred - y).pow(2).sum()
    if t % 10 == 9:
        print(t, loss.data.item())
    if w1.grad is not None:
        w1.grad.data.zero_()
        w2.grad.data.zero_()
    loss.backward()
    w1.data -= rate * w1.grad.data
    w2.data -= rate * w2.grad.data
