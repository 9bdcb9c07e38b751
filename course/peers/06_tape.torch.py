import torch

x = torch.tensor(2.0)
w = torch.tensor(3.0, requires_grad=True)
b = torch.tensor(1.0, requires_grad=True)

for turn in range(3):
    y = (x * w + b) ** 2
    y.backward()
    print("turn", turn, w.grad.item(), b.grad.item())

w.grad.zero_()
print("zeroed:", w.grad.item())
