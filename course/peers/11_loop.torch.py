import torch

w = torch.tensor(0.5, requires_grad=True)


def read(xs, n):
    h = torch.tensor(0.0)
    for i in range(n):
        h = torch.tanh(w * h + xs[i])
    return h


xs = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
for n in 2, 5:
    w.grad = None
    h = read(xs, n)
    h.backward()
    print(n, "steps: h =", round(h.item(), 4))
    print("  dh/dw =", round(w.grad.item(), 4))
