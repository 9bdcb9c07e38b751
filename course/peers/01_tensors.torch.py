import torch

a = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
b = torch.tensor([[2.0, 2.0, 1.0], [4.0, 1.0, 3.0]])
print(a.mm(b.T))
print(a.clamp(min=0, max=2))
print(a.sum(dim=0))
print(a[a > 0])
print(torch.where(a > b, a, b))

t = torch.arange(6).reshape(2, 3)
t.T[0, 1] = 99
print(t)
print(t.stride(), t.T.stride())
print((torch.ones(3) + 1.5).dtype == torch.float32)
print((torch.arange(3) / 2).dtype == torch.float32)
