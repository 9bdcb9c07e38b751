import torch

x = torch.tensor(2.0)
w = torch.tensor(3.0, requires_grad=True)
b = torch.tensor(1.0, requires_grad=True)

for turn in range(3):
    y = (x * w + b) ** 2
    y.backward()
    gw, gb = w.grad.item(), b.grad.item()
    print("turn", turn, gw, gb)

w.grad.zero_()
print("zeroed:", w.grad.item())
