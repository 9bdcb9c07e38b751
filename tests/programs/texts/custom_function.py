"""Two layers whose activation brings a derivative of its own."""

import torch


class MyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input < 0] = 0
        return grad_input


x, y = torch.randn(16, 40), torch.randn(16, 5)
w1 = torch.randn(40, 20, requires_grad=True)
w2 = torch.randn(20, 5, requires_grad=True)
rate = 1e-4
for t in range(60):
    loss = (MyReLU.apply(x.mm(w1)).mm(w2) - y).pow(2).sum()
    if t % 10 == 9:
        print(t, loss.item())
    loss.backward()
    with torch.no_grad():
        for w in (w1, w2):
            w -= rate * w.grad
            w.grad = None
